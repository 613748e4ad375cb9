"""A histogram that takes a whole array of observations at once: the hot path has thousands a second, in batches."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

import numpy as np
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import ArrayLike


class BatchHistogram(Collector):
    """Counts observations in buckets `(-inf, bound]`; written from one thread, the event loop's."""

    def __init__(self, name: str, documentation: str, bounds: Sequence[float]) -> None:
        self._name = name
        self._documentation = documentation
        self._bounds = sorted(bounds)
        self._counts = np.zeros(len(bounds) + 1, np.int64)
        self._sum = 0.0

    def __repr__(self) -> str:
        """Show the name and how much was observed."""
        return f"<BatchHistogram {self._name} {self.count} observations>"

    @property
    def count(self) -> int:
        """Observations so far."""
        return int(self._counts.sum())

    @property
    def sum(self) -> float:
        """Sum of all observations."""
        return self._sum

    def observe(self, value: float) -> None:
        """Count one observation."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def observe_many(self, values: ArrayLike) -> None:
        """Count many observations; those that are not finite say nothing and are left out."""
        array = np.asarray(values, np.float64)
        array = array[np.isfinite(array)]
        self._counts += np.bincount(np.searchsorted(self._bounds, array), minlength=len(self._counts))
        self._sum += float(array.sum())

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the state for one scrape."""
        bounds = [*map(floatToGoString, self._bounds), "+Inf"]
        buckets = list(zip(bounds, np.cumsum(self._counts).tolist(), strict=True))
        yield HistogramMetricFamily(self._name, self._documentation, buckets, self._sum)
