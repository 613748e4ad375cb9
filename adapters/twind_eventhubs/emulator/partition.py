"""One partition: an append-only log, bounded in events, bytes and age."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twind_eventhubs.emulator.amqp.values import Symbol, Timestamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twind_eventhubs.emulator.amqp.messages import Message

SEQUENCE = Symbol("x-opt-sequence-number")
OFFSET = Symbol("x-opt-offset")
ENQUEUED = Symbol("x-opt-enqueued-time")
PARTITION_KEY = Symbol("x-opt-partition-key")

NEVER_MS = -62_135_596_800_000
"""The time of the last event of a partition that has none: the year 1."""


@dataclass(frozen=True, slots=True)
class Retention:
    """What a partition keeps; the oldest go first."""

    events: int = 1_000_000
    size_bytes: int = 64_000_000
    age_s: float = 86_400.0


@dataclass(frozen=True, slots=True)
class Event:
    """An event as it is stored."""

    sequence: int
    offset: int
    """Bytes that were appended before it."""
    enqueued_ms: int
    """Milliseconds since 1970. Never runs backwards within a partition."""
    payload: bytes
    """The message, with the annotations of the hub."""


class Partition:
    """A log. Whoever waits for news subscribes.

    Args:
        ident: "0", "1", ...
        retention: What is kept.
        now_ms: The time.
    """

    def __init__(self, ident: str, *, retention: Retention, now_ms: Callable[[], int]) -> None:
        self.ident = ident
        self._retention = retention
        self._now_ms = now_ms
        self._events: list[Event] = []
        self._head = 0
        self._bytes = 0
        self._next_sequence = 0
        self._next_offset = 0
        self._last: Event | None = None
        self._listeners: dict[object, Callable[[], None]] = {}

    def __repr__(self) -> str:
        """Show what is kept."""
        return f"<Partition {self.ident} {self.first_sequence}..{self.end_sequence - 1} {self._bytes} bytes>"

    def __len__(self) -> int:
        return len(self._events) - self._head

    @property
    def size_bytes(self) -> int:
        """Bytes of the events that are kept."""
        return self._bytes

    @property
    def first_sequence(self) -> int:
        """Sequence number of the oldest event that is kept, or of the next if there is none."""
        return self._next_sequence - len(self)

    @property
    def end_sequence(self) -> int:
        """Sequence number that the next event will get."""
        return self._next_sequence

    @property
    def last(self) -> Event | None:
        """The newest event, also when it is no longer kept."""
        return self._last

    def append(self, messages: Sequence[Message]) -> None:
        """Append messages, all or none, and tell who waits."""
        now_ms = self._now_ms() if self._last is None else max(self._now_ms(), self._last.enqueued_ms)
        for message in messages:
            message.annotations |= {
                SEQUENCE: self._next_sequence,
                OFFSET: str(self._next_offset),
                ENQUEUED: Timestamp(now_ms),
            }
            payload = message.encoded()
            self._last = Event(self._next_sequence, self._next_offset, now_ms, payload)
            self._events.append(self._last)
            self._bytes += len(payload)
            self._next_sequence += 1
            self._next_offset += len(payload)
        self.expire()
        for listener in list(self._listeners.values()):
            listener()

    def expire(self) -> None:
        """Forget what is beyond the retention."""
        oldest_ms = self._now_ms() - int(self._retention.age_s * 1000)
        while len(self) and (
            len(self) > self._retention.events
            or self._bytes > self._retention.size_bytes
            or self._events[self._head].enqueued_ms < oldest_ms
        ):
            self._bytes -= len(self._events[self._head].payload)
            self._head += 1
        if self._head > len(self):
            del self._events[: self._head]
            self._head = 0

    def read(self, sequence: int) -> Event | None:
        """Return the first event that is kept with at least this sequence number, or None at the end."""
        index = self._head + max(sequence - self.first_sequence, 0)
        return self._events[index] if index < len(self._events) else None

    def sequence_at_offset(self, offset: int, *, inclusive: bool) -> int:
        """Return the sequence number to read from, for a start at or after an offset."""
        return self._found(offset, lambda event: event.offset, inclusive=inclusive)

    def sequence_at_time(self, enqueued_ms: int, *, inclusive: bool) -> int:
        """Return the sequence number to read from, for a start at or after a time."""
        return self._found(enqueued_ms, lambda event: event.enqueued_ms, inclusive=inclusive)

    def _found(self, wanted: int, key: Callable[[Event], int], *, inclusive: bool) -> int:
        bisect = bisect_left if inclusive else bisect_right
        return self.first_sequence + bisect(self._events, wanted, lo=self._head, key=key) - self._head

    def subscribe(self, who: object, listener: Callable[[], None]) -> None:
        """Call a function whenever something was appended."""
        self._listeners[who] = listener

    def unsubscribe(self, who: object) -> None:
        """Do so no longer."""
        self._listeners.pop(who, None)
