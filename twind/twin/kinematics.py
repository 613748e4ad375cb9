"""Forward kinematics: from joint positions and measured poses to the world and the USD-local pose of every frame.

Quaternions are Hamilton (w, x, y, z), child to parent; products are written out, as `@` needs SciPy inside a kernel.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from twind.model.estimates import Status
from twind.model.time import NO_STAMP
from twind.model.topology import JointKind, Precision
from twind.twin.jit import kernel

if TYPE_CHECKING:
    from twind.twin.tables import Bytes, Floats, Ints, Tables

_FIXED = int(JointKind.FIXED)
_PRISMATIC = int(JointKind.PRISMATIC)
_LOST = int(Status.LOST)
_EXACT = int(Precision.EXACT)
_FLOAT = int(Precision.FLOAT)
_HALF = int(Precision.HALF)
_AT_LIMIT = 1e-6
"""Rad or m by which single precision may put a joint beyond its limit."""
_NO_AXIS = 1e-10
"""Length up to which OpenUSD takes a quaternion's imaginary part for none (`GF_MIN_VECTOR_LENGTH`)."""

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


@kernel
def _vector(rows: Floats, row: int) -> Vector:
    return rows[row, 0], rows[row, 1], rows[row, 2]


@kernel
def _quaternion(rows: Floats, row: int) -> Quaternion:
    return rows[row, 0], rows[row, 1], rows[row, 2], rows[row, 3]


@kernel
def _conjugate(q: Quaternion) -> Quaternion:
    return q[0], -q[1], -q[2], -q[3]


@kernel
def _unit(q: Quaternion) -> Quaternion:
    scale = 1.0 / math.sqrt(q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    return q[0] * scale, q[1] * scale, q[2] * scale, q[3] * scale


@kernel
def _product(a: Quaternion, b: Quaternion) -> Quaternion:
    return (
        a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
        a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
        a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
        a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
    )


@kernel
def _carry(origin: Vector, q: Quaternion, v: Vector) -> Vector:
    """Return `origin + q v conjugate(q)`: a point of a frame in the space that the frame stands in."""
    x, y, z = 2.0 * (q[2] * v[2] - q[3] * v[1]), 2.0 * (q[3] * v[0] - q[1] * v[2]), 2.0 * (q[1] * v[1] - q[2] * v[0])
    return (
        origin[0] + v[0] + q[0] * x + q[2] * z - q[3] * y,
        origin[1] + v[1] + q[0] * y + q[3] * x - q[1] * z,
        origin[2] + v[2] + q[0] * z + q[1] * y - q[2] * x,
    )


@kernel
def _rounded(value: float, precision: int) -> float:
    """Return the double that a value of this precision stands for: to nearest, ties to even, as NumPy converts."""
    if precision == _FLOAT:
        return float(np.float32(value))
    if precision == _HALF and abs(value) < 65520.0:  # from there on a half is infinite
        # Eleven significant bits, fewer below 2**-14. Numba has no half on the CPU.
        spacing = math.ldexp(1.0, max(math.frexp(value)[1] - 11, -24))
        return float(np.rint(value / spacing) * spacing)
    return value


@kernel
def _shown(q: Quaternion, precision: int) -> Quaternion:
    """Return the rotation that OpenUSD makes of a quaternion as written: `GfRotation::SetQuat` (pxr/base/gf/rotation.cpp).

    The axis is the normalised imaginary part and the angle `2 acos(w)`: where rounding has left a quaternion a little off
    unit length this is not the nearest rotation, and near `w` = 1 it is coarse (0.7 mrad for floats).
    """
    if precision == _EXACT:
        return q
    length = math.sqrt(q[1] * q[1] + q[2] * q[2] + q[3] * q[3])
    if length <= _NO_AXIS:
        return 1.0, 0.0, 0.0, 0.0
    w = min(max(q[0], -1.0), 1.0)
    scale = math.sqrt((1.0 - w) * (1.0 + w)) / length
    return w, q[1] * scale, q[2] * scale, q[3] * scale


@kernel
def _joint_pose(kind: int, motion: Floats, joint: int, q: float) -> tuple[Vector, Quaternion]:
    """Return the child's pose in its parent link at joint position `q`; `motion` (J, 17) as explained at `Tables`."""
    if kind == _PRISMATIC:
        half_cos, half_sin, cos, sin = 1.0, 0.0, q, 0.0
    else:
        half_cos, half_sin = math.cos(0.5 * q), math.sin(0.5 * q)
        cos, sin = 1.0 - 2.0 * half_sin * half_sin, 2.0 * half_sin * half_cos
    return (
        (
            motion[joint, 8] + motion[joint, 11] * cos + motion[joint, 14] * sin,
            motion[joint, 9] + motion[joint, 12] * cos + motion[joint, 15] * sin,
            motion[joint, 10] + motion[joint, 13] * cos + motion[joint, 16] * sin,
        ),
        (
            motion[joint, 0] * half_cos + motion[joint, 4] * half_sin,
            motion[joint, 1] * half_cos + motion[joint, 5] * half_sin,
            motion[joint, 2] * half_cos + motion[joint, 6] * half_sin,
            motion[joint, 3] * half_cos + motion[joint, 7] * half_sin,
        ),
    )


@kernel
def lead_back(tables: Tables, changed: Ints, sample_ns: Ints, sampled_status: Bytes, estimate: Floats) -> None:
    """Give a joint that nobody measures, but whose mimic joint somebody does, the estimate that follows from the mimic joint.

    Assets and drivers do not always agree on which of two coupled fingers leads. `estimate` (3, J), `sample_ns` (J,) and
    `sampled_status` (J,) are completed in place, for the `changed` entities.
    """
    for entity in changed:
        for place in range(tables.first_joint[entity + 1] - 1, tables.first_joint[entity] - 1, -1):
            joint = tables.order[place]
            leader, factor = tables.leader[joint], tables.multiplier[joint]
            if leader >= 0 and factor != 0.0 and sample_ns[leader] == NO_STAMP and sample_ns[joint] != NO_STAMP:
                estimate[0, leader] = (estimate[0, joint] - tables.offset[joint]) / factor
                estimate[1, leader] = estimate[1, joint] / factor
                estimate[2, leader] = estimate[2, joint] / abs(factor)
                sample_ns[leader] = sample_ns[joint]
                sampled_status[leader] = sampled_status[joint]


@kernel
def settle_joints(
    tables: Tables,
    changed: Ints,
    entity_status: Bytes,
    sample_ns: Ints,
    sampled_status: Bytes,
    estimate: Floats,
    position: Floats,
    velocity: Floats,
    std: Floats,
    status: Bytes,
    limited: Bytes,
) -> None:
    """Turn estimates into the joint state that is shown, for the `changed` entities: rest, mimic, then limits.

    `estimate` (3, J) holds position, velocity and sigma of the position, `sampled_status` (J,) goes by each joint's own age.
    The last five arrays (J,) are written. A joint that was never sampled stands as authored, even beyond its limits, with an
    infinite sigma; a fixed one is as good as its robot; a mimic joint takes everything from the joint it follows.
    """
    for entity in changed:
        for place in range(tables.first_joint[entity], tables.first_joint[entity + 1]):
            joint = tables.order[place]
            leader = tables.leader[joint]
            limited[joint] = 0
            if tables.kind[joint] == _FIXED:
                position[joint], velocity[joint], std[joint] = 0.0, 0.0, 0.0
                status[joint] = entity_status[entity]
                continue
            if leader >= 0:
                sample_ns[joint] = sample_ns[leader]
            if sample_ns[joint] == NO_STAMP:
                position[joint], velocity[joint], std[joint] = tables.rest[joint], 0.0, math.inf
                status[joint] = _LOST
                continue
            if leader >= 0:
                factor = tables.multiplier[joint]
                position[joint] = factor * position[leader] + tables.offset[joint]
                velocity[joint] = factor * velocity[leader]
                std[joint] = abs(factor) * std[leader]
                status[joint] = status[leader]
            else:
                position[joint], velocity[joint], std[joint] = estimate[0, joint], estimate[1, joint], estimate[2, joint]
                status[joint] = sampled_status[joint]
            beyond = max(tables.lower[joint] - position[joint], position[joint] - tables.upper[joint])
            if beyond > 0.0:
                position[joint] = min(max(position[joint], tables.lower[joint]), tables.upper[joint])
                limited[joint] = beyond > _AT_LIMIT


@kernel
def place_frames(
    tables: Tables,
    changed: Ints,
    posed: Bytes,
    body_position: Floats,
    body_orientation: Floats,
    joint_position: Floats,
    position: Floats,
    orientation: Floats,
) -> None:
    """Compute world poses, `position` (F, 3) [m] and `orientation` (F, 4), of the `changed` entities' frames.

    Free roots stand at `body_position` (E, 3), `body_orientation` (E, 4) where `posed`, else where the asset has them; then
    `W(child) = W(parent) * parent_frame * motion(axis, q) * inverse(child_frame)` in kinematic order.
    """
    for entity in changed:
        root = tables.root[entity]
        if tables.free[entity] and posed[entity]:
            position[root] = _vector(body_position, entity)
            orientation[root] = _unit(_quaternion(body_orientation, entity))
        else:
            position[root] = _vector(tables.rest_position, root)
            orientation[root] = _quaternion(tables.rest_orientation, root)

        for joint in range(tables.first_joint[entity], tables.first_joint[entity + 1]):
            translation, rotation = _joint_pose(tables.kind[joint], tables.motion, joint, joint_position[joint])
            parent, child = tables.parent[joint], tables.child[joint]
            if parent >= 0:
                stands = _quaternion(orientation, parent)
                translation = _carry(_vector(position, parent), stands, translation)
                rotation = _product(stands, rotation)
            position[child] = translation
            orientation[child] = _unit(rotation)


@kernel
def hang_frames(
    tables: Tables,
    changed: Ints,
    position: Floats,
    orientation: Floats,
    shown_position: Floats,
    shown_orientation: Floats,
    local_translate: Floats,
    local_orient: Floats,
) -> None:
    """Express the world poses of the `changed` entities' frames in the space of their USD parents, as these are shown.

    Writes `local_translate` (F, 3) [stage units] and `local_orient` (F, 4), `inverse(mount) * inverse(S(mount frame)) * W`
    rounded to the precision of their ops, and the world poses S that USD composes of them, `shown_position` (F, 3) [m] and
    `shown_orientation` (F, 4). Were W in the place of S, every frame would inherit the rounding of those that carry it.
    """
    for entity in changed:
        for place in range(tables.first_frame[entity], tables.first_frame[entity + 1]):
            frame = tables.hanging[place]
            x, y, z = _vector(position, frame)
            rotation = _quaternion(orientation, frame)
            carrier = tables.mount_frame[frame]
            if carrier >= 0:
                back = _conjugate(_quaternion(shown_orientation, carrier))
                ox, oy, oz = _vector(shown_position, carrier)
                x, y, z = _carry((0.0, 0.0, 0.0), back, (x - ox, y - oy, z - oz))
                rotation = _product(back, rotation)
            mount = _quaternion(tables.mount_orientation, frame)
            mx, my, mz = _vector(tables.mount_position, frame)
            x, y, z = _carry((mx, my, mz), mount, (x, y, z))
            units, rounding = tables.units_per_metre[frame], tables.translate[frame]
            x, y, z = units * x, units * y, units * z
            if rounding != _EXACT:
                x, y, z = _rounded(x, rounding), _rounded(y, rounding), _rounded(z, rounding)
            local_translate[frame] = (x, y, z)
            w, i, j, k = _product(mount, rotation)
            precision = tables.orient[frame]
            rotation = _rounded(w, precision), _rounded(i, precision), _rounded(j, precision), _rounded(k, precision)
            local_orient[frame] = rotation

            mount = _conjugate(mount)
            rotation = _product(mount, _shown(rotation, precision))
            shown_orientation[frame] = rotation if carrier < 0 else _product(_quaternion(shown_orientation, carrier), rotation)
            shown_position[frame] = _vector(position, frame)
            if rounding != _EXACT:
                x, y, z = _carry((0.0, 0.0, 0.0), mount, (x / units - mx, y / units - my, z / units - mz))
                if carrier >= 0:
                    x, y, z = _carry(_vector(shown_position, carrier), _quaternion(shown_orientation, carrier), (x, y, z))
                shown_position[frame] = (x, y, z)


@kernel
def move(
    tables: Tables,
    changed: Ints,
    entity_status: Bytes,
    sample_ns: Ints,
    sampled_status: Bytes,
    estimate: Floats,
    posed: Bytes,
    body_position: Floats,
    body_orientation: Floats,
    joint_position: Floats,
    joint_velocity: Floats,
    joint_std: Floats,
    joint_status: Bytes,
    limited: Bytes,
    position: Floats,
    orientation: Floats,
    shown_position: Floats,
    shown_orientation: Floats,
    local_translate: Floats,
    local_orient: Floats,
) -> None:
    """Settle the joints, place the frames and hang them, for the `changed` entities, in one call (each costs 5 us)."""
    lead_back(tables, changed, sample_ns, sampled_status, estimate)
    settle_joints(
        tables,
        changed,
        entity_status,
        sample_ns,
        sampled_status,
        estimate,
        joint_position,
        joint_velocity,
        joint_std,
        joint_status,
        limited,
    )
    place_frames(tables, changed, posed, body_position, body_orientation, joint_position, position, orientation)
    hang_frames(tables, changed, position, orientation, shown_position, shown_orientation, local_translate, local_orient)
