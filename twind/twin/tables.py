"""A topology flattened into arrays, built once, in the form that the kernels walk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from twind.model.errors import StageError
from twind.model.topology import JointKind, Link, Pose, RigidObject, Robot, Topology

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.model.topology import Joint

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bytes = NDArray[np.uint8]
    Rows = NDArray[Any]

_TURNING = (JointKind.REVOLUTE, JointKind.CONTINUOUS)


ENTITY_ROW = np.dtype(
    [
        ("first_joint", "i8"), ("end_joint", "i8"), ("first_frame", "i8"), ("end_frame", "i8"),  # which are its own
        ("root", "i8"),  # the frame that a measured pose places
        ("free", "i8"),  # 1 where it may: objects and floating robots
    ],
    align=True,
)  # fmt: skip

JOINT_ROW = np.dtype(
    [
        ("kind", "i8"),  # `JointKind`
        ("lower", "f8"), ("upper", "f8"), ("rest", "f8"),  # limits, and position as authored [rad or m]
        ("leader", "i8"), ("multiplier", "f8"), ("offset", "f8"),  # the joint that a mimic joint follows [rad or m]
    ],
    align=True,
)  # fmt: skip

MOTION_ROW = np.dtype(
    [
        ("a", "f8", (4,)), ("b", "f8", (4,)), ("p", "f8", (3,)), ("u", "f8", (3,)), ("v", "f8", (3,)),  # see `Tables` [m]
        ("turns", "i8"),  # 1 for a revolute joint
        ("parent", "i8"), ("child", "i8"),  # frames
    ],
    align=True,
)  # fmt: skip

FRAME_ROW = np.dtype(
    [
        ("rest_position", "f8", (3,)), ("rest_orientation", "f8", (4,)),  # in the world, as authored [m], (w, x, y, z)
        ("mount_frame", "i8"),  # the moved frame that the USD parent hangs on
        ("mount_position", "f8", (3,)), ("mount_orientation", "f8", (4,)),  # that frame (or the world) in the USD parent [m]
        ("units_per_metre", "f8"),  # of stage units, in the USD parent's space
        ("translate", "i8"), ("orient", "i8"),  # `Precision` of the local position and orientation as written
    ],
    align=True,
)  # fmt: skip


class Tables(NamedTuple):
    """E entities, J joints, F frames, numbered as in `twind.model.topology`; -1 stands for the world or for none.

    Rows, not columns: a kernel touches all that it needs of a link at once, and each array of an argument costs 150 ns a call.

    A joint's motion in its parent link's frame, `parent_frame * motion(axis, q) * inverse(child_frame)`, is linear in
    (cos q/2, sin q/2) for the orientation and in (cos q, sin q), or q, for the position. So its constants are kept instead
    of its frames, which leaves one quaternion product and one rotation for each joint:

        revolute   orientation = a cos q/2 + b sin q/2    position = p + u cos q + v sin q
        prismatic  orientation = a                        position = p + u q
    """

    entities: Rows
    """(E,) `ENTITY_ROW`."""
    joints: Rows
    """(J,) `JOINT_ROW`."""
    motions: Rows
    """(J,) `MOTION_ROW`."""
    frames: Rows
    """(F,) `FRAME_ROW`."""
    order: Ints
    """(J,) the joints of each robot such that a followed joint comes before its followers."""
    hanging: Ints
    """(F,) the frames of each entity such that a frame comes before those whose USD parents hang on it."""


def flatten(topology: Topology) -> Tables:
    """Build the tables of a topology.

    Raises:
        StageError: Joints are not in kinematic order, a link has two parents, an index points outside its robot, a
            quaternion has no direction, mimic joints follow each other in a circle, or links hang on each other in one.
    """
    entities: list[tuple[Any, ...]] = []
    joints: list[tuple[Any, ...]] = []
    motions: list[tuple[Any, ...]] = []
    frames: list[tuple[Any, ...]] = []
    order: list[int] = []
    hanging: list[int] = []
    for robot in topology.robots:
        _check(robot)
        j0, f0 = len(joints), len(frames)
        for joint in robot.joints:
            leader, multiplier, offset = -1, 1.0, 0.0
            if joint.mimic is not None:
                leader, multiplier, offset = j0 + joint.mimic.joint, joint.mimic.multiplier, joint.mimic.offset
            joints.append((joint.kind, joint.lower, joint.upper, joint.rest, leader, multiplier, offset))
            parent = f0 + joint.parent if joint.parent >= 0 else -1
            motions.append((*_motion(joint), joint.kind in _TURNING, parent, f0 + joint.child))
        frames += [_frame(link, f0) for link in robot.links]
        order += [j0 + joint for joint in _leaders_first(robot)]
        hanging += [f0 + link for link in _carriers_first(robot)]
        entities.append((j0, len(joints), f0, len(frames), f0 + robot.base, robot.floating))
    for item in topology.objects:
        place = len(frames)
        entities.append((len(joints), len(joints), place, place + 1, place, True))
        frames.append(_frame(item, place))
        hanging.append(place)
    return Tables(
        entities=np.array(entities, ENTITY_ROW),
        joints=np.array(joints, JOINT_ROW),
        motions=np.array(motions, MOTION_ROW),
        frames=np.array(frames, FRAME_ROW),
        order=np.array(order, np.int64),
        hanging=np.array(hanging, np.int64),
    )


def _frame(frame: Link | RigidObject, first: int) -> tuple[Any, ...]:
    """Return the row of a frame; those of its robot begin at `first`."""
    mount = frame.mount
    carrier = first + mount.frame if mount.frame >= 0 else -1
    placed = _inverse(_split(mount.pose))
    return (*_split(frame.rest), carrier, *placed, mount.units_per_metre, mount.translate, mount.orient)


def _check(robot: Robot) -> None:
    """Refuse what forward kinematics could not walk in one pass."""
    links, placed = len(robot.links), {joint.child for joint in robot.joints}
    if not 0 <= robot.base < links:
        raise StageError(f"{robot.prim}: base link {robot.base} is not one of its {links} links")
    for link in robot.links:
        if not -1 <= link.mount.frame < links:
            raise StageError(f"{link.prim}: it hangs on link {link.mount.frame}, which the robot does not have")
    reached: set[int] = set()
    last = -1
    for joint in robot.joints:
        if not (-1 <= joint.parent < links and 0 <= joint.child < links):
            raise StageError(f"{joint.prim}: it connects links {joint.parent} and {joint.child} of {links}")
        if joint.further:
            if not reached or last != joint.child:
                raise StageError(f"{joint.prim}: a further axis must come right after the joint that it belongs to")
            continue
        if joint.child in reached:
            raise StageError(f"{joint.prim}: link {robot.links[joint.child].name!r} already has a parent joint")
        if joint.parent in placed and joint.parent not in reached:
            raise StageError(f"{joint.prim}: it comes before the joint that moves its parent link; not in kinematic order")
        reached.add(joint.child)
        last = joint.child


def _leaders_first(robot: Robot) -> list[int]:
    """Return the robot's joints in an order in which a followed joint comes before its followers."""
    order: dict[int, None] = {}
    for first, joint in enumerate(robot.joints):
        chain, at = [first], joint
        while at.mimic is not None:
            follows = at.mimic.joint
            if not 0 <= follows < len(robot.joints):
                raise StageError(f"{at.prim}: it follows joint {follows}, which the robot does not have")
            if follows in chain:
                raise StageError(f"{joint.prim}: mimic joints follow each other in a circle")
            chain.append(follows)
            at = robot.joints[follows]
        order.update(dict.fromkeys(reversed(chain)))
    return list(order)


def _carriers_first(robot: Robot) -> list[int]:
    """Return the robot's links in an order in which a link comes before those whose USD parents hang on it."""
    order: dict[int, None] = {}
    for first, link in enumerate(robot.links):
        chain, at = [first], link.mount.frame
        while at >= 0:
            if at in chain:
                raise StageError(f"{link.prim}: links hang on each other in a circle")
            chain.append(at)
            at = robot.links[at].mount.frame
        order.update(dict.fromkeys(reversed(chain)))
    return list(order)


def _motion(joint: Joint) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return the constants a, b, p, u, v of one joint (see `Tables`)."""
    outer_position, outer = _split(joint.parent_frame)
    inner_position, inner = _inverse(_split(joint.child_frame))
    axis = np.zeros(3)
    axis[joint.axis] = 1.0
    along = axis * inner_position[joint.axis]
    a = _product(outer, inner)
    b, p, u, v = np.zeros(4), outer_position, np.zeros(3), np.zeros(3)
    if joint.kind in _TURNING:
        # Rodrigues: R(axis, q) x = along + (x - along) cos q + (axis x x) sin q
        b = _product(_product(outer, np.array([0.0, *axis])), inner)
        p = outer_position + _rotate(outer, along)
        u = _rotate(outer, inner_position - along)
        v = _rotate(outer, np.cross(axis, inner_position))
    else:
        p = outer_position + _rotate(outer, inner_position)
        if joint.kind is JointKind.PRISMATIC:
            u = _rotate(outer, axis)
    return a, b, p, u, v


def _split(pose: Pose) -> tuple[Floats, Floats]:
    """Return a pose's position and unit quaternion as arrays."""
    orientation = np.array(pose.orientation, np.float64)
    norm = float(np.linalg.norm(orientation))
    if not norm > 1e-12:
        raise StageError(f"a quaternion {pose.orientation} has no direction")
    return np.array(pose.position, np.float64), orientation / norm


def _inverse(pose: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    position, orientation = pose
    conjugate = orientation * (1.0, -1.0, -1.0, -1.0)
    return -_rotate(conjugate, position), conjugate


def _product(left: Floats, right: Floats) -> Floats:
    vector = left[0] * right[1:] + right[0] * left[1:] + np.cross(left[1:], right[1:])
    return np.array([left[0] * right[0] - left[1:] @ right[1:], *vector])


def _rotate(orientation: Floats, vector: Floats) -> Floats:
    twice = 2.0 * np.cross(orientation[1:], vector)
    turned: Floats = vector + orientation[0] * twice + np.cross(orientation[1:], twice)
    return turned
