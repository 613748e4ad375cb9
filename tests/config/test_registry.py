"""Adapters: which there are, and what is said when one cannot be had."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import TYPE_CHECKING

import pytest

from twind.config.registry import Present, Registry
from twind.model.errors import MissingExtraError, PermanentError

if TYPE_CHECKING:
    from pathlib import Path


def _distribution(folder: Path, *, points: str, extras: tuple[str, ...] = ("mqtt",)) -> metadata.Distribution:
    info = folder / "plant-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: plant\nVersion: 1.0\n" + "".join(f"Provides-Extra: {extra}\n" for extra in extras)
    )
    (info / "entry_points.txt").write_text(f"[twind.sources]\n{points}\n")
    return metadata.Distribution.at(info)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder whose modules and distributions count as installed."""
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def _sources(folder: Path, points: str) -> Registry:
    distribution = _distribution(folder, points=points)
    return Registry(sources={point.name: point for point in distribution.entry_points})


def test_an_unknown_name_is_answered_with_the_names_there_are() -> None:
    registry = Registry(sources={"mqtt": Present(None)})
    with pytest.raises(PermanentError) as caught:
        registry.sources.load("kafka")
    assert str(caught.value) == "no source named 'kafka'; installed: mqtt"
    with pytest.raises(PermanentError, match=r"no source named 'mqt'; installed: mqtt; did you mean 'mqtt'\?"):
        registry.sources.load("mqt")
    with pytest.raises(PermanentError, match="no sink named 'adt'; installed: none"):
        registry.sinks.load("adt")


def test_a_missing_extra_is_answered_with_the_command_that_installs_it(installed: Path) -> None:
    (installed / "plant_mqtt_a.py").write_text("import paho_that_is_absent\n")
    with pytest.raises(MissingExtraError) as caught:
        _sources(installed, "mqtt = plant_mqtt_a:adapter").sources.load("mqtt")
    assert str(caught.value).endswith("(No module named 'paho_that_is_absent'): pip install 'plant[mqtt]'")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_an_entry_point_may_name_its_extra(installed: Path) -> None:
    (installed / "plant_mqtt_b.py").write_text("import paho_that_is_absent\n")
    with pytest.raises(MissingExtraError, match=r"pip install 'plant\[mqtt\]'"):
        _sources(installed, "mosquito = plant_mqtt_b:adapter [mqtt]").sources.load("mosquito")


def test_twinds_own_mqtt_adapter_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] in {"twind_mqtt", "paho"}]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "paho", None)
    with pytest.raises(MissingExtraError) as caught:
        Registry.installed().sources.load("mqtt")
    assert "pip install 'twind[mqtt]'" in str(caught.value)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('no licence')", "source 'x' cannot be loaded: RuntimeError: no licence"),
        ("other = 1", "source 'x' cannot be loaded: AttributeError: "),
        ("adapter = 1", "source 'x' cannot be used: its `settings` must be a class derived from SourceSettings"),
        ("import one_that_is_absent", "source 'x' cannot be loaded: No module named 'one_that_is_absent'"),
    ],
)
def test_a_broken_adapter_is_named_with_its_cause(installed: Path, code: str, said: str) -> None:
    name = f"plant_broken_{abs(hash(code))}"
    (installed / f"{name}.py").write_text(code + "\n")
    with pytest.raises(PermanentError) as caught:
        _sources(installed, f"x = {name}:adapter").sources.load("x")
    assert str(caught.value).startswith(said)


def test_what_is_listed_is_not_imported(installed: Path) -> None:
    (installed / "plant_lazy.py").write_text("raise AssertionError\n")
    assert _sources(installed, "mqtt = plant_lazy:adapter").sources.names == ("mqtt",)


def test_the_installed_codecs_are_those_of_twind() -> None:
    registry = Registry.installed()
    kinds = {
        "joint_state": "joints", "pose": "pose", "twist": "twist", "odometry": "odometry", "imu": "imu", "packed": "packed",
        "clock": "clock", "event": "event",
    }  # fmt: skip
    assert {name: registry.codecs.load(name).kind for name in registry.codecs.names} == kinds
    assert {name: registry.codecs.load(name)().name for name in registry.codecs.names} == {name: name for name in kinds}


def test_a_codec_of_an_unknown_kind_is_refused() -> None:
    class Lidar:
        kind = "lidar"

    codecs = Registry(codecs={"lidar": Present(Lidar)}).codecs
    with pytest.raises(PermanentError, match="one of joints, pose, twist, odometry, imu, packed, clock"):
        codecs.load("lidar")


def test_the_names_of_installed_codecs_are_shown() -> None:
    registry = Registry.installed()
    assert repr(registry.codecs) == f"<Group codec: {', '.join(registry.codecs.names)}>"
