"""What an asset says of its joints' measurements, from the units of USD into SI."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from twind.model.topology import Joint, JointHints, Topology
from twind.stage.describe import as_json
from twind.stage.discover import discover_stage

if TYPE_CHECKING:
    from collections.abc import Callable

CELL = """def Xform "robot" (apiSchemas = ["PhysicsArticulationRootAPI"]) {{
    def Xform "a" (apiSchemas = ["PhysicsRigidBodyAPI"]) {{ }}
    def Xform "b" (apiSchemas = ["PhysicsRigidBodyAPI"]) {{ }}
    def PhysicsFixedJoint "root" {{ rel physics:body1 = </robot/a> }}
    def Physics{kind}Joint "j" {{
        rel physics:body0 = </robot/a>
        rel physics:body1 = </robot/b>
        {inside}
    }}
}}
"""


def found(stage_from: Callable[..., Any], kind: str, inside: str) -> tuple[Joint, Topology]:
    topology = discover_stage(stage_from(CELL.format(kind=kind, inside=inside), meters_per_unit=0.01))
    (joint,) = (joint for joint in topology.robots[0].joints if joint.name == "j")
    return joint, topology


def test_angles_are_in_degrees_and_times_in_seconds(stage_from: Callable[..., Any]) -> None:
    joint, _ = found(
        stage_from,
        "Revolute",
        """
        float twind:positionStd = 0.5
        double twind:jerkNoise = 1800
        float twind:velocityStd = 9
        double twind:stampStd = 0.0005
        float twind:wraps = 720
        bool twind:useVelocity = true
        bool twind:useEffort = true
        """,
    )
    hints = joint.hints
    assert hints.position_std == pytest.approx(math.radians(0.5))
    assert hints.jerk_noise == pytest.approx(math.radians(1800))
    assert hints.velocity_std == pytest.approx(math.radians(9))
    assert (hints.stamp_std_s, hints.use_velocity, hints.use_effort) == (0.0005, True, True)
    assert hints.wraps == pytest.approx(4 * math.pi)


def test_lengths_are_in_stage_units(stage_from: Callable[..., Any]) -> None:
    joint, topology = found(stage_from, "Prismatic", "float twind:positionStd = 0.02 float twind:wraps = 360")
    assert joint.hints == JointHints(position_std=pytest.approx(0.0002))
    assert any("twind:wraps is for joints that turn" in note.reason for note in topology.ignored)


@pytest.mark.parametrize(("kind", "axis", "newtons"), [("Revolute", "angular", 87.0), ("Prismatic", "linear", 8700.0)])
def test_the_force_of_a_drive_is_in_stage_units_of_mass_and_length(
    stage_from: Callable[..., Any], kind: str, axis: str, newtons: float
) -> None:
    drive = f"float drive:{axis}:physics:maxForce = 870000"
    assert found(stage_from, kind, drive)[0].effort_limit == pytest.approx(newtons)
    assert found(stage_from, kind, "")[0].effort_limit == math.inf


def test_an_asset_that_says_nothing_leaves_all_to_the_configuration(stage_from: Callable[..., Any]) -> None:
    assert found(stage_from, "Revolute", "")[0].hints == JointHints()


@pytest.mark.parametrize(
    "inside",
    [
        "float twind:positionStd = 0",
        "float twind:jerkNoise = -1",
        "float twind:velocityStd = inf",
        'string twind:stampStd = "soon"',
        "bool twind:wraps = true",
        "float twind:useVelocity = 1",
        "float twind:useEffort = 1",
    ],
)
def test_nonsense_is_noted_and_ignored(stage_from: Callable[..., Any], inside: str) -> None:
    joint, topology = found(stage_from, "Revolute", inside)
    assert joint.hints == JointHints()
    assert any(inside.split()[1] in note.reason and "ignored" in note.reason for note in topology.ignored)


def test_hints_are_part_of_the_json_description(stage_from: Callable[..., Any]) -> None:
    _, topology = found(stage_from, "Revolute", "float twind:positionStd = 1")
    (joint,) = (joint for joint in as_json(topology)["robots"][0]["joints"] if joint["name"] == "j")
    assert joint["hints"]["position_std"] == pytest.approx(math.radians(1))
