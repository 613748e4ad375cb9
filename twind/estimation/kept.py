"""What survives a restart: rows of a bank's arrays, copied out and put back, whatever their fields are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Kept:
    """One array of a bank."""

    array: NDArray[Any]
    axis: int = 0
    """Which axis counts the bank's rows."""
    settings: tuple[str, ...] = ()
    """Fields that are set, not estimated: a row is put back only where they are the same, as its state belongs to them."""
    own: tuple[str, ...] = ()
    """Fields that are set, but say nothing about the state: they are never put back."""

    @property
    def layout(self) -> str:
        """Everything that must be the same for rows to be put back: the type of each field, and the size of the rest."""
        shape = list(self.array.shape)
        shape[self.axis] = -1
        return f"{shape} {self.array.dtype.str} {self.array.dtype.descr if self.array.dtype.names else ''}"


Arrays = dict[str, "NDArray[Any]"]


def copy_rows(kept: Mapping[str, Kept], rows: NDArray[np.int64]) -> Arrays:
    """Copy some rows of every array; they count along the same axis as in the bank."""
    return {
        name: each.array.copy() if len(rows) == each.array.shape[each.axis] else np.take(each.array, rows, axis=each.axis)
        for name, each in kept.items()
    }


def put_rows(kept: Mapping[str, Kept], saved: Mapping[str, NDArray[Any]], sources: Any, rows: Any) -> NDArray[np.bool_]:
    """Put saved rows back where their settings are still the same; return for each whether it was.

    Args:
        kept: Arrays of the bank.
        saved: What `copy_rows` returned, with the layouts of `kept`.
        sources: (N,) rows of `saved`.
        rows: (N,) rows of the bank.
    """
    sources, rows = np.asarray(sources, np.int64), np.asarray(rows, np.int64)
    same = np.ones(len(rows), np.bool_)
    for name, each in kept.items():
        for field in each.settings:
            then, now = saved[name][field].take(sources, each.axis), each.array[field].take(rows, each.axis)
            same &= (then == now) | (np.isnan(then) & np.isnan(now))  # NaN is a setting too
    sources, rows = sources[same], rows[same]
    for name, each in kept.items():
        own = {field: each.array[field].take(rows, each.axis) for field in each.own}
        place = (slice(None),) * each.axis + (rows,)
        each.array[place] = saved[name].take(sources, each.axis)
        for field, values in own.items():
            each.array[field][place] = values
    return same
