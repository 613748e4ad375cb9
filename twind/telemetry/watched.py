"""Metrics that are read from their owners at each scrape, so that they cost the hot path nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prometheus_client import Metric

    from twind.telemetry.catalogue import Catalogue


class WatchedQueue(Protocol):
    """What a queue shows of itself."""

    max_messages: int
    max_bytes: int
    put_messages: int
    taken_messages: int

    def __len__(self) -> int: ...

    @property
    def bytes_waiting(self) -> int:
        """Payload bytes waiting."""


_QUEUE: tuple[tuple[str, type[CounterMetricFamily | GaugeMetricFamily], str, Callable[[WatchedQueue], float]], ...] = (
    ("twind_queue_items", GaugeMetricFamily, "Messages waiting in a source's queue.", len),
    ("twind_queue_capacity_items", GaugeMetricFamily, "Messages the queue has room for.", lambda q: q.max_messages),
    ("twind_queue_bytes", GaugeMetricFamily, "Payload bytes waiting in a source's queue.", lambda q: q.bytes_waiting),
    ("twind_queue_capacity_bytes", GaugeMetricFamily, "Payload bytes the queue has room for.", lambda q: q.max_bytes),
    ("twind_queue_put_items", CounterMetricFamily, "Messages that were put into the queue.", lambda q: q.put_messages),
    ("twind_queue_taken_items", CounterMetricFamily, "Messages that were taken from the queue.", lambda q: q.taken_messages),
)


class Watched(Collector):
    """Reads queues, connections, component states and readiness when Prometheus asks."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.queues: dict[str, WatchedQueue] = {}
        """Queues by source name."""
        self.connected: dict[str, Callable[[], bool]] = {}
        """Whether a source is connected, by source name."""
        self.outboxes: dict[str, Callable[[], int]] = {}
        """Events that wait to be sent, by sink name."""
        self.components: Callable[[], Mapping[str, str]] = dict
        """State of every supervised component, by its name."""
        self.ready: Callable[[], bool] = bool
        """What `/readyz` says."""
        self.snapshot_age_s: Callable[[], float | None] = lambda: None
        """Age of the newest snapshot of the state [s]; None before the first."""
        self.log_lines_dropped: Callable[[], int] = int
        """Log lines that could not be written."""
        for name, kind, documentation, _ in _QUEUE:
            if kind is CounterMetricFamily:
                catalogue.describe(f"{name}_total", "counter", ("source",), documentation)
            else:
                catalogue.describe(name, "gauge", ("source",), documentation)
        catalogue.describe("twind_source_connected", "gauge", ("source",), _CONNECTED)
        catalogue.describe("twind_notices_waiting", "gauge", ("sink",), _WAITING)
        catalogue.describe("twind_component_state", "gauge", ("component", "state"), _COMPONENT)
        catalogue.describe("twind_ready", "gauge", (), _READY)
        catalogue.describe("twind_state_snapshot_age_seconds", "gauge", (), _SNAPSHOT_AGE)
        catalogue.describe("twind_log_lines_dropped_total", "counter", (), _DROPPED)
        catalogue.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the state for one scrape."""
        for name, kind, documentation, read in _QUEUE:
            family = kind(name, documentation, labels=("source",))
            for source, watched in self.queues.items():
                family.add_metric((source,), read(watched))
            yield family
        connected = GaugeMetricFamily("twind_source_connected", _CONNECTED, labels=("source",))
        for source, is_connected in self.connected.items():
            connected.add_metric((source,), float(is_connected()))
        waiting = GaugeMetricFamily("twind_notices_waiting", _WAITING, labels=("sink",))
        for sink, count in self.outboxes.items():
            waiting.add_metric((sink,), count())
        yield waiting
        yield connected
        components = GaugeMetricFamily("twind_component_state", _COMPONENT, labels=("component", "state"))
        for component, state in self.components().items():
            components.add_metric((component, state), 1.0)
        yield components
        yield GaugeMetricFamily("twind_ready", _READY, value=float(self.ready()))
        age_s = self.snapshot_age_s()
        if age_s is not None:
            yield GaugeMetricFamily("twind_state_snapshot_age_seconds", _SNAPSHOT_AGE, value=age_s)
        yield CounterMetricFamily("twind_log_lines_dropped", _DROPPED, value=self.log_lines_dropped())


_WAITING = "Events that the far side of a sink has not confirmed."
_CONNECTED = "Whether the source is connected (1) or away (0)."
_COMPONENT = "1 for the state that the supervised component is in."
_READY = "Whether /readyz says yes (1) or no (0)."
_SNAPSHOT_AGE = "Age of the newest snapshot of the state: what a restart without a recording lacks."
_DROPPED = "Log lines that standard error could not take in time."
