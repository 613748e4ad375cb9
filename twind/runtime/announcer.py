"""Makes notices of what happens: states of entities, their changes of status, incidents; and offers them to the sinks."""

from __future__ import annotations

import asyncio
import time
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import numpy as np

from twind.model.estimates import Status
from twind.model.notices import Notice, NoticeKind
from twind.runtime.documents import entity_document
from twind.runtime.incidents import LEVELS, data_of, subject_of
from twind.telemetry.events import event_name
from twind.telemetry.limiter import RepeatLimiter
from twind.telemetry.lines import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from twind.flow.sinks import NoticeSink
    from twind.model.state import Update
    from twind.model.topology import Topology
    from twind.telemetry import Telemetry
    from twind.telemetry.events import Event

_NOT_OURS = 255
"""In the place of the status of an entity that another daemon tells of."""
_CHUNK = 20
"""Documents made before other tasks of the loop get their turn."""


class Announcer:
    """Tells every sink what it wants to know. Belongs to one event loop, but for `note_event`."""

    def __init__(
        self,
        topology: Topology,
        sinks: Sequence[NoticeSink],
        *,
        current: Callable[[], Update | None],
        telemetry: Telemetry,
        repeat_s: float,
        ours: Callable[[], NDArray[np.bool_] | None] = lambda: None,
    ) -> None:
        """Make it.

        Args:
            topology: What the stage declares.
            sinks: Whom to tell.
            current: Returns what stands in the stage.
            telemetry: Whose events are told.
            repeat_s: How often the same incident is told at most [s].
            ours: Returns (E,) which entities are this daemon's to tell of, None for all; those of others are theirs.
        """
        self.sinks = tuple(sinks)
        self._topology = topology
        self._current = current
        self._ours = ours
        self._telemetry = telemetry
        self._loop = asyncio.get_running_loop()
        self._limiter = RepeatLimiter(repeat_s, clock=time.monotonic)
        self._status: NDArray[np.uint8] | None = None
        self._wanted = {
            sink.name: np.array(
                [any(fnmatchcase(one.id, pattern) for pattern in sink.settings.entities) for one in topology.entities], np.bool_
            )
            for sink in self.sinks
        }
        self._levels = {level for sink in self.sinks for level in LEVELS[sink.settings.incidents]}

    def note_update(self, update: Update) -> None:
        """Tell which entities have another status than in the update before; of the first update, all of them."""
        ours = self._ours()
        status = update.status if ours is None else np.where(ours, update.status, _NOT_OURS).astype(np.uint8)
        before, self._status = self._status, status
        changed = np.full(len(status), True) if before is None else status != before
        rows = np.flatnonzero(changed & (status != _NOT_OURS))
        if not len(rows):
            return
        notices = [self._status_notice(update, int(row), before) for row in rows]
        for sink in self.sinks:
            wanted = self._wanted[sink.name]
            sink.offer([notice for row, notice in zip(rows, notices, strict=True) if wanted[row]])

    async def tell_states(self, sink: NoticeSink) -> None:
        """Offer the states that changed to one sink, as often as it wants, for ever. Ends by cancellation."""
        period_s = 1.0 / sink.settings.state_hz
        told = np.full(len(self._topology.entities), -1, np.int64)
        due_s = self._loop.time()
        while True:
            await asyncio.sleep(max(0.0, due_s - self._loop.time()))
            due_s = max(due_s + period_s, self._loop.time())
            update = self._current()
            if update is not None:
                ours = self._ours()
                wanted = self._wanted[sink.name] if ours is None else self._wanted[sink.name] & ours
                rows = np.flatnonzero((update.entity_seq != told) & wanted)
                told = update.entity_seq.copy()
                for first in range(0, len(rows), _CHUNK):
                    sink.offer([self._state_notice(update, int(row)) for row in rows[first : first + _CHUNK]])
                    await asyncio.sleep(0)

    def note_event(self, event: Event) -> None:
        """Tell an event of the log, if a sink wants such. From any thread."""
        if event.level not in self._levels or not event.told:
            return
        try:
            self._loop.call_soon_threadsafe(self._tell_incident, event, time.time_ns())
        except RuntimeError:  # the loop is closed: there is nobody to tell any more
            return

    def _tell_incident(self, event: Event, time_ns: int) -> None:
        subject, data = subject_of(event), data_of(event)
        # As in the log, but each entity for itself: an incident is about one.
        key = (type(event), subject, *[data[label] for label in event.labels])
        suppressed = self._limiter.admit(key, Line(event.level, event_name(type(event)), data, time_ns))
        if suppressed is None:
            return
        if suppressed:
            data["suppressed"] = suppressed
        for sink in self.sinks:
            if event.level in LEVELS[sink.settings.incidents]:
                sink.offer([Notice(NoticeKind.INCIDENT, subject, time_ns, data)])

    def _status_notice(self, update: Update, row: int, before: NDArray[np.uint8] | None) -> Notice:
        entity = self._topology.entities[row]
        was = None if before is None or before[row] == _NOT_OURS else Status(int(before[row])).name.lower()
        data = {"status": Status(int(update.status[row])).name.lower(), "was": was, "prim": entity.prim, "seq": update.seq}
        return Notice(NoticeKind.STATUS, entity.id, update.made_ns, data)

    def _state_notice(self, update: Update, row: int) -> Notice:
        now_ns = time.time_ns()
        entity_id = self._topology.entities[row].id
        return Notice(NoticeKind.STATE, entity_id, now_ns, entity_document(self._topology, update, now_ns, entity_id) or {})
