"""Write one update into the live layer: cached specs, whole columns, one change block.

Values of one type form a column. A column's values come out of the update's arrays in one NumPy expression and one `Vt` array,
whose elements are ready-made `Gf` values; that is faster than constructing each value from Python floats.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from pxr import Sdf, Tf, Vt

from twind.model.errors import StageError
from twind.model.estimates import Status
from twind.model.time import NO_STAMP, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from twind.model.state import Update

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Encode = Callable[[Update, Ints], Sequence[Any]]
    """Makes the values of the given rows of an update."""

UNKNOWN_AGE_S = -1.0
"""`twind:age` before the first sample."""
QUALITY = {int(status): status.name.lower() for status in Status}
"""`twind:quality` token of each status."""


@dataclass(slots=True)
class Column:
    """Attribute specs of one kind and type, grouped by entity."""

    encode: Encode
    specs: list[Any] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    """The row of the update's arrays that each spec shows."""
    starts: list[int] = field(default_factory=list)
    """First spec of each entity."""


class Writer:
    """Owns the columns of one live layer."""

    def __init__(self, columns: Sequence[Column], entities: int) -> None:
        self._entities = entities
        self._columns = [_Block(column) for column in columns if column.specs]

    def write(self, update: Update) -> int:
        """Write the changed entities' rows; return the number of values written.

        Raises:
            StageError: pxr refused a value; nothing may be assumed about what the layer holds for this update.
        """
        changed: list[int] = update.changed.tolist()
        if not changed:
            return 0
        everything = len(changed) == self._entities
        try:
            work = self.values(update, None if everything else changed)
            with Sdf.ChangeBlock():  # no Usd call in here: the stage is not consistent until the block ends
                for specs, values in work:
                    for spec, value in zip(specs, values, strict=True):
                        spec.default = value
        except Tf.ErrorException as error:
            raise StageError(f"the live layer refused update {update.seq}: {error}") from error
        return sum(len(specs) for specs, _ in work)

    def values(self, update: Update, changed: list[int] | None = None) -> list[tuple[list[Any], Sequence[Any]]]:
        """Return specs of one type each with the values that show an update, of the changed entities or of all."""
        return [block.values(update, changed) for block in self._columns]


class _Block:
    """A finished column."""

    def __init__(self, column: Column) -> None:
        self._encode = column.encode
        self._specs = column.specs
        self._rows = np.array(column.rows, np.int64)
        self._slices = [slice(*ends) for ends in itertools.pairwise([*column.starts, len(column.specs)])]

    def values(self, update: Update, changed: list[int] | None) -> tuple[list[Any], Sequence[Any]]:
        """Return the specs to write and their values, of the changed entities or of all."""
        specs, rows = self._specs, self._rows
        if changed is not None:
            slices = [self._slices[entity] for entity in changed]
            specs = [spec for part in slices for spec in self._specs[part]]
            rows = np.concatenate([self._rows[part] for part in slices])
        return specs, self._encode(update, rows) if specs else ()


def joint_positions(usd_per_si: Floats) -> Encode:
    """Encode joint positions in degrees or stage units; `usd_per_si` is (J,)."""
    return lambda update, rows: (update.joint_position[rows] * usd_per_si[rows]).tolist()


def joint_velocities(usd_per_si: Floats) -> Encode:
    """Encode joint velocities in degrees or stage units per second; `usd_per_si` is (J,)."""
    return lambda update, rows: (update.joint_velocity[rows] * usd_per_si[rows]).tolist()


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


def translations(type_name: Any) -> Encode:
    """Encode local translations in the precision of the existing op, which a twin has rounded them to (see `Precision`)."""
    array, dtype = _VECTORS[type_name]
    return lambda update, rows: array.FromNumpy(update.local_translate[rows].astype(dtype))


def orientations(type_name: Any) -> Encode:
    """Encode local orientations in the precision of the existing op, which a twin has rounded them to (see `Precision`)."""
    array, dtype = _QUATERNIONS[type_name]
    return lambda update, rows: array.FromNumpy(
        np.ascontiguousarray(update.local_orient[rows][:, _IMAGINARY_FIRST], dtype=dtype)
    )


def transforms(scale: Floats) -> Encode:
    """Encode local transforms as matrices; `scale` (F, 3) is each prim's own scale."""

    def encode(update: Update, rows: Ints) -> Sequence[Any]:
        w, x, y, z = update.local_orient[rows].T
        matrix = np.zeros((len(rows), 4, 4))
        # Row-vector convention: row i is where the prim's axis i points, times its scale.
        matrix[:, 0, :3] = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)], axis=1)
        matrix[:, 1, :3] = np.stack([2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)], axis=1)
        matrix[:, 2, :3] = np.stack([2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)], axis=1)
        matrix[:, :3, :3] *= scale[rows][:, :, None]
        matrix[:, 3, :3] = update.local_translate[rows]
        matrix[:, 3, 3] = 1.0
        values: Sequence[Any] = Vt.Matrix4dArray.FromNumpy(matrix)
        return values

    return encode


def times(update: Update, rows: Ints) -> Sequence[float]:
    """Encode the instants that the states are for [s since the epoch]."""
    seconds: list[float] = (update.stamp_ns[rows] / NS_PER_S).tolist()
    return seconds


def sequence_numbers(update: Update, rows: Ints) -> Sequence[int]:
    """Encode the update in which each entity last changed."""
    numbers: list[int] = update.entity_seq[rows].tolist()
    return numbers


def ages(update: Update, rows: Ints) -> Sequence[float]:
    """Encode how old the newest sample was when the update was made [s]."""
    sample = update.sample_ns[rows]
    known = sample != NO_STAMP
    age = np.where(known, update.made_ns - np.where(known, sample, 0), 0) / NS_PER_S
    seconds: list[float] = np.where(known, age, UNKNOWN_AGE_S).tolist()
    return seconds


def qualities(update: Update, rows: Ints) -> Sequence[str]:
    """Encode how far each state can be believed."""
    return [QUALITY[status] for status in update.status[rows].tolist()]
