"""A stage that was discovered before is not opened again, unless anything may have changed."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from twind.runtime import discovered as module
from twind.runtime.discovered import discovered
from twind.stage import opening
from twind.stage.dependencies import settled_files
from twind.stage.discover import discover
from twind.stage.opening import open_stage
from twind.stage.synthetic import serial_robots

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class _Touching:
    """What makes a file when it is read by `pickle`."""

    path: Path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _write(robots: int, path: Path) -> None:
    stage = serial_robots(robots, joints=2)  # its layer lives as long as it does
    stage.GetRootLayer().Export(str(path))


@pytest.fixture
def cell(tmp_path: Path) -> Path:
    """Return a root layer over a layer with one robot."""
    (tmp_path / "robots").mkdir()
    _write(1, tmp_path / "robots" / "arm.usda")
    root = tmp_path / "cell.usda"
    root.write_text("#usda 1.0\n(\n    subLayers = [@./robots/arm.usda@]\n)\n", encoding="utf-8")
    return root


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the stages that were opened since; files count as old at once."""
    roots: list[str] = []

    def noting(root: str) -> Any:
        roots.append(root)
        return open_stage(root)

    monkeypatch.setattr(opening, "open_stage", noting)
    monkeypatch.setattr(module, "_TICK_NS", -(10**12))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    return roots


def test_a_stage_that_was_discovered_before_is_not_opened_again(cell: Path, opened: list[str]) -> None:
    first = discovered(str(cell))
    assert discovered(str(cell)) == first == discover(str(cell))
    assert opened == [str(cell)]


def test_a_change_in_any_layer_is_seen(cell: Path, opened: list[str]) -> None:
    before = discovered(str(cell))
    arm = cell.parent / "robots" / "arm.usda"
    arm.write_text(arm.read_text(encoding="utf-8").replace("joint_2", "joint_X"), encoding="utf-8")
    after = discovered(str(cell))
    assert before.robots[0].joints[-1].name == "joint_2"
    assert after.robots[0].joints[-1].name == "joint_X"
    cell.write_text(cell.read_text(encoding="utf-8").replace("1.0", "1.0 "), encoding="utf-8")
    assert discovered(str(cell)) == after
    assert len(opened) == 3


def test_other_code_discovers_anew(cell: Path, opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = tmp_path / "code.py"
    code.write_text("old", encoding="utf-8")
    monkeypatch.setattr(module, "_makers", lambda: [str(code)])
    discovered(str(cell))
    code.write_text("newer", encoding="utf-8")
    discovered(str(cell))
    assert len(opened) == 2


def test_what_changed_just_now_is_not_kept_as_it_may_change_again_within_a_tick_of_the_clock(
    cell: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_TICK_NS", 10**15)
    discovered(str(cell))
    discovered(str(cell))
    assert len(opened) == 2


def test_the_same_relative_path_elsewhere_is_another_stage(
    cell: Path, opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(cell.parent)
    discovered("cell.usda")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    _write(3, elsewhere / "cell.usda")
    monkeypatch.chdir(elsewhere)
    assert len(discovered("cell.usda").robots) == 3
    assert len(opened) == 2


def test_a_damaged_file_in_the_cache_is_as_good_as_none(cell: Path, opened: list[str], tmp_path: Path) -> None:
    first = discovered(str(cell))
    for kept in (tmp_path / "cache").rglob("*"):
        if kept.is_file():
            kept.write_bytes(kept.read_bytes()[:-20])
    assert discovered(str(cell)) == first
    assert len(opened) == 2


def test_without_a_place_to_keep_it_the_stage_is_opened_each_time(
    cell: Path, opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder", encoding="utf-8")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    assert discovered(str(cell)) == discovered(str(cell))
    assert len(opened) == 2


def test_no_more_stages_are_kept_than_fit(
    cell: Path, opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_KEPT", 2)
    for number in range(4):
        root = cell.with_name(f"cell_{number}.usda")
        root.write_bytes(cell.read_bytes())
        discovered(str(root))
    discovered(str(root))
    assert len(opened) == 4
    assert len([path for path in (tmp_path / "cache").rglob("*") if path.is_file()]) == 2


def test_the_files_of_a_stage_are_those_that_it_is_composed_of(cell: Path) -> None:
    stage, _ = open_stage(str(cell))
    assert set(settled_files(stage) or ()) == {cell, cell.parent / "robots" / "arm.usda"}


@pytest.mark.usefixtures("cell")
def test_nothing_is_kept_of_a_stage_with_a_layer_whose_place_another_file_could_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = tmp_path / "below"
    below.mkdir()
    root = below / "cell.usda"
    root.write_text("#usda 1.0\n(\n    subLayers = [@robots/arm.usda@]\n)\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)  # where USD looks when there is nothing beside the layer
    stage, _ = open_stage(str(root))
    assert settled_files(stage) is None


@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_what_others_may_have_written_is_not_believed_and_replaced(
    cell: Path, opened: list[str], tmp_path: Path, mode: int
) -> None:
    first = discovered(str(cell))
    (kept,) = _files(tmp_path / "cache")
    kept.chmod(mode)
    assert discovered(str(cell)) == first
    assert discovered(str(cell)) == first
    assert len(opened) == 2
    assert [oct(path.stat().st_mode & 0o777) for path in _files(tmp_path / "cache")] == ["0o600"]


def test_what_another_user_wrote_is_not_believed(cell: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    first = discovered(str(cell))
    monkeypatch.setattr(module.os, "geteuid", lambda: 12345)  # type: ignore[attr-defined]
    assert discovered(str(cell)) == first
    assert len(opened) == 2


def test_reading_what_was_kept_runs_no_code(cell: Path, opened: list[str], tmp_path: Path) -> None:
    first = discovered(str(cell))
    (kept,) = _files(tmp_path / "cache")
    ran = tmp_path / "ran"
    kept.write_bytes(pickle.dumps(_Touching(ran)))
    assert discovered(str(cell)) == first
    assert len(opened) == 2
    assert not ran.exists()


def test_what_is_kept_is_in_all_parts_what_was_found(cell: Path, opened: list[str]) -> None:
    found, kept = discovered(str(cell)), discovered(str(cell))
    assert repr(kept) == repr(found)  # also types, and signs of zeros
    assert kept.entity_index == found.entity_index
    assert len(opened) == 1


def test_a_user_without_a_home_discovers_each_time(cell: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")  # noqa: EM101  (as it says itself)

    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "expanduser", homeless)
    assert discovered(str(cell)) == discovered(str(cell))
    assert len(opened) == 2
