"""Forward kinematics of random robots, of every joint type and spelling, against plain matrices from the same stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from pxr import Gf, UsdGeom

from tests.stage.random_robots import RandomRobot, RobotPlan, robot_plans
from twind.stage.live import LiveStage
from twind.twin.state import Twin

if TYPE_CHECKING:
    from twind.model.state import Update
    from twind.model.topology import Topology

NOW_NS = 1_800_000_000_000_000_000


def advanced(topology: Topology, positions: dict[str, float], base: Any = None) -> Update:
    """Return a twin's update with the joints at `positions` [rad or m] and the base at a matrix [m]."""
    (robot,) = topology.robots
    now = np.full(1, NOW_NS)
    pose, orientation = np.zeros((1, 3)), np.array([[1.0, 0.0, 0.0, 0.0]])
    if base is not None:
        pose[0] = base[:3, 3]
        turn = Gf.Matrix4d(base.T).ExtractRotationQuat()
        orientation[0] = [turn.real, *turn.imaginary]
    update = Twin(topology, fresh_ns=10, coast_ns=20, lost_ns=30).advance(
        now_ns=NOW_NS,
        target_ns=now,
        sample_ns=now,
        joint_position=np.array([positions.get(joint.name, 0.0) for joint in robot.joints]),
        joint_velocity=np.zeros(len(robot.joints)),
        joint_std=np.zeros(len(robot.joints)),
        joint_sample_ns=np.full(len(robot.joints), NOW_NS),
        body_position=pose,
        body_orientation=orientation,
        body_position_std=np.zeros(1),
        body_rotation_std=np.zeros(1),
        posed=np.array([base is not None], np.uint8),
    )
    assert update is not None
    return update


def angle(one: Any, other: Any) -> float:
    """Return the angle between two rotations that are close."""
    return float(np.linalg.norm(one - other)) / np.sqrt(2)


@settings(max_examples=30, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(robot_plans())
def test_links_stand_where_plain_matrices_from_the_same_stage_have_them(plan: RobotPlan) -> None:
    made = RandomRobot(plan)
    live = LiveStage.over(made.stage, instance="test")
    (robot,) = live.topology.robots
    rows = {link.prim: row for row, link in enumerate(robot.links)}
    assert rows.keys() == {str(link.GetPath()) for link in made.links}
    assert robot.floating == (plan.base == "floating")
    for _ in range(2):
        at = made.draw_positions()
        positions = {
            name: position * made.unit if axis.startswith("trans") else np.radians(position)
            for joint, values in zip(made.joints, at, strict=True)
            for name, axis, position in zip(joint.names, joint.freedoms, values, strict=True)
        }
        assert positions.keys() == {joint.name for joint in robot.joints if joint.movable}
        base = made._pose() if robot.floating else None
        expected = made.forward(at, base)
        if base is not None:
            base = base.copy()
            base[:3, 3] *= made.unit
        update = advanced(live.topology, positions, base)
        live.write(update)
        transforms = UsdGeom.XformCache()
        for link, world in zip(made.links, expected, strict=True):
            row = rows[str(link.GetPath())]
            w, x, y, z = update.orientation[row]
            assert np.linalg.norm(update.position[row] - world[:3, 3] * made.unit) < 1e-9
            assert angle(np.array(Gf.Matrix3d(Gf.Quatd(w, x, y, z))).T, world[:3, :3]) < 1e-9
            composed = np.array(transforms.GetLocalToWorldTransform(link)).T
            assert np.linalg.norm(composed[:3, 3] * made.unit - update.position[row]) < 1e-5
            axes = composed[:3, :3] / np.linalg.norm(composed[:3, :3], axis=0)
            assert angle(axes, world[:3, :3]) < 1e-3
        for joint, row_joint in ((joint, one) for joint in made.joints for one in robot.joints if one.movable):
            if row_joint.prim != str(joint.prim.GetPath()):
                continue
            names = dict(zip(joint.names, joint.freedoms, strict=True))
            single = joint.prim.GetTypeName() in ("PhysicsRevoluteJoint", "PhysicsPrismaticJoint")
            plain = "linear" if names[row_joint.name].startswith("trans") else "angular"
            state = f"state:{plain if single else names[row_joint.name]}:physics:position"
            shown = live.stage.GetPrimAtPath(row_joint.prim).GetAttribute(state).Get()
            value = dict(zip(joint.names, at[made.joints.index(joint)], strict=True))[row_joint.name]
            np.testing.assert_allclose(shown, value, rtol=1e-6, atol=1e-4)
    live.close()
