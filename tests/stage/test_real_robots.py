"""Discovery and the live layer on unedited converter output."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twind.model.topology import JointKind
from twind.stage.discover import discover
from twind.stage.live import LiveStage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROBOTS = ["panda", "iiwa14", "double_pendulum"]


def _root(data_dir: Path, name: str) -> str:
    return str(data_dir / "robots" / name / f"{name}.usda")


def _digest(folder: Path) -> dict[str, str]:
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_panda_is_one_robot_with_seven_joints_and_two_coupled_fingers(data_dir: Path) -> None:
    topology = discover(_root(data_dir, "panda"))
    (robot,) = topology.robots
    assert (robot.id, robot.prim, robot.floating) == ("panda", "/panda", False)
    assert [link.name for link in robot.links] == [f"link{i}" for i in range(8)] + ["hand", "left_finger", "right_finger"]
    moving = [joint for joint in robot.joints if joint.movable]
    assert [joint.name for joint in moving] == [f"joint{i}" for i in range(1, 8)] + ["finger_joint1", "finger_joint2"]
    assert moving[0].upper == pytest.approx(2.8973, abs=1e-6)
    finger = moving[7]
    assert finger.kind is JointKind.PRISMATIC
    assert finger.upper == pytest.approx(0.04)
    assert robot.joints[finger.mimic.joint].name == "finger_joint2"
    assert (finger.mimic.multiplier, finger.mimic.offset) == (1.0, 0.0)
    assert topology.objects == ()
    assert topology.ignored == ()


def test_iiwa_with_instanced_meshes_is_one_robot_with_seven_joints(data_dir: Path) -> None:
    (robot,) = discover(_root(data_dir, "iiwa14")).robots
    assert [joint.name for joint in robot.joints if joint.movable] == [f"joint{i}" for i in range(1, 8)]
    assert robot.joints[1].lower == pytest.approx(math.radians(-170), abs=2e-4)


def test_double_pendulum_keeps_its_velocity_limits_and_its_turned_second_frame(data_dir: Path) -> None:
    (robot,) = discover(_root(data_dir, "double_pendulum")).robots
    one, two = (joint for joint in robot.joints if joint.movable)
    assert (one.name, two.name) == ("Joint1", "Joint2")
    assert one.axis == two.axis == 0
    assert one.velocity_limit == pytest.approx(20.0, abs=1e-4)
    assert abs(two.parent_frame.orientation[1]) == pytest.approx(1.0)
    assert robot.links[robot.base].name == "base_link"


@pytest.mark.parametrize("name", ROBOTS)
def test_kinematics_at_rest_gives_the_authored_link_poses(
    data_dir: Path, forward: Callable[..., Any], matrix: Callable[..., Any], name: str
) -> None:
    topology = discover(_root(data_dir, name))
    (robot,) = topology.robots
    for link, world in zip(robot.links, forward(topology), strict=True):
        np.testing.assert_allclose(world, matrix(link.rest), atol=1e-6)


@pytest.mark.parametrize("name", ROBOTS)
def test_stage_shows_joint_states_and_link_transforms_that_agree(
    data_dir: Path, forward: Callable[..., Any], matrix: Callable[..., Any], update_at: Callable[..., Any], name: str
) -> None:
    live = LiveStage.open(_root(data_dir, name), instance="test")
    topology = live.topology
    (robot,) = topology.robots
    rng = np.random.default_rng(7)
    positions = {
        f"{robot.id}/{joint.name}": float(rng.uniform(-1, 1)) for joint in robot.joints if joint.movable and not joint.mimic
    }
    for joint in robot.joints:
        if joint.mimic:
            positions[f"{robot.id}/{joint.name}"] = positions[f"{robot.id}/{robot.joints[joint.mimic.joint].name}"]
    assert live.write(update_at(topology, positions)) > 0
    reading = live.read_back(robot.id)
    assert reading.quality == "ok"
    for joint in robot.joints:
        if joint.movable:
            assert reading.positions[joint.name] == pytest.approx(positions[f"{robot.id}/{joint.name}"], abs=1e-6)
    for link, world in zip(robot.links, forward(topology, positions), strict=True):
        np.testing.assert_allclose(matrix(reading.poses[link.prim]), world, atol=1e-6)
    live.close()


def test_user_files_are_byte_identical_after_writing(data_dir: Path, update_at: Callable[..., Any]) -> None:
    folder = data_dir / "robots" / "panda"
    before = _digest(folder)
    live = LiveStage.open(_root(data_dir, "panda"), instance="test")
    for seq in range(1, 4):
        live.write(update_at(live.topology, {"panda/joint1": 0.1 * seq}, seq=seq))
    assert not live.stage.GetRootLayer().dirty
    assert [layer.dirty for layer in live.stage.GetUsedLayers() if not layer.anonymous] == [False] * (
        len([layer for layer in live.stage.GetUsedLayers() if not layer.anonymous])
    )
    live.close()
    assert _digest(folder) == before


def test_reading_before_the_first_sample_says_lost_and_shows_the_rest_pose(data_dir: Path, matrix: Callable[..., Any]) -> None:
    live = LiveStage.open(_root(data_dir, "iiwa14"), instance="test")
    reading = live.read_back("iiwa14")
    assert (reading.quality, reading.time_s, reading.seq, reading.age_s) == ("lost", 0.0, 0, -1.0)
    for link in live.topology.robots[0].links:
        np.testing.assert_allclose(matrix(reading.poses[link.prim]), matrix(link.rest), atol=1e-6)
    live.close()
