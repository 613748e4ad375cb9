"""Time samples as `.usda` text, out of columns of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.model.estimates import Status
from twind.stage.encoders import QUALITY

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_CODES = {word: int(status) for status, word in QUALITY.items()}
_DIGITS: dict[str, tuple[type[np.floating[Any]], str]] = {
    "half": (np.float16, "%.5g"),
    "float": (np.float32, "%.9g"),
    "double": (np.float64, "%.17g"),
}
"""Type of each precision, and digits that bring back the very value."""
_VECTORS = {"double3": "double", "float3": "float", "half3": "half"}
_QUATERNIONS = {"quatd": "double", "quatf": "float", "quath": "half"}


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of one USD type become numbers and text."""

    width: int
    """Numbers in a value."""
    template: str
    """Text of a value, for `%`."""
    dtype: type[np.floating[Any]] = np.float64
    words: bool = False
    """Whether the numbers stand for tokens."""
    rotation: bool = False
    """Whether they are a quaternion, imaginary part first, as `Gf` keeps them."""

    def numbers(self, values: Sequence[Any]) -> Floats:
        """Return the numbers of many values, one after the other."""
        found = [_CODES[value] for value in values] if self.words else values
        return np.asarray(found, np.float64).ravel()

    def stored(self, rows: Floats, before: Floats | None) -> Floats:
        """Return rows of numbers (N, width) as USD will keep them, after the row that came before.

        A quaternion and its negative are the same rotation, but not halfway to the next one: signs are chosen so that
        neighbours lie on the same side.
        """
        if self.rotation:
            rows = rows[:, [3, 0, 1, 2]]
            first = rows[:1] if before is None else before[None]
            neighbours = np.concatenate([first, rows[:-1]])
            rows = rows * np.cumprod(np.where((neighbours * rows).sum(axis=1) < 0, -1.0, 1.0))[:, None]
        return rows.astype(self.dtype).astype(np.float64)


def kind_of(type_name: Any) -> Kind:
    """Return how a `Sdf.ValueTypeName` is written."""
    name = str(type_name)
    if name == "token":
        return Kind(1, '"%s"', words=True)
    if name == "int64":
        return Kind(1, "%d")
    if name == "matrix4d":
        row = "(" + ", ".join(["%.17g"] * 4) + ")"
        return Kind(16, "( " + ", ".join([row] * 4) + " )")
    if name in _QUATERNIONS:
        dtype, digits = _DIGITS[_QUATERNIONS[name]]
        return Kind(4, "(" + ", ".join([digits] * 4) + ")", dtype, rotation=True)
    if name in _VECTORS:
        dtype, digits = _DIGITS[_VECTORS[name]]
        return Kind(3, "(" + ", ".join([digits] * 3) + ")", dtype)
    dtype, digits = _DIGITS[name]
    return Kind(1, digits, dtype)


def lines(kind: Kind, times_s: Sequence[float], values: Floats, before: Floats | None, *, indent: str) -> Iterator[str]:
    """Yield the lines of one attribute's samples.

    A sample whose neighbours are both the same is left out: interpolation brings it back.

    Args:
        kind: How to write them.
        times_s: (N,) time codes.
        values: (N, width), or one row more: what comes after.
        before: The row that came before the first, None where there is none.
        indent: What each line begins with.
    """
    differs = np.ones(len(values) + 1, np.bool_)  # of each value from the one before it
    differs[1:-1] = (values[1:] != values[:-1]).any(axis=1)
    differs[-1] = False  # at the end of the take the last value is held
    differs[0] = before is None or bool((values[0] != before).any())
    count = len(times_s)
    kept = np.flatnonzero(differs[:count] | differs[1 : count + 1])
    template = f"{indent}%r: {kind.template},\n"
    for row, numbers in zip(kept.tolist(), values[kept].tolist(), strict=True):
        shown = [QUALITY[Status(int(numbers[0]))]] if kind.words else numbers
        yield template % (times_s[row], *shown)
