"""Joints with several free axes: balls, D6 joints, and the stacks of MuJoCo's converter."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twind.model.topology import JointKind, Mimic
from twind.stage.discover import discover_stage
from twind.stage.live import LiveStage

if TYPE_CHECKING:
    from collections.abc import Callable

TURNED = "quatf xformOp:orient = (0.5, 0.5, 0.5, 0.5) uniform token[] xformOpOrder = ['xformOp:orient']"


def robot(joints: str, *, second: str = "", root: str = "", root_schemas: str = "") -> str:
    return f"""
    def Xform "robot" (kind = "component") {{
        def Xform "a" (apiSchemas = ["PhysicsRigidBodyAPI", "PhysicsArticulationRootAPI"{root_schemas}]) {{ {root} }}
        def Xform "b" (apiSchemas = ["PhysicsRigidBodyAPI"]) {{ {second} }}
        def PhysicsFixedJoint "ground" {{ rel physics:body1 = </robot/a> }}
        {joints}
    }}
    """


def joint(kind: str, name: str, inside: str = "", schemas: str = "") -> str:
    return (
        f'def Physics{kind}Joint "{name}" (apiSchemas = [{schemas}]) {{ '
        f"rel physics:body0 = </robot/a> rel physics:body1 = </robot/b> {inside} }}"
    )


def generic(name: str = "j", inside: str = "", **limits: tuple[float, float]) -> str:
    """Write a D6 joint that is locked but for what is said of an axis."""
    axes = {f"{how}{letter}": (1.0, -1.0) for how in ("trans", "rot") for letter in "XYZ"} | limits
    schemas = ", ".join(f'"PhysicsLimitAPI:{axis}"' for axis in axes)
    values = " ".join(
        f"float limit:{axis}:physics:low = {low} float limit:{axis}:physics:high = {high}" for axis, (low, high) in axes.items()
    )
    return joint("", name, f"{values} {inside}", schemas)


def reasons(topology: Any, prim: str) -> list[str]:
    return [one.reason for one in topology.ignored if one.prim == prim]


def moving(topology: Any) -> list[Any]:
    return [one for one in topology.robots[0].joints if one.movable]


def test_ball_is_three_joints_named_after_its_axes(stage_from: Callable[..., Any], forward: Callable[..., Any]) -> None:
    topology = discover_stage(stage_from(robot(joint("Spherical", "ball"))))
    axes = moving(topology)
    assert [one.name for one in axes] == ["ball:rotX", "ball:rotY", "ball:rotZ"]
    assert [one.axis_name for one in axes] == ["rotX", "rotY", "rotZ"]
    assert {one.kind for one in axes} == {JointKind.CONTINUOUS}
    assert [(one.parent, one.child, one.further) for one in axes] == [(0, 1, False), (1, 1, True), (1, 1, True)]
    # Each axis turns with the earlier ones: a quarter turn about X takes Y to Z, another about it takes Z to X.
    world = forward(topology, {"robot/ball:rotX": math.pi / 2, "robot/ball:rotY": math.pi / 2})[1]
    np.testing.assert_allclose(world[:3, 2], (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(world[:3, 1], (0, 0, 1), atol=1e-12)


def test_state_of_a_ball_is_written_to_one_joint_state_per_axis(
    stage_from: Callable[..., Any], update_at: Callable[..., Any]
) -> None:
    live = LiveStage.over(stage_from(robot(joint("Spherical", "ball"))), instance="test")
    angles = {"robot/ball:rotX": 0.1, "robot/ball:rotY": -0.2, "robot/ball:rotZ": 0.3}
    live.write(update_at(live.topology, angles))
    prim = live.stage.GetPrimAtPath("/robot/ball")
    applied = prim.GetPrimTypeInfo().GetAppliedAPISchemas()
    for axis, angle in (("rotX", 0.1), ("rotY", -0.2), ("rotZ", 0.3)):
        assert f"PhysicsJointStateAPI:{axis}" in applied
        assert prim.GetAttribute(f"state:{axis}:physics:position").Get() == pytest.approx(math.degrees(angle))
    reading = live.read_back("robot")
    assert reading.positions == pytest.approx({"ball:rotX": 0.1, "ball:rotY": -0.2, "ball:rotZ": 0.3})
    live.close()


def test_rest_of_a_ball_is_where_the_links_stand_or_what_its_states_say(
    stage_from: Callable[..., Any], forward: Callable[..., Any], matrix: Callable[..., Any]
) -> None:
    topology = discover_stage(stage_from(robot(joint("Spherical", "ball"), second=TURNED)))
    assert [one.rest for one in moving(topology)] == pytest.approx([math.pi / 2, math.pi / 2, 0], abs=1e-6)
    np.testing.assert_allclose(forward(topology)[1], matrix(topology.robots[0].links[1].rest), atol=1e-6)
    stated = joint("Spherical", "ball", "float state:rotZ:physics:position = 30")
    assert moving(discover_stage(stage_from(robot(stated))))[2].rest == pytest.approx(math.radians(30))


def test_generic_joint_has_the_axes_that_its_limits_leave_free(stage_from: Callable[..., Any]) -> None:
    text = robot(generic(transY=(-10, 20), rotX=(-90, 90), rotZ=(-math.inf, math.inf)))
    axes = moving(discover_stage(stage_from(text.replace("inf", "1e30"), meters_per_unit=0.01)))
    assert [(one.name, one.kind, one.axis) for one in axes] == [
        ("j:transY", JointKind.PRISMATIC, 1),
        ("j:rotX", JointKind.REVOLUTE, 0),
        ("j:rotZ", JointKind.CONTINUOUS, 2),
    ]
    assert (axes[0].lower, axes[0].upper) == pytest.approx((-0.1, 0.2))
    assert axes[1].upper == pytest.approx(math.pi / 2)


def test_generic_joint_with_one_free_axis_has_a_plain_name_and_with_none_is_fixed(stage_from: Callable[..., Any]) -> None:
    (only,) = moving(discover_stage(stage_from(robot(generic(rotY=(-10, 10))))))
    assert (only.name, only.axis_name) == ("j", "rotY")
    locked = discover_stage(stage_from(robot(generic()).replace('def PhysicsFixedJoint "ground"', 'def Scope "ground"')))
    assert [one.kind for one in locked.robots[0].joints] == [JointKind.FIXED]


def test_physx_mimic_couples_single_axes_of_joints_that_have_several(stage_from: Callable[..., Any]) -> None:
    follower = generic(
        "follower",
        "rel physxMimicJoint:rotY:referenceJoint = </robot/ball> "
        "uniform token physxMimicJoint:rotY:referenceJointAxis = 'rotZ' "
        "float physxMimicJoint:rotY:gearing = -2 float physxMimicJoint:rotY:offset = 90",
        rotX=(-100, 100),
        rotY=(-100, 100),
    )
    follower = follower.replace("</robot/a>", "</robot/b>").replace("body1 = </robot/b>", "body1 = </robot/c>")
    follower = follower.replace("apiSchemas = [", 'apiSchemas = ["PhysxMimicJointAPI:rotY", ')
    third = 'def Xform "c" (apiSchemas = ["PhysicsRigidBodyAPI"]) {}'
    found = discover_stage(stage_from(robot(joint("Spherical", "ball") + third + follower))).robots[0].joints
    assert [one.mimic for one in found[-2:]] == [None, Mimic(3, 2.0, pytest.approx(-math.pi / 2))]
    assert found[3].name == "ball:rotZ"


STACK = joint("Prismatic", "x", 'uniform token physics:axis = "X"') + joint(
    "Revolute",
    "yaw",
    'uniform token physics:axis = "Z" point3f physics:localPos0 = (0, 1, 0) point3f physics:localPos1 = (0, 1, 0)',
)


@pytest.mark.parametrize("mobility", ["uniform bool newton:jointsAddMobility = 1", ""])
def test_joints_between_the_same_bodies_stack_when_the_asset_says_so(
    stage_from: Callable[..., Any], forward: Callable[..., Any], mobility: str
) -> None:
    topology = discover_stage(stage_from(robot(STACK, root=mobility)))
    if not mobility:
        assert [one.name for one in moving(topology)] == ["x"]
        assert "loop" in reasons(topology, "/robot/yaw")[0]
        return
    assert [one.name for one in moving(topology)] == ["x", "yaw"]
    world = forward(topology, {"robot/x": 2.0, "robot/yaw": math.pi})[1]
    np.testing.assert_allclose(world[:3, 3], (2, 2, 0), atol=1e-12)
    np.testing.assert_allclose(world[:3, 0], (-1, 0, 0), atol=1e-12)


def test_stack_that_points_towards_the_base_keeps_its_signs(
    stage_from: Callable[..., Any], forward: Callable[..., Any]
) -> None:
    swapped = STACK.replace("</robot/a>", "</x>").replace("</robot/b>", "</robot/a>").replace("</x>", "</robot/b>")
    topology = discover_stage(stage_from(robot(swapped, root="uniform bool newton:jointsAddMobility = 1")))
    world = forward(topology, {"robot/x": 2.0, "robot/yaw": math.pi / 2})[1]
    step = forward(
        discover_stage(stage_from(robot(STACK, root="uniform bool newton:jointsAddMobility = 1"))),
        {"robot/x": 2.0, "robot/yaw": math.pi / 2},
    )[1]
    np.testing.assert_allclose(world, np.linalg.inv(step), atol=1e-12)


def test_cone_limit_is_noted_because_it_is_not_applied(stage_from: Callable[..., Any]) -> None:
    topology = discover_stage(stage_from(robot(joint("Spherical", "ball", "float physics:coneAngle0Limit = 30"))))
    assert "cone limit" in reasons(topology, "/robot/ball")[0]


def test_description_shows_every_axis_of_a_ball(stage_from: Callable[..., Any]) -> None:
    from twind.stage.describe import describe

    text = describe(discover_stage(stage_from(robot(joint("Spherical", "ball")))))
    assert [line.strip(" └─") for line in text.splitlines() if "ball" in line] == [
        "ball:rotX: continuous X",
        "ball:rotY: continuous Y",
        "ball:rotZ: continuous Z -> b",
    ]
