"""A stage that is not complete is refused with what is missing, and pxr prints nothing on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from twind.model.errors import StageError
from twind.stage.opening import collected_diagnostics, open_stage

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "#usda 1.0\n(\n    metersPerUnit = 1\n{}\n)\n"


def write(path: Path, body: str, header: str = "") -> str:
    path.write_text(HEADER.format(header) + body)
    return str(path)


@pytest.mark.parametrize(
    ("body", "header", "missing"),
    [
        ("", "    subLayers = [@./gone.usda@]", "gone.usda"),
        ('def "A" (references = @./gone.usda@</X>) {}', "", "gone.usda"),
        ('def "A" (payload = @./gone.usda@</X>) {}', "", "gone.usda"),
        ('def "A" (references = </Nowhere>) {}', "", "/Nowhere"),
    ],
)
def test_unresolved_layer_or_prim_is_refused_naming_it_and_the_layer_that_asks(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], body: str, header: str, missing: str
) -> None:
    root = write(tmp_path / "root.usda", body, header)
    with pytest.raises(StageError) as refusal:
        open_stage(root)
    assert missing in str(refusal.value)
    assert "root.usda" in str(refusal.value)
    assert "asset paths are relative" in str(refusal.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("content", [None, "not usd at all", "#usda 1.0\ndef X {"])
def test_root_that_cannot_be_read_is_refused_with_the_setting_to_check(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: Any
) -> None:
    path = tmp_path / "root.usda"
    if content is not None:
        path.write_text(content)
    with pytest.raises(StageError, match=r"stage\.root"):
        open_stage(str(path))
    assert capfd.readouterr().err == ""


def test_many_faults_are_listed_up_to_a_bound(tmp_path: Path) -> None:
    body = "\n".join(f'def "P{at}" (references = @./gone{at}.usda@) {{}}' for at in range(30))
    with pytest.raises(StageError, match="and 20 more"):
        open_stage(write(tmp_path / "root.usda", body))


def test_payloads_are_loaded(tmp_path: Path) -> None:
    write(tmp_path / "payload.usda", 'def Xform "A" { def Xform "inside" {} }'.replace("{", "{\n").replace("}", "\n}"))
    root = write(tmp_path / "root.usda", 'def "A" (payload = @./payload.usda@</A>) {}')
    stage, warnings = open_stage(root)
    assert stage.GetPrimAtPath("/A/inside")
    assert warnings == ()


def test_diagnostics_are_collected_in_place_of_printed(capfd: pytest.CaptureFixture[str]) -> None:
    from pxr import Tf

    with collected_diagnostics() as found:
        Tf.Warn("something odd")
    assert found == ["something odd"]
    assert capfd.readouterr().err == ""
