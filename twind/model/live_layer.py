"""What the live layer holds, described without USD, and what one write changes in it; for those who show it elsewhere.

A *column* is all attributes of one kind and type. Its numbers are one array, a row for each attribute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

Plain = bool | int | float | str | list[Any] | None
"""A value as JSON has it; vectors are lists, quaternions are (x, y, z, w), None is a blocked value."""


@dataclass(frozen=True, slots=True)
class LiveAttribute:
    """One attribute whose value changes."""

    prim: str
    name: str
    entity: int
    """The entity that it belongs to."""
    unit: str = ""
    """`deg`, `deg/s`, `stage` (the stage's unit of length), `stage/s`, `s`; empty for what has none."""
    custom: bool = False
    choices: tuple[Plain, ...] = ()
    """In a column of codes without names: the values that the codes stand for."""


@dataclass(frozen=True, slots=True)
class LiveColumn:
    """Attributes of one kind and type."""

    type_name: str
    """Their USD value type, such as `double3`."""
    dtype: str
    """Of one number, in NumPy's little-endian spelling: `<f2`, `<f4`, `<f8`, `<i8`, or `|u1` for a code."""
    width: int
    """Numbers in one value. Quaternions are (x, y, z, w), matrices row by row."""
    attributes: tuple[LiveAttribute, ...]
    names: tuple[str, ...] = ()
    """What the codes of a column of tokens stand for."""


@dataclass(frozen=True, slots=True)
class FixedAttribute:
    """One attribute that keeps the value it was authored with."""

    prim: str
    name: str
    type_name: str
    value: Plain
    entity: int
    """The entity that it belongs to; -1 where it belongs to none alone."""
    custom: bool = False
    uniform: bool = False


@dataclass(frozen=True, slots=True)
class LiveLayout:
    """The structure of a live layer: it never changes while the layer lives."""

    columns: tuple[LiveColumn, ...]
    fixed: tuple[FixedAttribute, ...]
    schemas: Mapping[str, tuple[str, ...]]
    """Applied schemas that are prepended, by prim."""


@dataclass(frozen=True, slots=True)
class Change:
    """New numbers of some attributes of one column. The arrays are never written again."""

    column: int
    rows: NDArray[np.int64]
    """(n,) ascending."""
    numbers: NDArray[Any]
    """(n,) or (n, width), as the attributes hold them."""


@dataclass(frozen=True, slots=True)
class Flush:
    """What one write changed in the live layer. The first holds every attribute of every column."""

    seq: int
    """Number of the update that was written."""
    made_ns: int
    """Daemon wall clock when the update was made [ns]."""
    changes: tuple[Change, ...]
