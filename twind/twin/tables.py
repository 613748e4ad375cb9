"""A topology flattened into arrays, built once, in the form that the kernels walk."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from twind.model.errors import StageError
from twind.model.topology import JointKind, Pose, Robot, Topology

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.model.topology import Joint

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bytes = NDArray[np.uint8]


class Tables(NamedTuple):
    """E entities, J joints, F frames, numbered as in `twind.model.topology`; -1 stands for the world or for none.

    A joint's motion in its parent link's frame, `parent_frame * motion(axis, q) * inverse(child_frame)`, is linear in
    (cos q/2, sin q/2) for the orientation and in (cos q, sin q), or q, for the position. So its constants are kept instead
    of its frames, which leaves one quaternion product and one rotation for each joint:

        revolute   orientation = a cos q/2 + b sin q/2    position = p + u cos q + v sin q
        prismatic  orientation = a                        position = p + u q
    """

    first_joint: Ints
    """(E + 1,) first joint of each entity; objects have none."""
    first_frame: Ints
    """(E + 1,) first frame of each entity."""
    root: Ints
    """(E,) the frame that a measured pose places."""
    free: Bytes
    """(E,) 1 where the root may be placed by a measured pose: objects and floating robots."""
    kind: Ints
    """(J,) `JointKind`."""
    parent: Ints
    """(J,) parent frame, -1 for the world."""
    child: Ints
    """(J,) child frame."""
    motion: Floats
    """(J, 17) a (4), b (4), p (3), u (3), v (3) as above [m]."""
    lower: Floats
    """(J,) [rad or m]."""
    upper: Floats
    """(J,) [rad or m]."""
    rest: Floats
    """(J,) position as authored [rad or m]."""
    order: Ints
    """(J,) the joints of each robot such that a followed joint comes before its followers."""
    leader: Ints
    """(J,) the joint that a mimic joint follows, -1 for none."""
    multiplier: Floats
    """(J,)"""
    offset: Floats
    """(J,) [rad or m]."""
    rest_position: Floats
    """(F, 3) world position as authored [m]."""
    rest_orientation: Floats
    """(F, 4) world orientation as authored (w, x, y, z)."""
    hanging: Ints
    """(F,) the frames of each entity such that a frame comes before those whose USD parents hang on it."""
    mount_frame: Ints
    """(F,) the moved frame that the USD parent hangs on, -1 for none."""
    mount_position: Floats
    """(F, 3) position of that frame (or the world) in the USD parent: the mount's inverse [m]."""
    mount_orientation: Floats
    """(F, 4) its orientation there."""
    units_per_metre: Floats
    """(F,) stage units per metre in the USD parent's space."""
    translate: Ints
    """(F,) `Precision` of the local position as written."""
    orient: Ints
    """(F,) `Precision` of the local orientation as written."""


def flatten(topology: Topology) -> Tables:
    """Build the tables of a topology.

    Raises:
        StageError: Joints are not in kinematic order, a link has two parents, an index points outside its robot, a
            quaternion has no direction, mimic joints follow each other in a circle, or links hang on each other in one.
    """
    joints: list[Joint] = []
    joint_parent: list[int] = []
    joint_child: list[int] = []
    order: list[int] = []
    hanging: list[int] = []
    leader: list[int] = []
    for robot, j0, f0 in zip(topology.robots, topology.first_joint, topology.first_frame, strict=False):
        _check(robot)
        joints += robot.joints
        joint_parent += [f0 + joint.parent if joint.parent >= 0 else -1 for joint in robot.joints]
        joint_child += [f0 + joint.child for joint in robot.joints]
        order += [j0 + joint for joint in _leaders_first(robot)]
        hanging += [f0 + link for link in _carriers_first(robot)]
        leader += [-1 if joint.mimic is None else j0 + joint.mimic.joint for joint in robot.joints]

    frames = [link for robot in topology.robots for link in robot.links] + list(topology.objects)
    owner = [f0 for robot, f0 in zip(topology.robots, topology.first_frame, strict=False) for _ in robot.links]
    mount_frame = [f0 + link.mount.frame if link.mount.frame >= 0 else -1 for link, f0 in zip(frames, owner, strict=False)]
    mounts = [_inverse(_split(frame.mount.pose)) for frame in frames]
    rests = [_split(frame.rest) for frame in frames]
    n_objects, f_objects = len(topology.objects), topology.first_frame[-1]
    return Tables(
        first_joint=_ints([*topology.first_joint, *[topology.n_joints] * n_objects]),
        first_frame=_ints([*topology.first_frame, *range(f_objects + 1, f_objects + n_objects + 1)]),
        root=_ints(
            [f0 + robot.base for robot, f0 in zip(topology.robots, topology.first_frame, strict=False)]
            + list(range(f_objects, f_objects + n_objects))
        ),
        free=np.array([*[robot.floating for robot in topology.robots], *[True] * n_objects], np.uint8),
        kind=_ints([joint.kind for joint in joints]),
        parent=_ints(joint_parent),
        child=_ints(joint_child),
        motion=_rows([_motion(joint) for joint in joints], 17),
        lower=_floats([joint.lower for joint in joints]),
        upper=_floats([joint.upper for joint in joints]),
        rest=_floats([joint.rest for joint in joints]),
        order=_ints(order),
        leader=_ints(leader),
        multiplier=_floats([1.0 if joint.mimic is None else joint.mimic.multiplier for joint in joints]),
        offset=_floats([0.0 if joint.mimic is None else joint.mimic.offset for joint in joints]),
        rest_position=_rows([position for position, _ in rests], 3),
        rest_orientation=_rows([orientation for _, orientation in rests], 4),
        hanging=_ints(hanging + list(range(f_objects, f_objects + n_objects))),
        mount_frame=_ints(mount_frame + [-1] * n_objects),
        mount_position=_rows([position for position, _ in mounts], 3),
        mount_orientation=_rows([orientation for _, orientation in mounts], 4),
        units_per_metre=_floats([frame.mount.units_per_metre for frame in frames]),
        translate=_ints([frame.mount.translate for frame in frames]),
        orient=_ints([frame.mount.orient for frame in frames]),
    )


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


def _motion(joint: Joint) -> Floats:
    """Return the constants a, b, p, u, v of one joint (see `Tables`)."""
    outer_position, outer = _split(joint.parent_frame)
    inner_position, inner = _inverse(_split(joint.child_frame))
    axis = np.zeros(3)
    axis[joint.axis] = 1.0
    along = axis * inner_position[joint.axis]
    a = _product(outer, inner)
    b, p, u, v = np.zeros(4), outer_position, np.zeros(3), np.zeros(3)
    if joint.kind in (JointKind.REVOLUTE, JointKind.CONTINUOUS):
        # Rodrigues: R(axis, q) x = along + (x - along) cos q + (axis x x) sin q
        b = _product(_product(outer, np.array([0.0, *axis])), inner)
        p = outer_position + _rotate(outer, along)
        u = _rotate(outer, inner_position - along)
        v = _rotate(outer, np.cross(axis, inner_position))
    else:
        p = outer_position + _rotate(outer, inner_position)
        if joint.kind is JointKind.PRISMATIC:
            u = _rotate(outer, axis)
    return np.concatenate([a, b, p, u, v])


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


def _ints(values: list[int]) -> Ints:
    return np.array(values, np.int64)


def _floats(values: list[float]) -> Floats:
    return np.array(values, np.float64)


def _rows(values: list[Floats], width: int) -> Floats:
    return np.array(values, np.float64).reshape(-1, width)
