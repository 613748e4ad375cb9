"""A stage as one file: what it composes to, as authored or as it stands live."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from pxr import Sdf, Usd

from tests.stage.plant import build_plant
from tests.usd_2511 import seen_by, seen_here
from twind.cli.main import main
from twind.model.errors import StageError
from twind.stage.export import Export
from twind.stage.live import LiveStage
from twind.stage.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return build_plant(tmp_path / "disk")


@pytest.fixture
def live_folder(root: Path, tmp_path: Path, update_at: Callable[..., Any]) -> Path:
    """A snapshot in which a robot stands elsewhere than authored."""
    live = LiveStage.open(str(root), instance="plant")
    live.write(update_at(live.topology, {"robot_1/joint_3": 0.6}, seq=5))
    Snapshot(live, tmp_path / "live")
    live.close()
    return tmp_path / "live"


def export(*arguments: object) -> Any:
    return CliRunner().invoke(main, ["stage", "export", *map(str, arguments)])


def assert_same_values(one: Any, other: Any) -> None:
    for prim in one.Traverse():
        there = other.GetPrimAtPath(prim.GetPath())
        assert there.GetTypeName() == prim.GetTypeName()
        for attribute in prim.GetAttributes():
            mine, theirs = attribute.Get(), there.GetAttribute(attribute.GetName()).Get()
            if isinstance(mine, Sdf.AssetPath):
                if "key" not in mine.path:
                    assert bool(theirs.resolvedPath) == bool(mine.resolvedPath), mine
            else:
                assert theirs == mine, attribute.GetPath()


@pytest.mark.parametrize("name", ["flat.usda", "flat.usdc", "package.usdz"])
@pytest.mark.parametrize("shown", ["authored", "live"])
def test_one_file_shows_what_many_showed(root: Path, live_folder: Path, usd_2511: Path, name: str, shown: str) -> None:
    out = root.parent / "out" / name
    live = ["--live", live_folder] if shown == "live" else []
    done = export(root, "--usdz" if name.endswith("z") else "--flatten", out, *live)
    assert done.exit_code == 0, done.output
    original = Usd.Stage.Open(str(live_folder / "twin.usda" if live else root))
    exported = Usd.Stage.Open(str(out))
    assert_same_values(original, exported)
    for key in ("metersPerUnit", "upAxis", "defaultPrim"):
        assert exported.GetMetadata(key) == original.GetMetadata(key)
    assert seen_by(usd_2511, out) == seen_here(out)
    assert seen_here(out)["errors"] == 0


def test_a_package_holds_everything_and_names_what_it_cannot_hold(root: Path, live_folder: Path, tmp_path: Path) -> None:
    done = export(root, "--usdz", tmp_path / "p.usdz", "--live", live_folder)
    assert "left out: OmniPBR.mdl: not found" in done.stderr
    with zipfile.ZipFile(tmp_path / "p.usdz") as archive:
        entries = archive.infolist()
    assert entries[0].filename == "twin.usda"
    assert all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
    data = (tmp_path / "p.usdz").read_bytes()
    for entry in entries:  # the format asks for 64 byte alignment, so that a reader may map it
        start = (
            entry.header_offset + 30 + sum(int.from_bytes(data[entry.header_offset + at :][:2], "little") for at in (26, 28))
        )
        assert start % 64 == 0
    assert "root/robots/textures/wood.png" in {entry.filename for entry in entries}
    (tmp_path / "disk").rename(tmp_path / "gone")
    assert not Usd.Stage.Open(str(tmp_path / "p.usdz")).GetCompositionErrors()


def test_no_input_is_ever_written_over_nor_touched(root: Path, live_folder: Path, tmp_path: Path) -> None:
    def digests() -> dict[str, str]:
        files = [path for path in (tmp_path / "disk").rglob("*") if path.is_file()]
        return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}

    before = digests()
    (tmp_path / "alias.usda").symlink_to(root)
    (tmp_path / "same.usdc").hardlink_to(tmp_path / "disk" / "library" / "parts" / "bolt.usdc")
    for out in (root, tmp_path / "alias.usda", tmp_path / "same.usdc", tmp_path / "disk/plant/robots/robots.usdc"):
        done = export(root, "--flatten", out)
        assert (done.exit_code, "a part of the stage" in done.stderr) == (1, True), out
    assert export(root, "--flatten", tmp_path / "x.usda", "--usdz", tmp_path / "x.usdz", "--live", live_folder).exit_code == 0
    assert digests() == before


def test_an_export_that_fails_leaves_the_old_file_and_nothing_else(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "x.usdz").write_text("old")
    (folder / "x.usda").write_text("old")
    with monkeypatch.context() as patch:
        patch.setattr(Sdf.ZipFileWriter, "AddFile", lambda *_: "")
        assert export(root, "--usdz", folder / "x.usdz").exit_code == 1
        patch.setattr(Sdf.Layer, "Export", lambda *_: False)
        assert export(root, "--flatten", folder / "x.usda").exit_code == 1
    assert {path.name: path.read_text() for path in folder.iterdir()} == {"x.usda": "old", "x.usdz": "old"}


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ([], 2, "--flatten or --usdz"),
        (["--flatten", "OUT/a.obj"], 1, ".usda"),
        (["--usdz", "OUT/a.zip"], 1, ".usdz"),
        (["--flatten", "OUT/a.usda", "--live", "OUT/nowhere"], 1, "No such file"),
        (["--flatten", "OUT/a.usda", "--live", "http://127.0.0.1:9"], 1, "Connection refused"),
        (["--flatten", "OUT/a.usda", "--live", "http://:9"], 1, "names no host"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    root: Path, tmp_path: Path, arguments: list[str], code: int, says: str
) -> None:
    done = export(root, *(argument.replace("OUT", str(tmp_path)) for argument in arguments))
    assert done.exit_code == code
    assert says in done.stderr
    assert not (tmp_path / "a.usda").exists()


def test_a_live_layer_of_another_stage_or_another_time_is_refused(root: Path, live_folder: Path) -> None:
    live = (live_folder / "live.usda").read_text()
    for text, says in (
        (live.replace('over "robot_1"', 'over "robot_9"'), "another stage: there is no /World/robot_9"),
        (live.replace("schemaVersion = 1", "schemaVersion = 99"), "version 99"),
        ("#usda 1.0\n", "no live layer"),
        ("#usda 1.0\nover {", "cannot be read"),
    ):
        with pytest.raises(StageError, match=says):
            Export(str(root), [text.encode()])


def test_the_first_live_layer_is_the_strongest(root: Path, live_folder: Path, tmp_path: Path) -> None:
    text = (live_folder / "live.usda").read_text()
    (tmp_path / "newer.usda").write_text(text.replace("int64 twind:seq = 5", "int64 twind:seq = 6"))
    export(root, "--flatten", tmp_path / "a.usda", "--live", tmp_path / "newer.usda", "--live", live_folder)
    assert Usd.Stage.Open(str(tmp_path / "a.usda")).GetAttributeAtPath("/World/robot_1.twind:seq").Get() == 6


def test_openusds_own_validators_find_nothing_wrong(tmp_path: Path, update_at: Callable[..., Any]) -> None:
    validation = pytest.importorskip("pxr.UsdValidation", reason="this OpenUSD has no validators")
    cell = Path(__file__).parents[2] / "stages" / "demo_cell" / "cell.usda"
    live = LiveStage.open(str(cell), instance="t")
    live.write(update_at(live.topology))
    Snapshot(live, tmp_path / "live")
    live.close()
    assert (
        export(cell, "--flatten", tmp_path / "a.usdc", "--usdz", tmp_path / "a.usdz", "--live", tmp_path / "live").exit_code
        == 0
    )
    everything = validation.ValidationContext(validation.ValidationRegistry().GetOrLoadAllValidators())
    for path in (tmp_path / "a.usdc", tmp_path / "a.usdz", tmp_path / "live" / "twin.usda"):
        assert [error.GetMessage() for error in everything.Validate(Usd.Stage.Open(str(path)))] == []
