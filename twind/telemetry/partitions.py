"""Metrics of sources that read partitions of a log, taken from their owners at each scrape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import Metric

    from twind.telemetry.catalogue import Catalogue
    from twind.telemetry.figures import PartitionFigures


_GAUGES: tuple[tuple[str, str, Callable[[PartitionFigures], float]], ...] = (
    ("twind_partition_lag_events", "Events of a partition that wait in the hub.", lambda figures: figures.lag_events),
    (
        "twind_partition_lag_seconds",
        "How far behind the hub a partition is read, while events wait.",
        lambda figures: figures.lag_s,
    ),
    ("twind_partition_position", "Number of the newest event that was read of a partition.", lambda figures: figures.position),
)
_COUNTERS: tuple[tuple[str, str, Callable[[PartitionFigures], float]], ...] = (
    ("twind_partition_events", "Events read of a partition since it was assigned.", lambda figures: figures.events),
    (
        "twind_partition_events_repeated",
        "Events that a hub sent again, and that were passed over.",
        lambda figures: figures.repeated,
    ),
)
_LABELS = ("source", "partition")


class WatchedPartitions(Collector):
    """Asks the sources when Prometheus does. A partition that is read elsewhere has no series here."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.sources: dict[str, Callable[[], Iterable[PartitionFigures]]] = {}
        """What each source reads now, by its name."""
        for name, documentation, _ in _GAUGES:
            catalogue.describe(name, "gauge", _LABELS, documentation)
        for name, documentation, _ in _COUNTERS:
            catalogue.describe(f"{name}_total", "counter", _LABELS, documentation)
        catalogue.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the state for one scrape."""
        figures = [(source, of_partition) for source, ask in self.sources.items() for of_partition in ask()]
        for name, documentation, read in _GAUGES:
            gauge = GaugeMetricFamily(name, documentation, labels=_LABELS)
            for source, one in figures:
                gauge.add_metric((source, one.partition), read(one))
            yield gauge
        for name, documentation, read in _COUNTERS:
            counter = CounterMetricFamily(name, documentation, labels=_LABELS)
            for source, one in figures:
                counter.add_metric((source, one.partition), read(one))
            yield counter
