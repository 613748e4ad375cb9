"""Live layers of some entities each, over what all daemons have in common."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pxr import Usd

from tests.stage.viewer import Viewer
from twind.stage.fence import Holder, read_holder
from twind.stage.live import LiveStage
from twind.stage.part import BASE, STRUCTURE, LivePart, beneath_parts
from twind.stage.structure import LiveOptions
from twind.stage.synthetic import serial_robots

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

CELL = Path(__file__).parents[2] / "stages" / "demo_cell" / "cell.usda"


@pytest.fixture
def root(tmp_path: Path) -> str:
    path = tmp_path / "plant.usda"
    stage = serial_robots(3, objects=1)
    stage.GetRootLayer().Export(str(path))
    return str(path)


def write(path: Path, live: LiveStage, entities: Collection[str], *, epoch: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(LivePart(live, entities, Holder(live.instance, epoch, "session")).data())
    return path


@pytest.mark.parametrize("options", [LiveOptions(), LiveOptions(generation=3, stale_color=(1.0, 0.5, 0.0), physics_off=True)])
def test_all_parts_together_show_what_the_live_stage_shows(
    tmp_path: Path, update_at: Callable[..., Any], options: LiveOptions
) -> None:
    live = LiveStage.open(str(CELL), instance="a", options=options)
    beneath = beneath_parts(live, tmp_path / "shared")
    live.write(update_at(live.topology, {}, seq=5))
    for number, one in enumerate(live.topology.entities):
        beneath.join(write(tmp_path / "shared" / str(number) / "live.usda", live, [one.id]), tmp_path / "all.usda")
    stage = Usd.Stage.Open(str(tmp_path / "all.usda"))
    seen = 0
    for prim in live.stage.Traverse():
        for attribute in prim.GetAttributes():
            assert stage.GetAttributeAtPath(attribute.GetPath()).Get() == attribute.Get(), attribute.GetPath()
            seen += attribute.GetName() == "twind:seq"
    assert seen == len(live.topology.entities)
    live.close()


def test_a_part_says_nothing_about_others_and_what_is_in_no_part_is_at_rest_and_lost(
    root: str, tmp_path: Path, update_at: Callable[..., Any]
) -> None:
    live = LiveStage.open(root, instance="a")
    live.write(update_at(live.topology, {f"robot_{n}/joint_1": 0.5 for n in range(3)}, seq=7))
    beneath = beneath_parts(live, tmp_path / "shared")
    part = write(tmp_path / "part" / "live.usda", live, ["robot_1", "part_0"], epoch=4)
    assert (read_holder(part).instance, read_holder(part).generation) == ("a", 4)
    beneath.join(part, tmp_path / "all.usda")
    stage = Usd.Stage.Open(str(tmp_path / "all.usda"))

    def said(prim: str, name: str) -> Any:
        return stage.GetAttributeAtPath(f"/World/{prim}.{name}").Get()

    assert (said("robot_1", "twind:seq"), said("robot_1", "twind:instance")) == (7, "a")
    assert said("part_0", "twind:seq") == 7
    for other in ("robot_0", "robot_2"):
        assert (said(other, "twind:seq"), said(other, "twind:quality")) == (0, "lost")
        assert not stage.GetAttributeAtPath(f"/World/{other}.twind:instance")
        assert said(f"{other}/joint_1", "state:angular:physics:position") == 0.0
    assert said("robot_1/joint_1", "state:angular:physics:position") == pytest.approx(28.6479)
    live.close()


def test_a_robot_that_goes_to_another_daemon_is_shown_as_that_one_has_it_and_viewers_see_values_change(
    root: str, tmp_path: Path, update_at: Callable[..., Any]
) -> None:
    old, new = LiveStage.open(root, instance="old"), LiveStage.open(root, instance="new")
    common = [tmp_path / "shared" / name for name in (STRUCTURE, BASE)]
    beneath = beneath_parts(old, tmp_path / "shared")
    made = [(path.stat().st_ino, path.stat().st_mtime_ns) for path in common]
    old.write(update_at(old.topology, {"robot_1/joint_1": 0.1}, seq=100))
    new.write(update_at(new.topology, {"robot_1/joint_1": 0.2}, seq=3))
    part = write(tmp_path / "3" / "live.usda", old, ["robot_1"])
    beneath.join(part, tmp_path / "all.usda")
    again = beneath_parts(new, tmp_path / "shared")
    assert [(path.stat().st_ino, path.stat().st_mtime_ns) for path in common] == made  # the same, and not written again
    with Viewer(Path(sys.executable), tmp_path / "all.usda") as viewer:
        write(part, new, ["robot_1"], epoch=2)
        again.join(part, tmp_path / "all.usda")
        seen = viewer.reload("/World/robot_1.twind:seq")
    assert seen["value"] == 3
    assert seen["resynced"] == []
    stage = Usd.Stage.Open(str(tmp_path / "all.usda"))
    assert stage.GetAttributeAtPath("/World/robot_1.twind:instance").Get() == "new"
    old.close()
    new.close()
