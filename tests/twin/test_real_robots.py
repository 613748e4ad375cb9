"""Forward kinematics of real assets, as discovered from USD, against MuJoCo."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from twind.model.time import NO_STAMP
from twind.model.topology import Joint, JointKind, Pose, Robot
from twind.stage.discover import discover
from twind.twin.state import Twin

if TYPE_CHECKING:
    from pathlib import Path

    from twind.model.state import Update
    from twind.model.topology import Topology

mujoco = pytest.importorskip("mujoco")

NOW_NS = 1_700_000_000_000_000_000
TOLERANCE = 1e-9


def rotated(pose: Pose, vector: list[float]) -> np.ndarray:
    result = np.zeros(3)
    mujoco.mju_rotVecQuat(result, np.array(vector, float), unit(pose))
    return result


def unit(pose: Pose) -> np.ndarray:
    return np.array(pose.orientation) / np.linalg.norm(pose.orientation)


def at_zero(joint: Joint) -> Pose:
    """Return the child's pose in its parent at joint position 0: `parent_frame * inverse(child_frame)`."""
    orientation, inverse = np.zeros(4), np.zeros(4)
    mujoco.mju_negQuat(inverse, unit(joint.child_frame))
    mujoco.mju_mulQuat(orientation, unit(joint.parent_frame), inverse)
    back = rotated(Pose(orientation=tuple(orientation)), list(joint.child_frame.position))
    return Pose(tuple(np.array(joint.parent_frame.position) - back), tuple(orientation))


def numbers(values: object) -> str:
    return " ".join(repr(float(value)) for value in np.ravel(values))


def mjcf(robot: Robot) -> str:
    """Write a robot's records as an MJCF model whose bodies are named by link index and whose joints by joint index."""
    root = ET.Element("mujoco")
    ET.SubElement(root, "compiler", angle="radian")
    ET.SubElement(root, "option", jacobian="dense")
    world = ET.SubElement(root, "worldbody")
    moved_by = {joint.child: index for index, joint in enumerate(robot.joints)}

    def add(parent: ET.Element, link: int) -> None:
        index = moved_by.get(link)
        pose = robot.links[link].rest if index is None else at_zero(robot.joints[index])
        body = ET.SubElement(parent, "body", name=str(link), pos=numbers(pose.position), quat=numbers(pose.orientation))
        ET.SubElement(body, "inertial", pos="0 0 0", mass="1", diaginertia="1 1 1")
        if index is not None and robot.joints[index].movable:
            joint = robot.joints[index]
            kind = "slide" if joint.kind is JointKind.PRISMATIC else "hinge"
            axis = rotated(joint.child_frame, [float(row == joint.axis) for row in range(3)])
            frame = {"pos": numbers(joint.child_frame.position), "axis": numbers(axis)}
            ET.SubElement(body, "joint", name=str(index), type=kind, **frame)
        for joint in robot.joints:
            if joint.parent == link:
                add(body, joint.child)

    for link in range(len(robot.links)):
        if link not in moved_by or robot.joints[moved_by[link]].parent == -1:
            add(world, link)
    return ET.tostring(root, encoding="unicode")


def show(topology: Topology, q: np.ndarray | None = None) -> Update:
    entities, joints = len(topology.entities), topology.n_joints
    stamps = np.full(entities, NOW_NS)
    update = Twin(topology, fresh_ns=10, coast_ns=20, lost_ns=30).advance(
        now_ns=NOW_NS,
        target_ns=stamps,
        sample_ns=stamps,
        joint_position=np.zeros(joints) if q is None else q,
        joint_velocity=np.zeros(joints),
        joint_std=np.zeros(joints),
        joint_sample_ns=np.full(joints, NO_STAMP if q is None else NOW_NS),
        body_position=np.zeros((entities, 3)),
        body_orientation=np.ones((entities, 4)),
        body_position_std=np.zeros(entities),
        body_rotation_std=np.zeros(entities),
        posed=np.zeros(entities, np.uint8),
    )
    assert update is not None
    return update


@pytest.mark.parametrize("name", ["panda", "iiwa14", "double_pendulum"])
def test_a_real_robot_agrees_with_mujoco_in_every_link(name: str, data_dir: Path) -> None:
    topology = discover(str(data_dir / "robots" / name / f"{name}.usda"))
    (robot,) = topology.robots
    model = mujoco.MjModel.from_xml_string(mjcf(robot))
    data = mujoco.MjData(model)
    rng = np.random.default_rng(1)
    for _ in range(25):
        update = show(topology, rng.uniform(-math.pi, math.pi, topology.n_joints))
        for index, joint in enumerate(robot.joints):
            assert joint.lower <= update.joint_position[index] <= joint.upper
            if joint.mimic is not None:
                followed = joint.mimic.multiplier * update.joint_position[joint.mimic.joint] + joint.mimic.offset
                assert update.joint_position[index] == pytest.approx(np.clip(followed, joint.lower, joint.upper))
            if joint.movable:
                data.qpos[model.jnt_qposadr[model.joint(str(index)).id]] = update.joint_position[index]
        mujoco.mj_kinematics(model, data)
        for link in range(len(robot.links)):
            body = data.body(str(link))
            np.testing.assert_allclose(update.position[link], body.xpos, rtol=0, atol=TOLERANCE)
            same_side = math.copysign(1.0, float(update.orientation[link] @ body.xquat))
            np.testing.assert_allclose(update.orientation[link], same_side * body.xquat, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ["panda", "iiwa14", "double_pendulum"])
def test_a_real_robot_that_was_never_measured_stands_where_its_asset_has_it(name: str, data_dir: Path) -> None:
    topology = discover(str(data_dir / "robots" / name / f"{name}.usda"))
    (robot,) = topology.robots
    update = show(topology)
    for link, record in enumerate(robot.links):
        # Assets keep orientations in single precision.
        np.testing.assert_allclose(update.position[link], record.rest.position, rtol=0, atol=1e-6)
        same_side = math.copysign(1.0, float(update.orientation[link] @ unit(record.rest)))
        np.testing.assert_allclose(update.orientation[link], same_side * unit(record.rest), rtol=0, atol=1e-6)
