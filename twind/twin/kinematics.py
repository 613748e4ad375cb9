"""Forward kinematics: from joint positions and measured poses to the world and the USD-local pose of every frame.

Quaternions are Hamilton (w, x, y, z), child to parent; products are written out, as `@` needs SciPy inside a kernel.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from twind.model.topology import Precision
from twind.twin.jit import kernel

if TYPE_CHECKING:
    from twind.twin.tables import Bytes, Floats, Ints, Tables

_EXACT = int(Precision.EXACT)
_FLOAT = int(Precision.FLOAT)
_HALF = int(Precision.HALF)
_FAR = 1e5
"""Rad from which a reduction in three parts is no longer exact."""
_QUARTER_1, _QUARTER_2, _QUARTER_3 = 1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624879595063154e-21
"""A quarter turn in three parts [rad]; multiples of the first two are exact."""
_NO_AXIS = 1e-10
"""Length up to which OpenUSD takes a quaternion's imaginary part for none (`GF_MIN_VECTOR_LENGTH`)."""

Vector = tuple[float, float, float]
Quaternion = tuple[float, float, float, float]


@kernel
def _vector(rows: Floats, row: int) -> Vector:
    at = np.uint64(row)  # unsigned: a signed index may count from the end, which is tested at every access
    return rows[at, 0], rows[at, 1], rows[at, 2]


@kernel
def _quaternion(rows: Floats, row: int) -> Quaternion:
    at = np.uint64(row)
    return rows[at, 0], rows[at, 1], rows[at, 2], rows[at, 3]


@kernel
def _put_vector(rows: Floats, row: int, v: Vector) -> None:
    at = np.uint64(row)
    rows[at, 0], rows[at, 1], rows[at, 2] = v


@kernel
def _put_quaternion(rows: Floats, row: int, q: Quaternion) -> None:
    at = np.uint64(row)
    rows[at, 0], rows[at, 1], rows[at, 2], rows[at, 3] = q


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
        (a[0] * b[0] - a[1] * b[1]) - (a[2] * b[2] + a[3] * b[3]),
        (a[0] * b[1] + a[1] * b[0]) + (a[2] * b[3] - a[3] * b[2]),
        (a[0] * b[2] - a[1] * b[3]) + (a[2] * b[0] + a[3] * b[1]),
        (a[0] * b[3] + a[1] * b[2]) - (a[2] * b[1] - a[3] * b[0]),
    )


@kernel
def _carry(origin: Vector, q: Quaternion, v: Vector) -> Vector:
    """Return `origin + q v conjugate(q)`: a point of a frame in the space that the frame stands in."""
    x, y, z = 2.0 * (q[2] * v[2] - q[3] * v[1]), 2.0 * (q[3] * v[0] - q[1] * v[2]), 2.0 * (q[1] * v[1] - q[2] * v[0])
    return (
        (origin[0] + v[0]) + (q[0] * x + (q[2] * z - q[3] * y)),
        (origin[1] + v[1]) + (q[0] * y + (q[3] * x - q[1] * z)),
        (origin[2] + v[2]) + (q[0] * z + (q[1] * y - q[2] * x)),
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
def _sine_cosine(x: float) -> tuple[float, float]:
    """Return sine and cosine of an angle, both at once and without a branch: two calls of the C library cost more than a link.

    Reduction to a quarter turn in three parts and polynomials as in FreeBSD's msun (e_rem_pio2.c, k_sin.c, k_cos.c), which
    stay within an ulp or two of the C library's.
    """
    if not abs(x) < _FAR:
        return math.sin(x), math.cos(x)
    quarters = np.rint(x * (2.0 / math.pi))
    y = ((x - quarters * _QUARTER_1) - quarters * _QUARTER_2) - quarters * _QUARTER_3
    z = y * y
    sine = 1.58969099521155010221e-10
    for term in (
        -2.50507602534068634195e-08, 2.75573137070700676789e-06, -1.98412698298579493134e-04, 8.33333333332248946124e-03,
        -1.66666666666666324348e-01,
    ):  # fmt: skip
        sine = term + z * sine
    sine = y + y * z * sine
    cosine = -1.13596475577881948265e-11
    for term in (
        2.08757232129817482790e-09, -2.75573143513906633035e-07, 2.48015872894767294178e-05, -1.38888888888741095749e-03,
        4.16666666666666019037e-02, -0.5, 1.0,
    ):  # fmt: skip
        cosine = term + z * cosine
    turned = int(quarters)
    if turned & 1:
        sine, cosine = cosine, sine
    return -sine if turned & 2 else sine, -cosine if (turned + 1) & 2 else cosine


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

    No product is scaled back to unit length: each is off by a rounding, and a square root would double what a link costs.
    """
    for entity in changed:
        root = tables.entities[entity].root
        if tables.entities[entity].free and posed[entity]:
            _put_vector(position, root, _vector(body_position, entity))
            _put_quaternion(orientation, root, _unit(_quaternion(body_orientation, entity)))
        else:
            p, q = tables.frames[root].rest_position, tables.frames[root].rest_orientation
            _put_vector(position, root, (p[0], p[1], p[2]))
            _put_quaternion(orientation, root, (q[0], q[1], q[2], q[3]))

        for joint in range(tables.entities[entity].first_joint, tables.entities[entity].end_joint):
            m = tables.motions[joint]
            sin, cos = _sine_cosine(0.5 * joint_position[joint]) if m.turns else (0.0, 1.0)
            rotation = (
                m.a[0] * cos + m.b[0] * sin,
                m.a[1] * cos + m.b[1] * sin,
                m.a[2] * cos + m.b[2] * sin,
                m.a[3] * cos + m.b[3] * sin,
            )
            first, second = (1.0 - 2.0 * sin * sin, 2.0 * sin * cos) if m.turns else (joint_position[joint], 0.0)
            translation = (
                m.p[0] + m.u[0] * first + m.v[0] * second,
                m.p[1] + m.u[1] * first + m.v[1] * second,
                m.p[2] + m.u[2] * first + m.v[2] * second,
            )
            if m.parent >= 0:
                stands = _quaternion(orientation, m.parent)
                translation = _carry(_vector(position, m.parent), stands, translation)
                rotation = _product(stands, rotation)
            _put_vector(position, m.child, translation)
            _put_quaternion(orientation, m.child, rotation)


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
        for place in range(tables.entities[entity].first_frame, tables.entities[entity].end_frame):
            frame = tables.hanging[place]
            row = tables.frames[frame]
            x, y, z = _vector(position, frame)
            rotation = _quaternion(orientation, frame)
            carrier = row.mount_frame
            if carrier >= 0:
                back = _conjugate(_quaternion(shown_orientation, carrier))
                ox, oy, oz = _vector(shown_position, carrier)
                x, y, z = _carry((0.0, 0.0, 0.0), back, (x - ox, y - oy, z - oz))
                rotation = _product(back, rotation)
            hung = row.mount_orientation
            mount = hung[0], hung[1], hung[2], hung[3]
            mx, my, mz = row.mount_position[0], row.mount_position[1], row.mount_position[2]
            x, y, z = _carry((mx, my, mz), mount, (x, y, z))
            units, rounding = row.units_per_metre, row.translate
            x, y, z = units * x, units * y, units * z
            if rounding != _EXACT:
                x, y, z = _rounded(x, rounding), _rounded(y, rounding), _rounded(z, rounding)
            _put_vector(local_translate, frame, (x, y, z))
            w, i, j, k = _product(mount, rotation)
            precision = row.orient
            rotation = _rounded(w, precision), _rounded(i, precision), _rounded(j, precision), _rounded(k, precision)
            _put_quaternion(local_orient, frame, rotation)

            mount = _conjugate(mount)
            rotation = _product(mount, _shown(rotation, precision))
            if carrier >= 0:
                rotation = _product(_quaternion(shown_orientation, carrier), rotation)
            _put_quaternion(shown_orientation, frame, rotation)
            _put_vector(shown_position, frame, _vector(position, frame))
            if rounding != _EXACT:
                x, y, z = _carry((0.0, 0.0, 0.0), mount, (x / units - mx, y / units - my, z / units - mz))
                if carrier >= 0:
                    x, y, z = _carry(_vector(shown_position, carrier), _quaternion(shown_orientation, carrier), (x, y, z))
                _put_vector(shown_position, frame, (x, y, z))


@kernel
def move(
    tables: Tables,
    changed: Ints,
    posed: Bytes,
    body_position: Floats,
    body_orientation: Floats,
    joint_position: Floats,
    position: Floats,
    orientation: Floats,
    shown_position: Floats,
    shown_orientation: Floats,
    local_translate: Floats,
    local_orient: Floats,
) -> None:
    """Place the frames of the `changed` entities and hang them, in one call."""
    place_frames(tables, changed, posed, body_position, body_orientation, joint_position, position, orientation)
    hang_frames(tables, changed, position, orientation, shown_position, shown_orientation, local_translate, local_orient)
