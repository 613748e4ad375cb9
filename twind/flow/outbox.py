"""Notices that wait to be sent: bounded, in order, the state of one entity at most once."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from twind.model.notices import NoticeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from twind.model.notices import Notice


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One notice on its way."""

    notice: Notice
    """Its `data` is empty when an earlier start made it: the payload has it."""
    payload: bytes
    """As it is sent, every time the same."""
    sequence: str
    """Orders the events of one sink, as text, over all starts; no two have the same."""


class Outbox:
    """What was offered and not confirmed yet. `waiting` may be sent; what was confirmed is taken out by `confirm`.

    A newer state of an entity takes the place of its older one unless that is being sent; it goes to the end, so that states
    and changes of status of one entity leave in the order in which they happened. When there is no room the oldest event is
    lost, states first: they are repeated, the others are not.

    It also knows how the copy on the disk differs from it (`changes`). States are not in that copy: the next start tells the
    state of every entity anew.
    """

    def __init__(self, *, max_events: int, max_bytes: int) -> None:
        self.lost = 0
        """Events for which there was no room."""
        self.replaced = 0
        """States that a newer one took the place of."""
        self.bytes_waiting = 0
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._waiting: OrderedDict[str, Outgoing] = OrderedDict()
        """By sequence, in its order."""
        self._states: OrderedDict[str, str] = OrderedDict()
        """Sequence of the state of each entity that waits and is not being sent, oldest first."""
        self._in_flight: set[str] = set()
        """What is being sent."""
        self._unwritten: dict[str, Outgoing] = {}
        self._written: set[str] = set()
        """What is in the copy, or being written there."""
        self._leftover: set[str] = set()
        """What is in the copy and does not wait any more."""

    def __len__(self) -> int:
        """Events that are not confirmed."""
        return len(self._waiting)

    def __repr__(self) -> str:
        """Show how full it is and what it lost."""
        return f"<Outbox {len(self)} events, {self.bytes_waiting} bytes, {self.lost} lost>"

    def put(self, outgoing: Outgoing) -> None:
        """Add one notice, newer than all before it, and make room for it if there is none."""
        kind, subject = outgoing.notice.kind, outgoing.notice.subject
        if kind is NoticeKind.STATE:
            older = self._states.pop(subject, None)
            if older is not None:
                self._drop(older)
                self.replaced += 1
            self._states[subject] = outgoing.sequence
        else:
            self._unwritten[outgoing.sequence] = outgoing
        self._waiting[outgoing.sequence] = outgoing
        self.bytes_waiting += len(outgoing.payload)
        self._make_room()

    def restore(self, kept: Sequence[Outgoing]) -> None:
        """Put what an earlier start left, as the copy on the disk has it, before everything else that is not being sent."""
        being_sent = [sequence for sequence in self._waiting if sequence in self._in_flight]
        for outgoing in reversed(kept):
            self._waiting[outgoing.sequence] = outgoing
            self._waiting.move_to_end(outgoing.sequence, last=False)
            self._written.add(outgoing.sequence)
            self.bytes_waiting += len(outgoing.payload)
            if outgoing.notice.kind is NoticeKind.STATE:
                if self._states.setdefault(outgoing.notice.subject, outgoing.sequence) != outgoing.sequence:
                    self._drop(outgoing.sequence)
                    self.replaced += 1
                else:
                    self._states.move_to_end(outgoing.notice.subject, last=False)
        for sequence in reversed(being_sent):
            self._waiting.move_to_end(sequence, last=False)
        self._make_room()

    def waiting(self, most: int, *, held: Callable[[Outgoing], bool] = lambda _: False) -> Sequence[Outgoing]:
        """Return the oldest events to send now; they stay until they are confirmed, and are the same at the next try.

        Args:
            most: How many.
            held: Whether an event must stay for now; of one subject, either all or none.
        """
        batch = list(islice(((key, one) for key, one in self._waiting.items() if not held(one)), most))
        self._in_flight = {sequence for sequence, _ in batch}
        for sequence, outgoing in batch:
            subject = outgoing.notice.subject
            if outgoing.notice.kind is NoticeKind.STATE and self._states.get(subject) == sequence:
                del self._states[subject]
        return [outgoing for _, outgoing in batch]

    def confirm(self) -> None:
        """Take out what the last `waiting` returned: it has arrived, or will never be taken."""
        sent, self._in_flight = self._in_flight, set()
        for sequence in sent:
            self._drop(sequence)

    # The copy on the disk.

    def changes(self, *, everything: bool = False) -> tuple[Collection[Outgoing], Collection[str]]:
        """Return what must be added to the copy and what taken out of it; from now on it counts as done.

        Args:
            everything: Add states too, as nothing is told any more.
        """
        if everything:
            self._unwritten = {key: one for key, one in self._waiting.items() if key not in self._written}
        added, self._unwritten = self._unwritten, {}
        gone, self._leftover = self._leftover, set()
        self._written.update(added)
        return added.values(), gone

    def undo(self, added: Collection[Outgoing], gone: Collection[str]) -> None:
        """Take back that the last `changes` count as done: they could not be written."""
        for one in added:
            self._written.discard(one.sequence)
            if one.sequence in self._leftover:
                self._leftover.discard(one.sequence)
            else:
                self._unwritten[one.sequence] = one
        self._leftover.update(gone)

    @property
    def is_written(self) -> bool:
        """Whether the copy needs no change."""
        return not self._unwritten and not self._leftover

    def _make_room(self) -> None:
        while len(self._waiting) > len(self._in_flight) + 1 and not self._fits():
            self._lose_one()

    def _fits(self) -> bool:
        return len(self._waiting) <= self._max_events and self.bytes_waiting <= self._max_bytes

    def _lose_one(self) -> None:
        if self._states:
            _, sequence = self._states.popitem(last=False)
        else:
            sequence = next(sequence for sequence in self._waiting if sequence not in self._in_flight)
        self._drop(sequence)
        self.lost += 1

    def _drop(self, sequence: str) -> None:
        self.bytes_waiting -= len(self._waiting.pop(sequence).payload)
        self._unwritten.pop(sequence, None)
        if sequence in self._written:
            self._written.discard(sequence)
            self._leftover.add(sequence)
