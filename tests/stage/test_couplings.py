"""Joints that follow another joint, in every spelling."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from twind.model.topology import Mimic
from twind.stage.discover import discover_stage

if TYPE_CHECKING:
    from collections.abc import Callable

LEADER = "/gripper/leader"


def gripper(
    follower: str,
    *,
    kind: str = "Revolute",
    leader_kind: str = "Revolute",
    leader: str = "",
    schemas: str = "",
) -> str:
    return f"""
    def Xform "gripper" (kind = "component") {{
        def Xform "palm" (apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsArticulationRootAPI"]) {{}}
        def Xform "a" (apiSchemas = ["PhysicsRigidBodyAPI"]) {{}}
        def Xform "b" (apiSchemas = ["PhysicsRigidBodyAPI"]) {{}}
        def Physics{kind}Joint "follower" (apiSchemas = [{schemas}]) {{
            rel physics:body0 = </gripper/palm>
            rel physics:body1 = </gripper/a>
            {follower}
        }}
        def Physics{leader_kind}Joint "leader" {{
            rel physics:body0 = </gripper/palm>
            rel physics:body1 = </gripper/b>
            {leader}
        }}
    }}
    """


def mimic_of(topology: Any) -> Any:
    return topology.robots[0].joints[0].mimic


def test_newton_mimic_of_a_revolute_joint_has_its_offset_in_degrees(stage_from: Callable[..., Any]) -> None:
    text = gripper(
        f"rel newton:mimicJoint = <{LEADER}> float newton:mimicCoef0 = 90 float newton:mimicCoef1 = -2",
        schemas='"NewtonMimicAPI"',
    )
    assert mimic_of(discover_stage(stage_from(text))) == Mimic(1, -2.0, math.pi / 2)


def test_newton_mimic_of_a_prismatic_joint_has_its_offset_in_stage_units(stage_from: Callable[..., Any]) -> None:
    text = gripper(f"rel newton:mimicJoint = <{LEADER}> float newton:mimicCoef0 = 5", kind="Prismatic", leader_kind="Prismatic")
    mimic = mimic_of(discover_stage(stage_from(text, meters_per_unit=0.01)))
    assert (mimic.joint, mimic.multiplier, mimic.offset) == (1, 1.0, pytest.approx(0.05))


def test_disabled_newton_mimic_is_not_followed(stage_from: Callable[..., Any]) -> None:
    text = gripper(f"rel newton:mimicJoint = <{LEADER}> bool newton:mimicEnabled = 0")
    assert mimic_of(discover_stage(stage_from(text))) is None


def test_newton_mimic_across_kinds_has_no_units_and_is_noted(stage_from: Callable[..., Any]) -> None:
    topology = discover_stage(stage_from(gripper(f"rel newton:mimicJoint = <{LEADER}>", kind="Prismatic")))
    assert mimic_of(topology) is None
    assert any("another kind" in one.reason for one in topology.ignored)


def test_physx_mimic_has_the_opposite_sign(stage_from: Callable[..., Any]) -> None:
    follower = (
        f"rel physxMimicJoint:rotX:referenceJoint = <{LEADER}> "
        "float physxMimicJoint:rotX:gearing = -0.5 float physxMimicJoint:rotX:offset = 90"
    )
    mimic = mimic_of(discover_stage(stage_from(gripper(follower, schemas='"PhysxMimicJointAPI:rotX"'))))
    assert (mimic.joint, mimic.multiplier, mimic.offset) == (1, 0.5, pytest.approx(-math.pi / 2))


def test_physx_mimic_of_a_screw_converts_degrees_to_stage_units(stage_from: Callable[..., Any]) -> None:
    follower = f"rel physxMimicJoint:transX:referenceJoint = <{LEADER}> float physxMimicJoint:transX:gearing = -0.1"
    text = gripper(follower, kind="Prismatic", schemas='"PhysxMimicJointAPI:transX"')
    mimic = mimic_of(discover_stage(stage_from(text, meters_per_unit=0.01)))
    # one turn is 360 deg, so 36 cm
    assert mimic.multiplier * math.tau == pytest.approx(0.36)


def test_leader_outside_the_robot_is_noted_and_the_joint_moves_on_its_own(stage_from: Callable[..., Any]) -> None:
    topology = discover_stage(stage_from(gripper("rel newton:mimicJoint = </elsewhere>")))
    assert mimic_of(topology) is None
    assert any("moves on its own" in one.reason for one in topology.ignored)


def test_circle_of_followers_is_opened_and_noted(stage_from: Callable[..., Any]) -> None:
    text = gripper(f"rel newton:mimicJoint = <{LEADER}>", leader="rel newton:mimicJoint = </gripper/follower>")
    topology = discover_stage(stage_from(text))
    follower, leader = topology.robots[0].joints
    assert follower.mimic is not None
    assert leader.mimic is None
    assert [one.prim for one in topology.ignored] == [LEADER]


def test_polynomial_of_an_mjcf_equality_is_noted(stage_from: Callable[..., Any]) -> None:
    text = gripper(
        f"rel newton:mimicJoint = <{LEADER}> double mjc:coef2 = 0.5", schemas='"NewtonMimicAPI", "MjcEqualityJointAPI"'
    )
    topology = discover_stage(stage_from(text))
    assert mimic_of(topology) == Mimic(1, 1.0, 0.0)
    assert any("polynomial" in one.reason for one in topology.ignored)
