"""A plain forward kinematics from the topology alone, and stages from text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pxr import Sdf, Usd

from twind.model.estimates import Status
from twind.model.state import Update
from twind.model.topology import JointKind, Pose, Topology

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]


_STATEMENT = re.compile(
    r"(?<!custom)(?<!uniform) ((?:custom |uniform )?"
    r"(?:rel|token|point3f|quat[dfh]|float3?|double3?|half3|matrix4d|bool|string)(?:\[\])? "
    r"|def |kind = |apiSchemas = |references = |instanceable = )"
)


def _spread(text: str) -> str:
    """Put every statement on a line of its own, as `.usda` wants it, so that tests can write prims on one line."""
    return _STATEMENT.sub(r"\n\1", re.sub(r"([{}])", r"\n\1\n", text))


def _stage_from(text: str, *, up_axis: str = "Z", meters_per_unit: float = 1.0) -> Any:
    layer = Sdf.Layer.CreateAnonymous("test.usda")
    layer.ImportFromString(f'#usda 1.0\n(\n    upAxis = "{up_axis}"\n    metersPerUnit = {meters_per_unit}\n)\n{_spread(text)}')
    return Usd.Stage.Open(layer)


def matrix_of(pose: Pose) -> Matrix:
    """Return the 4x4 column-vector matrix of a pose."""
    w, x, y, z = np.array(pose.orientation) / np.linalg.norm(pose.orientation)
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = pose.position
    return matrix


def _quaternion(rotation: Matrix) -> Matrix:
    """Return (w, x, y, z) of a rotation matrix: the null vector of a symmetric matrix (Bar-Itzhack 2000)."""
    m = rotation
    k = np.array(
        [
            [m[0, 0] + m[1, 1] + m[2, 2], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
            [m[2, 1] - m[1, 2], m[0, 0] - m[1, 1] - m[2, 2], m[1, 0] + m[0, 1], m[0, 2] + m[2, 0]],
            [m[0, 2] - m[2, 0], m[1, 0] + m[0, 1], m[1, 1] - m[0, 0] - m[2, 2], m[2, 1] + m[1, 2]],
            [m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[2, 1] + m[1, 2], m[2, 2] - m[0, 0] - m[1, 1]],
        ]
    )
    return np.linalg.eigh(k)[1][:, -1]


def _motion(kind: JointKind, axis: int, q: float) -> Matrix:
    unit = np.eye(3)[axis]
    if kind is JointKind.PRISMATIC:
        return matrix_of(Pose(tuple(unit * q)))
    angle = q if kind in (JointKind.REVOLUTE, JointKind.CONTINUOUS) else 0.0
    return matrix_of(Pose((0, 0, 0), (np.cos(angle / 2), *(unit * np.sin(angle / 2)))))


def _forward(
    topology: Topology, positions: Mapping[str, float] | None = None, bases: Mapping[str, Pose] | None = None
) -> list[Matrix]:
    """Return world matrices of all frames; `positions` by `ROBOT/JOINT` (else rest), `bases` by entity id (else rest)."""
    positions, bases = positions or {}, bases or {}
    worlds: list[Matrix] = []
    for robot in topology.robots:
        links = [matrix_of(link.rest) for link in robot.links]
        if robot.floating:
            links[robot.base] = matrix_of(bases.get(robot.id, robot.links[robot.base].rest))
        q = {at: positions.get(f"{robot.id}/{joint.name}", joint.rest) for at, joint in enumerate(robot.joints)}
        for _ in robot.joints:  # as often as the longest chain of followers could need
            for at, joint in enumerate(robot.joints):
                if joint.mimic is not None:
                    q[at] = joint.mimic.multiplier * q[joint.mimic.joint] + joint.mimic.offset
        for at, joint in enumerate(robot.joints):
            parent = np.eye(4) if joint.parent < 0 else links[joint.parent]
            moved = parent @ matrix_of(joint.parent_frame) @ _motion(joint.kind, joint.axis, q[at])
            links[joint.child] = moved @ np.linalg.inv(matrix_of(joint.child_frame))
        worlds += links
    return worlds + [matrix_of(bases.get(one.id, one.rest)) for one in topology.objects]


def _update(
    topology: Topology,
    positions: Mapping[str, float] | None = None,
    bases: Mapping[str, Pose] | None = None,
    *,
    seq: int = 1,
    changed: list[int] | None = None,
) -> Update:
    """Return a complete update in which link transforms and joint positions agree."""
    positions = positions or {}
    worlds = _forward(topology, positions, bases)
    frames = [
        (link, first) for robot, first in zip(topology.robots, topology.first_frame, strict=False) for link in robot.links
    ]
    frames += [(one, 0) for one in topology.objects]
    local_translate, local_orient = np.zeros((len(worlds), 3)), np.zeros((len(worlds), 4))
    for at, ((frame, first), world) in enumerate(zip(frames, worlds, strict=True)):
        carrier = np.eye(4) if frame.mount.frame < 0 else worlds[first + frame.mount.frame]
        local = np.linalg.inv(carrier @ matrix_of(frame.mount.pose)) @ world
        local_translate[at] = local[:3, 3] * frame.mount.units_per_metre
        local_orient[at] = _quaternion(local[:3, :3])
    joints = [(robot, joint) for robot in topology.robots for joint in robot.joints]
    n = len(topology.entities)
    return Update(
        seq=seq,
        made_ns=1_800_000_000_500_000_000,
        changed=np.array(range(n) if changed is None else changed, np.int64),
        entity_seq=np.full(n, seq, np.int64),
        stamp_ns=np.full(n, 1_800_000_000_250_000_000, np.int64),
        sample_ns=np.full(n, 1_800_000_000_125_000_000, np.int64),
        status=np.full(n, Status.OK, np.uint8),
        joint_position=np.array([positions.get(f"{robot.id}/{joint.name}", joint.rest) for robot, joint in joints]),
        joint_velocity=np.linspace(-1, 1, len(joints)),
        joint_std=np.zeros(len(joints)),
        joint_status=np.zeros(len(joints), np.uint8),
        limited=np.zeros(len(joints), np.uint8),
        position=np.array([world[:3, 3] for world in worlds]).reshape(-1, 3),
        orientation=np.array([_quaternion(world[:3, :3]) for world in worlds]).reshape(-1, 4),
        local_translate=local_translate,
        local_orient=local_orient,
        position_std=np.zeros(n),
        rotation_std=np.zeros(n),
    )


@pytest.fixture
def stage_from() -> Callable[..., Any]:
    """Make a stage from `.usda` text."""
    return _stage_from


@pytest.fixture
def forward() -> Callable[..., list[Matrix]]:
    """Forward kinematics in plain NumPy, from the topology alone."""
    return _forward


@pytest.fixture
def update_at() -> Callable[..., Update]:
    """Make a consistent update at given joint positions and base poses."""
    return _update


@pytest.fixture
def matrix() -> Callable[[Pose], Matrix]:
    """Turn a pose into a matrix."""
    return matrix_of
