"""Makes metrics and remembers what each of them is, so that the reference can be generated from the code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, disable_created_metrics

from twind.telemetry.histogram import BatchHistogram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prometheus_client import CollectorRegistry


# A `_created` gauge beside every counter would double the series of each scrape and nobody reads them.
disable_created_metrics()  # type: ignore[no-untyped-call]


@dataclass(frozen=True, slots=True)
class Described:
    """One metric, as the reference shows it."""

    name: str
    """Full name as scraped, `twind_` and `_total` included."""
    kind: str
    """counter | gauge | histogram"""
    labels: tuple[str, ...]
    documentation: str


class Catalogue:
    """Every metric of one registry, by name `twind_NAME_UNIT[_total]`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.described: dict[str, Described] = {}

    def counter(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Counter:
        """Make the counter `twind_NAME_total`."""
        self.describe(f"twind_{name}_total", "counter", labels, documentation)
        return Counter(f"twind_{name}", documentation, labels, registry=self.registry)

    def gauge(self, name: str, documentation: str, labels: Sequence[str] = ()) -> Gauge:
        """Make the gauge `twind_NAME`."""
        self.describe(f"twind_{name}", "gauge", labels, documentation)
        return Gauge(f"twind_{name}", documentation, labels, registry=self.registry)

    def histogram(self, name: str, documentation: str, bounds: Sequence[float]) -> BatchHistogram:
        """Make the histogram `twind_NAME`."""
        self.describe(f"twind_{name}", "histogram", (), documentation)
        histogram = BatchHistogram(f"twind_{name}", documentation, bounds)
        self.registry.register(histogram)
        return histogram

    def describe(self, name: str, kind: str, labels: Sequence[str], documentation: str) -> None:
        """Note a metric that is collected elsewhere."""
        self.described[name] = Described(name, kind, tuple(labels), documentation)
