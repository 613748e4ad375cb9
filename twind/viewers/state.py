"""The newest numbers of every attribute of the live layer, and since which update each of them stands there.

That is all that is ever kept for viewers: what one of them lacks is what has changed since the update that it has, however
long ago that was. So a slow viewer costs no memory, and its frames hold the latest value of each entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from twind.viewers.protocol.frames import GroupChange, encode_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from twind.model.live_layer import Flush, LiveLayout
    from twind.viewers.protocol.selection import Selection

NOTHING = -1
"""The base of one who has nothing yet."""


class LiveState:
    """Belongs to the event loop."""

    def __init__(self, layout: LiveLayout) -> None:
        self.seq = 0
        """The newest update that is in here; 0 before the first."""
        self.made_ns = 0
        """When that was made, by the daemon's clock [ns]."""
        self.numbers: list[NDArray[Any]] = []
        """Of each column, (n,) or (n, width)."""
        self.changed: list[NDArray[np.int64]] = []
        """Of each column, (n,) the update that last changed each attribute."""
        for column in layout.columns:
            shape = (len(column.attributes), column.width) if column.width > 1 else (len(column.attributes),)
            self.numbers.append(np.zeros(shape, column.dtype))
            self.changed.append(np.zeros(len(column.attributes), np.int64))

    def take(self, flush: Flush) -> None:
        """Take over what a write has changed."""
        self.seq, self.made_ns = flush.seq, flush.made_ns
        for change in flush.changes:
            self.numbers[change.column][change.rows] = change.numbers
            self.changed[change.column][change.rows] = flush.seq


class View:
    """The frames of one selection: each is encoded once for all who have the same one and lack the same."""

    def __init__(self, state: LiveState, selection: Selection, catalogue: int) -> None:
        self.selection = selection
        self.catalogue = catalogue
        """Number of its catalogue."""
        self._encoded = 0
        self._state = state
        self._frames: dict[int, bytes | None] = {}
        self._at = 0
        """The update that the frames in `_frames` lead to."""

    def since(self, base: int) -> bytes | None:
        """Return the frame from `base` to now: a full one when that is `NOTHING`, None where nothing has changed in between."""
        if self._at != self._state.seq:
            self._at = self._state.seq
            self._frames.clear()
        if base not in self._frames:
            self._frames[base] = self._encode(base)
        return self._frames[base]

    def still(self, base: int, seq: int, now_ns: int) -> bytes:
        """Return the frame without changes: it says that the daemon is there, and up to which update nothing is lacking."""
        return encode_frame((), catalogue=self.catalogue, sequence=seq, base=base, stamp_ns=now_ns)

    def take_encoded(self) -> int:
        """Return how many frames were encoded since this was last asked."""
        encoded, self._encoded = self._encoded, 0
        return encoded

    def _encode(self, base: int) -> bytes | None:
        full, state = base == NOTHING, self._state
        changes = list(self._everything() if full else self._since(base))
        if not (changes or full):
            return None
        self._encoded += 1
        return encode_frame(
            changes,
            catalogue=self.catalogue,
            sequence=state.seq,
            base=max(base, 0),
            stamp_ns=state.made_ns,
            full=full,
        )

    def _everything(self) -> Iterator[GroupChange]:
        for number, group in enumerate(self.selection.groups):
            numbers = self._state.numbers[group.column]
            yield GroupChange(number, group.size, None, numbers if group.rows is None else numbers[group.rows])

    def _since(self, base: int) -> Iterator[GroupChange]:
        for number, group in enumerate(self.selection.groups):
            numbers, changed = self._state.numbers[group.column], self._state.changed[group.column]
            rows = np.flatnonzero((changed if group.rows is None else changed[group.rows]) > base)
            if len(rows) == group.size:
                yield GroupChange(number, group.size, None, numbers if group.rows is None else numbers[group.rows])
            elif len(rows):
                there = rows if group.rows is None else group.rows[rows]
                yield GroupChange(number, group.size, rows, numbers[there])
