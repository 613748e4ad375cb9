"""What people and programs are told about a stage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from twind.stage.describe import as_json, describe
from twind.stage.discover import discover, discover_stage
from twind.stage.synthetic import serial_robots

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_description_shows_the_tree_with_limits_in_both_units(data_dir: Path) -> None:
    text = describe(discover(str(data_dir / "robots" / "panda" / "panda.usda")))
    assert "robot panda  /panda" in text
    assert "fixed base, 11 links, 9 of 11 joints move" in text
    assert "joint1: revolute Z, -166 deg (-2.897 rad) to 166 deg (2.897 rad) -> link1" in text
    assert "finger_joint1: prismatic Y, 0 m to 0.04 m, = 1 x finger_joint2 -> left_finger" in text


def test_velocity_limits_are_shown_in_both_units(data_dir: Path) -> None:
    text = describe(discover(str(data_dir / "robots" / "double_pendulum" / "double_pendulum.usda")))
    assert "up to 1146 deg/s (20 rad/s)" in text


def test_description_lists_objects_and_what_was_ignored(stage_from: Callable[..., Any]) -> None:
    text = describe(
        discover_stage(
            stage_from('def Xform "box" (apiSchemas = ["PhysicsRigidBodyAPI"]) {} def PhysicsDistanceJoint "rope" {}')
        )
    )
    assert "objects (1)\n  box  /box  at (0.000, 0.000, 0.000) m" in text
    assert "/rope: joints of type PhysicsDistanceJoint are not followed" in text


def test_empty_stage_says_what_it_lacks(stage_from: Callable[..., Any]) -> None:
    assert "PhysicsArticulationRootAPI" in describe(discover_stage(stage_from('def Xform "World" {}')))


def test_json_is_plain_and_finite() -> None:
    topology = discover_stage(serial_robots(1, objects=1))
    plain = json.loads(json.dumps(as_json(topology), allow_nan=False))
    robot = plain["robots"][0]
    assert robot["id"] == "robot_0"
    assert robot["joints"][1]["kind"] == "revolute"
    assert robot["joints"][1]["axis"] == "Y"
    assert robot["joints"][0]["lower"] is None
    assert plain["objects"][0]["id"] == "part_0"
    assert plain["first_joint"] == [0, 8]
