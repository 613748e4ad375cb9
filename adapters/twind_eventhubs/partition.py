"""One partition as this daemon reads it: events in, messages out, each event once and in order. No I/O: the hot path."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any

from twind.api import NS_PER_MS, NS_PER_S, RawMessage
from twind_eventhubs.bodies import body_of, split
from twind_eventhubs.topics import DEVICE_ID, topic_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from azure.eventhub import EventData

    from twind_eventhubs.settings import EventHubsSettings

_NUMBER, _OFFSET, _ENQUEUED = b"x-opt-sequence-number", b"x-opt-offset", b"x-opt-enqueued-time"
_DEVICE_ENQUEUED, _SOURCE, _OPERATION = b"iothub-enqueuedtime", b"iothub-message-source", b"opType"
_TELEMETRY = frozenset((b"telemetry", b"devicemessages"))
_LATEST_MS = 2**53 // 1000
"""Stamps beyond the year 2255 are none [ms]: in nanoseconds, much later ones do not fit into 64 bits."""
_MARKS = 4096
_TOKEN = 1
"""Nothing is asked for by token: the stream and the number say which event it is."""
_NOTHING: dict[Any, Any] = {}


class Partition:
    """What is known of a partition while it is ours.

    Args:
        ident: "0", "1", ...
        stream: What its events are numbered in, for the daemon: a hub that was made anew begins another.
        settings: Of the source.
        on_gap: Told of events that are missing, between two or before the first.
    """

    def __init__(self, ident: str, *, stream: str, settings: EventHubsSettings, on_gap: Callable[[int], None]) -> None:
        self.ident = ident
        self.stream = stream
        self.last: int | None = None
        """Number of the newest event that was taken, or before which reading began; None where neither is known."""
        self.events = 0
        """Events taken."""
        self.repeated = 0
        """Events that came again, and were passed over."""
        self.end: int | None = None
        """Number of the newest event in the hub, when it was last asked."""
        self.begin = 0
        """Number of the oldest event in the hub."""
        self.moved_s = self.opened_s = time.monotonic()
        """When it last gave an event, and when it was opened."""
        self.delay_ns: int | None = None
        """Least time from the hub to here since it was last asked for [ns]: one clock less another."""
        self.enqueued_ns: int | None = None
        """When the hub got the newest event that was taken [ns]."""
        self._topics = settings.topics
        self._how = settings.messages
        self._on_gap = on_gap
        self._marks: deque[tuple[int, str]] = deque(maxlen=_MARKS)

    def __repr__(self) -> str:
        """Show how far it is."""
        return f"<Partition {self.ident} at {self.last} of {self.end}>"

    @property
    def lag(self) -> int:
        """Events in the hub that were not taken yet, when the hub was last asked."""
        if self.end is None:
            return 0
        at = self.begin - 1 if self.last is None else self.last
        return max(self.end - at, 0)

    def start_at(self, number: int | None) -> None:
        """Expect this number next; None: whatever comes."""
        self.last = None if number is None else number - 1

    def take(self, events: Sequence[EventData], put: Callable[[list[RawMessage]], None]) -> None:
        """Hand over the messages of some events."""
        now_ns = time.time_ns()
        stream, how, topics, ident = self.stream, self._how, self._topics, self.ident
        receive_ns = now_ns
        messages: list[RawMessage] = []
        add = messages.append
        for event in events:
            raw = event.raw_amqp_message
            annotations: Any = raw.annotations or _NOTHING
            number = annotations[_NUMBER]
            last = self.last
            if last is None or number == last + 1:
                self.last = number
            elif number <= last:
                self.repeated += 1
                continue
            else:
                self._on_gap(number - last - 1)
                self.last = number
            try:
                # When the hub got it, not when we did: after an absence, hours of it come at once. And what comes again has the
                # same stamp as before. In milliseconds; it arrived before the end of that one.
                enqueued_ms = annotations.get(_DEVICE_ENQUEUED) or annotations.get(_ENQUEUED)
                stamped = enqueued_ms is not None and 0 < enqueued_ms < _LATEST_MS
                receive_ns = enqueued_ms * NS_PER_MS + NS_PER_MS - 1 if stamped else now_ns
                properties: Any = raw.application_properties or _NOTHING
                source = annotations.get(_SOURCE)
                if source is None or source.lower() in _TELEMETRY:
                    topic = topic_of(topics, annotations, properties, ident)
                    body = body_of(event)
                    bodies = split(body, how)
                else:
                    topic = _device_event(source, annotations, properties)
                    bodies = [body_of(event)]
            except Exception as error:  # noqa: BLE001  (whoever may send could otherwise stop the partition for good)
                receive_ns, topic, bodies = now_ns, f"(an event that cannot be read: {type(error).__name__})", [b""]
            parts = len(bodies)
            if parts == 1:
                add(RawMessage(topic, bodies[0], receive_ns, _TOKEN, stream, number))
            else:
                messages += [
                    RawMessage(topic, payload, receive_ns, _TOKEN, stream, number, part, parts)
                    for part, payload in enumerate(bodies)
                ]
        if events:
            put(messages)
            self.events += len(events)
            self.moved_s = time.monotonic()
            self.enqueued_ns = receive_ns
            delay_ns = now_ns - receive_ns
            if self.delay_ns is None or delay_ns < self.delay_ns:
                self.delay_ns = delay_ns

    def mark(self, event: EventData) -> None:
        """Remember where an event is, for a checkpoint."""
        number, offset = event.sequence_number, event.offset
        if number is not None and offset is not None:
            self._marks.append((number, offset))

    def checkpoint(self, number: int) -> tuple[int, str] | None:
        """Return number and offset of the newest event that a checkpoint may name when all up to `number` is contained."""
        found = None
        while self._marks and self._marks[0][0] <= number:
            found = self._marks.popleft()
        return found

    def lag_s(self, now_ns: int) -> float:
        """Return by how much what was taken is behind the hub [s]: 0 where nothing waits."""
        if not self.lag or self.enqueued_ns is None:
            return 0.0
        return max(now_ns - self.enqueued_ns, 0) / NS_PER_S


def _device_event(source: bytes, annotations: Any, properties: Any) -> str:
    """Return the topic of what IoT Hub says of a device: what happened, and to which."""
    device = annotations.get(DEVICE_ID) or properties.get(b"deviceId") or b""
    what = properties.get(_OPERATION) or source
    return f"$iothub/{_text(what)}/{_text(device)}"


def _text(value: Any) -> str:
    return (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).replace("/", "_")
