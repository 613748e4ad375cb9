"""Notices that wait to be sent: bounded, in order, the state of one entity at most once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING

from twind.model.notices import NoticeKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.model.notices import Notice


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One notice on its way."""

    notice: Notice
    payload: bytes
    """As it is sent, every time the same."""


class Outbox:
    """What was offered and not confirmed yet. `waiting` may be sent; what was confirmed is taken out by `confirm`.

    A newer state of an entity takes the place of its older one unless that is being sent; it goes to the end, so that states
    and changes of status of one entity leave in the order in which they happened. When there is no room the oldest event is
    lost, states first: they are repeated, the others are not.
    """

    def __init__(self, *, max_events: int, max_bytes: int) -> None:
        self.lost = 0
        """Events for which there was no room."""
        self.replaced = 0
        """States that a newer one took the place of."""
        self.bytes_waiting = 0
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._waiting: OrderedDict[int, Outgoing] = OrderedDict()
        self._states: OrderedDict[str, int] = OrderedDict()
        """Number of the state of each entity that waits and is not being sent, oldest first."""
        self._in_flight = 0
        """How many of the oldest are being sent."""
        self._numbers = count()

    def __len__(self) -> int:
        """Events that are not confirmed."""
        return len(self._waiting)

    def __repr__(self) -> str:
        """Show how full it is and what it lost."""
        return f"<Outbox {len(self)} events, {self.bytes_waiting} bytes, {self.lost} lost>"

    def put(self, notice: Notice, payload: bytes) -> None:
        """Add one notice, and make room for it if there is none."""
        if notice.kind is NoticeKind.STATE:
            older = self._states.pop(notice.subject, None)
            if older is not None:
                self._drop(older)
                self.replaced += 1
        number = next(self._numbers)
        self._waiting[number] = Outgoing(notice, payload)
        self.bytes_waiting += len(payload)
        if notice.kind is NoticeKind.STATE:
            self._states[notice.subject] = number
        while len(self._waiting) > self._in_flight + 1 and not self._fits():
            self._lose_one()

    def waiting(self, most: int) -> Sequence[Outgoing]:
        """Return the oldest events to send now; they stay until they are confirmed, and are the same at the next try."""
        batch = list(islice(self._waiting.items(), most))
        self._in_flight = len(batch)
        for number, outgoing in batch:
            subject = outgoing.notice.subject
            if outgoing.notice.kind is NoticeKind.STATE and self._states.get(subject) == number:
                del self._states[subject]
        return [outgoing for _, outgoing in batch]

    def confirm(self) -> None:
        """Take out what the last `waiting` returned: it has arrived, or will never be taken."""
        for _ in range(self._in_flight):
            _, outgoing = self._waiting.popitem(last=False)
            self.bytes_waiting -= len(outgoing.payload)
        self._in_flight = 0

    def _fits(self) -> bool:
        return len(self._waiting) <= self._max_events and self.bytes_waiting <= self._max_bytes

    def _lose_one(self) -> None:
        if self._states:
            _, number = self._states.popitem(last=False)
        else:
            number = next(islice(self._waiting, self._in_flight, None))
        self._drop(number)
        self.lost += 1

    def _drop(self, number: int) -> None:
        self.bytes_waiting -= len(self._waiting.pop(number).payload)
