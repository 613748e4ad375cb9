"""A rig of every joint type, converted from MJCF by the public converter, against MuJoCo on the original description."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from twind.model.topology import JointKind
from twind.stage.discover import discover
from twind.twin.state import Twin

mujoco = pytest.importorskip("mujoco")

RIG = Path(__file__).parent / "assets" / "rig"
NOW_NS = 1_800_000_000_000_000_000


def test_converted_rig_stands_where_mujoco_has_the_original() -> None:
    model = mujoco.MjModel.from_xml_path(str(RIG / "rig.xml"))
    data = mujoco.MjData(model)
    topology = discover(str(RIG / "rig.usda"))
    (robot,) = topology.robots
    twin = Twin(topology, fresh_ns=10, coast_ns=20, lost_ns=30)
    rng = np.random.default_rng(2)
    now = np.full(2, NOW_NS)
    rows = {joint.label or joint.name: row for row, joint in enumerate(robot.joints) if joint.movable}
    for number in range(20):
        reach = [0.3 if joint.kind is JointKind.PRISMATIC else 1.5 for joint in robot.joints]
        drawn = [
            rng.uniform(max(joint.lower, -most), min(joint.upper, most))
            for joint, most in zip(robot.joints, reach, strict=True)
        ]
        update = twin.advance(
            now_ns=NOW_NS + number,
            target_ns=now + number,
            sample_ns=now + number,
            joint_position=np.array(drawn),
            joint_velocity=np.zeros(len(drawn)),
            joint_std=np.zeros(len(drawn)),
            joint_sample_ns=np.full(len(drawn), NOW_NS + number),
            body_position=np.zeros((2, 3)),
            body_orientation=np.tile([1.0, 0.0, 0.0, 0.0], (2, 1)),
            body_position_std=np.zeros(2),
            body_rotation_std=np.zeros(2),
            posed=np.zeros(2, np.uint8),
        )
        assert update is not None
        for joint in ("x", "y", "yaw", "pitch", "roll", "finger_l", "finger-r"):
            data.joint(joint).qpos = update.joint_position[rows[joint]]
        assert data.joint("finger-r").qpos == pytest.approx(0.9 * data.joint("finger_l").qpos + 0.005)
        turned = np.array([1.0, 0.0, 0.0, 0.0])
        for axis in range(3):  # X, then Y and Z as the ones before have turned them
            step, before = np.zeros(4), turned.copy()
            mujoco.mju_axisAngle2Quat(step, np.eye(3)[axis], update.joint_position[rows[f"ball:rot{'XYZ'[axis]}"]])
            mujoco.mju_mulQuat(turned, before, step)
        data.joint("ball").qpos = turned
        mujoco.mj_kinematics(model, data)
        for row, link in enumerate(robot.links):
            body = data.body(link.name)
            assert np.linalg.norm(update.position[row] - body.xpos) < 2e-6
            assert min(np.linalg.norm(update.orientation[row] - sign * body.xquat) for sign in (1, -1)) < 2e-6
