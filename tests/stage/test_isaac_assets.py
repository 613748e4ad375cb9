"""Assets in the style of Isaac Sim: flat links, joints in a scope of their own, IsaacRobotAPI, PhysX schemas."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twind.model.topology import Mimic
from twind.stage.describe import describe
from twind.stage.discover import discover_stage
from twind.stage.live import LiveStage

if TYPE_CHECKING:
    from collections.abc import Callable


def arm(*, unit: float, root: str = "joint", order: str = "", name: str = "ur") -> str:
    """Write a flat arm with a gripper of two fingers, its links at zero, for a stage with `unit` metres per unit."""

    def m(*metres: float) -> str:
        return "(" + ", ".join(str(value / unit) for value in metres) + ")"

    here = f"/World/{name}"
    schemas = '"IsaacRobotAPI"' + (', "PhysicsArticulationRootAPI"' if root == "prim" else "")
    on_joint = 'apiSchemas = ["PhysicsArticulationRootAPI"]' if root == "joint" else ""

    def link(link: str, *at: float) -> str:
        return (
            f'def Xform "{link}" (apiSchemas = ["PhysicsRigidBodyAPI", "IsaacLinkAPI"]) {{ '
            f"double3 xformOp:translate = {m(*at)} quatd xformOp:orient = (1, 0, 0, 0) "
            "double3 xformOp:scale = (1, 1, 1) "
            'uniform token[] xformOpOrder = ["xformOp:translate", "xformOp:orient", "xformOp:scale"] }'
        )

    def joint(kind: str, joint: str, bodies: str, at: str, *inside: str, more: str = "") -> str:
        body0, body1 = bodies.split()
        return (
            f'def Physics{kind}Joint "{joint}" (apiSchemas = ["IsaacJointAPI", "PhysxJointAPI"{more}]) {{ '
            f"rel physics:body0 = <{here}/{body0}> rel physics:body1 = <{here}/{body1}> "
            f"point3f physics:localPos0 = {at} {' '.join(inside)} }}"
        )

    mimic = (
        f"rel physxMimicJoint:transX:referenceJoint = <{here}/joints/finger_1> float physxMimicJoint:transX:gearing = -1 "
        f"float physxMimicJoint:transX:offset = {-0.01 / unit}"
    )
    slide = f'uniform token physics:axis = "X" float physics:lowerLimit = 0 float physics:upperLimit = {0.04 / unit}'
    turn = 'uniform token physics:axis = "Z" float physics:lowerLimit = -90 float physics:upperLimit = 90'
    driven, mimics = ', "PhysicsDriveAPI:angular"', ', "PhysxMimicJointAPI:transX"'
    drive = "float drive:angular:physics:stiffness = 100 float physxJoint:maxJointVelocity = 180"
    renamed = 'string isaac:nameOverride = "shoulder_pan_joint"'
    return f"""
    def Xform "{name}" (apiSchemas = [{schemas}]) {{
        string isaac:namespace = "cell_1"
        {order}
        {link("base_link", 0, 0, 0)} {link("upper", 0, 0, 0.2)} {link("fore", 0, 0, 0.6)}
        {link("finger_l", 0.01, 0, 0.8)} {link("finger_r", -0.01, 0, 0.8)}
        def Scope "joints" {{
            {joint("Revolute", "pan", "base_link upper", m(0, 0, 0.2), turn, drive, renamed, more=driven)}
            {joint("Revolute", "lift", "upper fore", m(0, 0, 0.4), turn, drive, more=driven)}
            {joint("Prismatic", "finger_1", "fore finger_l", m(0.01, 0, 0.2), slide)}
            {joint("Prismatic", "finger_2", "fore finger_r", m(-0.01, 0, 0.2), slide, mimic, more=mimics)}
        }}
        def PhysicsFixedJoint "root_joint" ({on_joint}) {{ rel physics:body1 = <{here}/base_link> }}
    }}
    """


def world(*robots: str, place: str = "") -> str:
    return f'def Xform "World" {{ {place} {" ".join(robots)} }}'


@pytest.mark.parametrize("root", ["joint", "prim"])
@pytest.mark.parametrize("up_axis", ["Y", "Z"])
@pytest.mark.parametrize("unit", [0.01, 1.0])
def test_flat_arm_is_found_whole_and_shown_right_in_any_unit(
    stage_from: Callable[..., Any], update_at: Callable[..., Any], root: str, up_axis: str, unit: float
) -> None:
    stage = stage_from(world(arm(unit=unit, root=root)), up_axis=up_axis, meters_per_unit=unit)
    live = LiveStage.over(stage, instance="test")
    (robot,) = live.topology.robots
    assert (robot.id, robot.prim, robot.floating, robot.namespace) == ("ur", "/World/ur", False, "cell_1")
    assert [joint.name for joint in robot.joints] == ["root_joint", "shoulder_pan_joint", "lift", "finger_1", "finger_2"]
    assert robot.joints[1].velocity_limit == pytest.approx(math.pi)
    assert robot.joints[3].upper == pytest.approx(0.04)
    assert robot.joints[4].mimic == Mimic(3, 1.0, pytest.approx(0.01))
    assert live.topology.ignored == ()
    live.write(update_at(live.topology, {"ur/shoulder_pan_joint": math.pi / 2, "ur/finger_1": 0.03, "ur/finger_2": 0.04}))
    reading = live.read_back("ur")
    assert reading.positions["finger_2"] == pytest.approx(0.04)
    np.testing.assert_allclose(reading.poses["/World/ur/finger_l"].position, (0, 0.04, 0.8), atol=1e-9)
    np.testing.assert_allclose(reading.poses["/World/ur/finger_r"].position, (0, 0.03, 0.8), atol=1e-9)
    shown = live.stage.GetPrimAtPath("/World/ur/joints/finger_1").GetAttribute("state:linear:physics:position").Get()
    assert shown == pytest.approx(0.03 / unit)
    live.close()


def test_order_of_values_without_names_is_the_one_that_the_robot_states(stage_from: Callable[..., Any]) -> None:
    joints = ", ".join(f"</World/ur/joints/{name}>" for name in ("finger_1", "lift", "pan"))
    topology = discover_stage(stage_from(world(arm(unit=1.0, order=f"rel isaac:physics:robotJoints = [{joints}]"))))
    (robot,) = topology.robots
    stated = [robot.joints[index].name for index in robot.message_order]
    assert stated == ["finger_1", "lift", "shoulder_pan_joint", "root_joint", "finger_2"]
    assert "order of values without names: finger_1, lift, shoulder_pan_joint, finger_2" in describe(topology)
    assert discover_stage(stage_from(world(arm(unit=1.0)))).robots[0].message_order == ()


def test_robot_listed_within_a_robot_stands_for_its_own_joints(stage_from: Callable[..., Any]) -> None:
    inner = 'def Scope "hand" { rel isaac:physics:robotJoints = [</World/ur/joints/finger_2>, </World/ur/joints/finger_1>] }'
    order = "rel isaac:physics:robotJoints = [</World/ur/hand>, </World/ur/joints/pan>]\n" + inner
    (robot,) = discover_stage(stage_from(world(arm(unit=1.0, order=order)))).robots
    names = [robot.joints[index].name for index in robot.message_order]
    assert names[:3] == ["finger_2", "finger_1", "shoulder_pan_joint"]


def test_robot_that_was_placed_by_its_xform_stays_there_though_its_joint_to_the_world_says_otherwise(
    stage_from: Callable[..., Any], forward: Callable[..., Any]
) -> None:
    text = world(
        arm(unit=1.0), place="double3 xformOp:translate = (5, 6, 0) uniform token[] xformOpOrder = ['xformOp:translate']"
    )
    np.testing.assert_allclose(forward(discover_stage(stage_from(text)))[2][:3, 3], (5, 6, 0.6), atol=1e-9)
    rail = text.replace("def PhysicsFixedJoint", "def PhysicsPrismaticJoint")
    topology = discover_stage(stage_from(rail))
    (robot,) = topology.robots
    np.testing.assert_allclose(forward(topology)[0][:3, 3], (5, 6, 0), atol=1e-9)
    np.testing.assert_allclose(forward(topology, {"ur/root_joint": 0.5})[0][:3, 3], (5.5, 6, 0), atol=1e-9)
    assert robot.joints[0].rest == 0.0
