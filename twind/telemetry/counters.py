"""The counters that events declare."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import Counter

    from twind.telemetry.catalogue import Catalogue
    from twind.telemetry.events import Event

MAX_CHILDREN = 1000
"""Label sets of one counter; beyond, values become `other`, so that a label that is not bounded cannot eat the memory."""


def event_types() -> Iterator[type[Event]]:
    """Yield every event that twind itself defines, in the order of the source."""
    for value in vars(events).values():
        # Not __subclasses__(): a slotted dataclass leaves its unslotted twin there until the next collection.
        if isinstance(value, type) and issubclass(value, events.Event) and value is not events.Event:
            yield value


class EventCounters:
    """One counter for each event that declares one; children are cached, so counting is a lookup and an addition."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._counters: dict[str, Counter] = {}
        self._children: dict[tuple[str, ...], Counter] = {}
        for kind in event_types():
            self._counter(kind)

    def add(self, event: Event) -> None:
        """Count one event: by its `count` when it has one, else by 1."""
        if not event.counter:
            return
        values = tuple([str(getattr(event, label)) for label in event.labels])
        self._child(type(event), values).inc(getattr(event, "count", 1))

    def declare(self, kind: type[Event], **labels: str) -> None:
        """Let a series exist at 0 before the first event, so that rates and alerts see its first increase."""
        self._child(kind, tuple([labels[label] for label in kind.labels]))

    def _child(self, kind: type[Event], values: tuple[str, ...]) -> Counter:
        key = (kind.counter, *values)
        child = self._children.get(key)
        if child is None:
            counter = self._counter(kind)
            if values and sum(1 for other in self._children if other[0] == kind.counter) >= MAX_CHILDREN:
                return counter.labels(*["other"] * len(values))
            child = self._children[key] = counter.labels(*values) if values else counter
        return child

    def _counter(self, kind: type[Event]) -> Counter:
        counter = self._counters.get(kind.counter)
        if counter is None and kind.counter:
            summary = (kind.__doc__ or kind.__name__).partition("\n")[0]
            counter = self._counters[kind.counter] = self._catalogue.counter(kind.counter, summary, kind.labels)
        return counter  # type: ignore[return-value]  # None only for a kind without counter, which no caller passes on
