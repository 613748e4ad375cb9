"""Write what an update changes into the live layer: cached specs, whole columns, one change block."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import chain, pairwise, repeat
from typing import TYPE_CHECKING, Any

import numpy as np
from pxr import Sdf, Tf

from twind.model.errors import StageError
from twind.model.live_layer import Change, Flush

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from twind.model.state import Update
    from twind.stage.dead_band import DeadBand
    from twind.stage.encoders import Encoder

    Array = NDArray[Any]
    Ints = NDArray[np.int64]

_NOISE = 1e-11
"""Change of a double, in degrees or stage units, that is rounding and no motion: a link a kilometre away has 1e-13 of it."""


@dataclass(slots=True)
class Column:
    """Attribute specs of one kind and type."""

    encoder: Encoder
    specs: list[Any] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    """The row of the update's arrays that each spec shows."""
    owners: list[int] = field(default_factory=list)
    """The entity that each spec belongs to."""


class Writer:
    """Owns the columns of one live layer.

    The values of one entity are set without a Python instruction in between: no other thread runs while half of them are new.
    """

    def __init__(self, columns: Sequence[Column], dead_band: DeadBand) -> None:
        self._columns = [_Block(column) for column in columns if column.specs]
        self._dead_band = dead_band
        self.on_flush: Callable[[Flush], None] | None = None
        """Told in the stage's thread what each write has changed."""

    @property
    def shown(self) -> Update | None:
        """What stands in the layer: of each entity the state that was last written; None when nothing is known of it."""
        return self._dead_band.shown

    def write(self, update: Update) -> int:
        """Write what differs from what is written by more than the dead band; return the number of values written.

        Raises:
            StageError: pxr refused a value. Nothing may be assumed about what the layer holds until the next write, which
                writes everything.
        """
        due = self._dead_band.due(update)
        if not due.any():
            self._dead_band.written(update, due)
            return 0
        try:
            parts = [block.changes(update, due) for block in self._columns]
            specs, values, ends = _by_owner(parts)
            with Sdf.ChangeBlock():  # no Usd call in here: the stage is not consistent until the block ends
                for start, end in pairwise(ends):
                    deque(map(setattr, specs[start:end], repeat("default"), values[start:end]), maxlen=0)
        except Tf.ErrorException as error:
            for block in self._columns:
                block.forget()
            self._dead_band.forget()
            raise StageError(f"the live layer refused update {update.seq}: {error}") from error
        self._dead_band.written(update, due)
        if self.on_flush is not None:
            changes = (Change(column, part.rows, part.numbers) for column, part in enumerate(parts) if len(part.rows))
            self.on_flush(Flush(update.seq, update.made_ns, tuple(changes)))
        return len(specs)

    def values(self, update: Update) -> list[tuple[list[Any], Sequence[Any]]]:
        """Return specs of one type each with the values that show an update, written or not."""
        return [block.values(update) for block in self._columns]


@dataclass(frozen=True, slots=True)
class _Part:
    """What changes in one column."""

    rows: Ints
    owners: Ints
    specs: list[Any]
    numbers: Array
    values: Sequence[Any]


def _by_owner(parts: Sequence[_Part]) -> tuple[list[Any], list[Any], list[int]]:
    """Return specs and values, entity after entity, and where each entity begins; the last number is where all end."""
    owners = np.concatenate([part.owners for part in parts])
    specs = list(chain.from_iterable(part.specs for part in parts))
    values = list(chain.from_iterable(part.values for part in parts))
    order = np.argsort(owners, kind="stable")
    ends = np.flatnonzero(np.diff(owners[order], prepend=-1)).tolist()
    places = order.tolist()
    return [specs[place] for place in places], [values[place] for place in places], [*ends, len(places)]


class _Block:
    """A finished column, and the numbers that its specs hold."""

    def __init__(self, column: Column) -> None:
        self._encoder = column.encoder
        self._specs = column.specs
        self._rows = np.array(column.rows, np.int64)
        self._owners = np.array(column.owners, np.int64)
        self._all = np.arange(len(column.specs))
        self._known = np.zeros(len(column.specs), bool)
        """Whether `_written` is what the spec holds."""
        self._written: Array | None = None

    def changes(self, update: Update, due: NDArray[np.bool_]) -> _Part:
        """Return what is to change of the attributes of the entities `due`."""
        places = self._all if due.all() else np.flatnonzero(due[self._owners])
        numbers = self._encoder.numbers(update, self._rows[places])
        if self._written is None:
            self._written = np.zeros((len(self._specs), *numbers.shape[1:]), numbers.dtype)
        differs = _differs(numbers, self._written[places]) | ~self._known[places]
        if not differs.all():
            places, numbers = places[differs], numbers[differs]
        self._written[places] = numbers
        self._known[places] = True
        specs = self._specs if len(places) == len(self._specs) else [self._specs[place] for place in places.tolist()]
        return _Part(places, self._owners[places], specs, numbers, self._encoder.box(numbers, places))

    def values(self, update: Update) -> tuple[list[Any], Sequence[Any]]:
        """Return all specs and the values that show an update."""
        return self._specs, self._encoder.box(self._encoder.numbers(update, self._rows), self._all)

    def forget(self) -> None:
        """Take nothing for written any more."""
        self._known[:] = False


def _differs(new: Array, old: Array) -> NDArray[np.bool_]:
    differs = np.abs(new - old) > _NOISE if new.dtype == np.float64 else new != old
    rows: NDArray[np.bool_] = differs.any(axis=tuple(range(1, differs.ndim)))
    return rows
