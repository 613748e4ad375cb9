"""Make the values of live attributes out of an update's arrays, a column of one type at a time.

A column's numbers come out of the update in one NumPy expression, in the attribute's own precision, and become `Gf` values by
way of one `Vt` array; that is faster than constructing each value from Python floats.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pxr import Sdf, Vt

from twind.model.estimates import Status
from twind.model.time import NO_STAMP, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from twind.model.state import Update

    Array = NDArray[Any]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

UNKNOWN_AGE_S = -1.0
"""`twind:age` before the first sample."""
QUALITY = {int(status): status.name.lower() for status in Status}
"""`twind:quality` token of each status."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """How the attributes of one column get their values."""

    numbers: Callable[[Update, Ints], Array]
    """The numbers of the given rows of an update, (n,) or (n, k), rounded as the attributes hold them."""
    box: Callable[[Array, Ints], Sequence[Any]]
    """The values of numbers; also told which places of the column they are for."""


def _unboxed(numbers: Array, _places: Ints) -> Sequence[Any]:
    values: list[Any] = numbers.tolist()
    return values


def _boxed_by(array: Any) -> Callable[[Array, Ints], Sequence[Any]]:
    return lambda numbers, _places: array.FromNumpy(np.ascontiguousarray(numbers))


_SCALARS = {
    Sdf.ValueTypeNames.Float: np.float32,
    Sdf.ValueTypeNames.Double: np.float64,
    Sdf.ValueTypeNames.Half: np.float16,
}


def joint_positions(usd_per_si: Floats, type_name: Any) -> Encoder:
    """Encode joint positions in degrees or stage units; `usd_per_si` is (J,)."""
    dtype = _SCALARS[type_name]
    return Encoder(lambda update, rows: (update.joint_position[rows] * usd_per_si[rows]).astype(dtype), _unboxed)


def joint_velocities(usd_per_si: Floats, type_name: Any) -> Encoder:
    """Encode joint velocities in degrees or stage units per second; `usd_per_si` is (J,)."""
    dtype = _SCALARS[type_name]
    return Encoder(lambda update, rows: (update.joint_velocity[rows] * usd_per_si[rows]).astype(dtype), _unboxed)


_VECTORS = {
    Sdf.ValueTypeNames.Double3: (Vt.Vec3dArray, np.float64),
    Sdf.ValueTypeNames.Float3: (Vt.Vec3fArray, np.float32),
    Sdf.ValueTypeNames.Half3: (Vt.Vec3hArray, np.float16),
}
_QUATERNIONS = {
    Sdf.ValueTypeNames.Quatd: (Vt.QuatdArray, np.float64),
    Sdf.ValueTypeNames.Quatf: (Vt.QuatfArray, np.float32),
    Sdf.ValueTypeNames.Quath: (Vt.QuathArray, np.float16),
}
_IMAGINARY_FIRST = [1, 2, 3, 0]
"""Gf stores a quaternion as (x, y, z, w)."""


def translations(type_name: Any) -> Encoder:
    """Encode local translations in the precision of the existing op, which a twin has rounded them to (see `Precision`)."""
    array, dtype = _VECTORS[type_name]
    return Encoder(lambda update, rows: update.local_translate[rows].astype(dtype), _boxed_by(array))


def pivoted_translations(type_name: Any, outer: Floats, inner: Floats) -> Encoder:
    """Encode local translations of prims with pivots; `outer` and `inner` (F, 3) are what they make up for (see `Pivot`)."""
    array, dtype = _VECTORS[type_name]

    def numbers(update: Update, rows: Ints) -> Array:
        turned = np.einsum("ni,nij->nj", inner[rows], _matrices(_shown(update.local_orient[rows])))
        place: Array = (update.local_translate[rows] - outer[rows] - turned).astype(dtype)
        return place

    return Encoder(numbers, _boxed_by(array))


_NO_AXIS = 1e-10
"""Length of an imaginary part below which OpenUSD takes a quaternion for no rotation."""


def _shown(orientation: Floats) -> Floats:
    """Return the rotations that OpenUSD makes of quaternions (n, 4): by their real parts (see `twind.twin.kinematics`)."""
    w, imaginary = np.clip(orientation[:, :1], -1.0, 1.0), orientation[:, 1:]
    length = np.linalg.norm(imaginary, axis=1, keepdims=True)
    turned = length > _NO_AXIS
    scale = np.where(turned, np.sqrt((1.0 - w) * (1.0 + w)) / np.maximum(length, _NO_AXIS), 0.0)
    return np.hstack([np.where(turned, w, 1.0), imaginary * scale])


def orientations(type_name: Any) -> Encoder:
    """Encode local orientations in the precision of the existing op, which a twin has rounded them to (see `Precision`)."""
    array, dtype = _QUATERNIONS[type_name]
    return Encoder(lambda update, rows: update.local_orient[rows][:, _IMAGINARY_FIRST].astype(dtype), _boxed_by(array))


def euler_angles(type_name: Any, order: str) -> Encoder:
    """Encode local orientations as `rotateXYZ` and its like [deg]; `order` names the axes, the one turned about first first."""
    array, dtype = _VECTORS[type_name]
    return Encoder(lambda update, rows: euler_degrees(update.local_orient[rows], order).astype(dtype), _boxed_by(array))


def euler_degrees(orientation: ArrayLike, order: str) -> Floats:
    """Return (n, 3) angles about X, Y and Z [deg] of orientations (n, 4), turned in the given order."""
    a, b, c = ("XYZ".index(axis) for axis in order)
    degrees: Floats = np.degrees(_angles(_matrices(np.asarray(orientation, np.float64)), a, b, c))
    return degrees


def _matrices(orientation: Floats) -> Floats:
    """Return (n, 3, 3) row-vector rotations: row i is where axis i points."""
    w, x, y, z = orientation.T
    matrix = np.empty((len(orientation), 3, 3))
    matrix[:, 0] = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], axis=1)
    matrix[:, 1] = np.stack([2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)], axis=1)
    matrix[:, 2] = np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], axis=1)
    return matrix


def _angles(matrix: Floats, a: int, b: int, c: int) -> Floats:
    """Return (n, 3) angles about X, Y and Z [rad] of rotations that turn about axis `a`, then `b`, then `c`.

    With column vectors R = R_c R_b R_a, so that R[c, a] = -e sin(b), R[c, b] = e cos(b) sin(a), R[c, c] = cos(b) cos(a),
    R[b, a] = e cos(b) sin(c) and R[a, a] = cos(b) cos(c), where e is the sign of the permutation
    (Diebel 2006, section 8).
    Where cos(b) vanishes only the sum or difference of the outer angles is defined, and the last is set to zero.
    """
    r = matrix.transpose(0, 2, 1)
    sign = 1.0 if (b - a) % 3 == 1 else -1.0
    level = np.hypot(r[:, a, a], r[:, b, a])
    locked = level < 1e-9  # noqa: PLR2004  (rounding of the rotation is 1e-16, and 1e-9 rad of tilt is shown as it is)
    angles = np.empty((len(matrix), 3))
    angles[:, a] = np.where(locked, np.arctan2(-sign * r[:, b, c], r[:, b, b]), np.arctan2(sign * r[:, c, b], r[:, c, c]))
    angles[:, b] = np.arctan2(-sign * r[:, c, a], level)
    angles[:, c] = np.where(locked, 0.0, np.arctan2(sign * r[:, b, a], r[:, a, a]))
    return angles


def transforms(scale: Floats) -> Encoder:
    """Encode local transforms as matrices; `scale` (F, 3) is each prim's own scale."""

    def numbers(update: Update, rows: Ints) -> Array:
        matrix = np.zeros((len(rows), 4, 4))
        matrix[:, :3, :3] = _matrices(update.local_orient[rows]) * scale[rows][:, :, None]
        matrix[:, 3, :3] = update.local_translate[rows]
        matrix[:, 3, 3] = 1.0
        return matrix.reshape(-1, 16)

    return Encoder(numbers, lambda numbers, _places: Vt.Matrix4dArray.FromNumpy(numbers.reshape(-1, 4, 4)))


TIMES = Encoder(lambda update, rows: update.stamp_ns[rows] / NS_PER_S, _unboxed)
"""The instants that the states are for [s since the epoch]."""
SEQUENCE_NUMBERS = Encoder(lambda update, rows: update.entity_seq[rows], _unboxed)
"""The update that each entity's state comes from."""


def _ages(update: Update, rows: Ints) -> Array:
    sample = update.sample_ns[rows]
    known = sample != NO_STAMP
    age = np.where(known, update.made_ns - np.where(known, sample, 0), 0) / NS_PER_S
    return np.where(known, age, UNKNOWN_AGE_S)


AGES = Encoder(_ages, _unboxed)
"""How old the newest sample was when the update was made [s]."""
QUALITIES = Encoder(
    lambda update, rows: update.status[rows], lambda numbers, _places: [QUALITY[status] for status in numbers.tolist()]
)
"""How far each state can be believed."""


def stale_looks(fresh: Sequence[Any], stale: Sequence[Any]) -> Encoder:
    """Encode by two values for each place of the column: the one while there is news of its entity, and the one while not."""

    def box(numbers: Array, places: Ints) -> Sequence[Any]:
        return [stale[place] if is_stale else fresh[place] for is_stale, place in zip(numbers, places.tolist(), strict=True)]

    return Encoder(lambda update, rows: update.status[rows] >= Status.STALE, box)
