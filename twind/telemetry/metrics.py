"""Every metric that is not counted by an event, in one place. Handles are made once; the hot path only adds."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import TYPE_CHECKING

import twind
from twind.model.estimates import Status, Verdict
from twind.telemetry.estimation import EstimationMetrics
from twind.telemetry.partitions import WatchedPartitions
from twind.telemetry.watched import Watched, WatchedQueue

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from prometheus_client import Counter

    from twind.telemetry.catalogue import Catalogue
    from twind.telemetry.figures import PartitionFigures

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SHORT = (0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25)
_SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)


@dataclass(frozen=True, slots=True)
class SourceMetrics:
    """The counters of one source."""

    received: Counter
    """Messages taken from the source."""
    processed: Counter
    """Messages decoded and given to an estimator."""
    verdicts: tuple[Counter, ...]
    """Samples, by `Verdict`."""

    def count_verdicts(self, counts: Sequence[int]) -> None:
        """Add one batch's counts, ordered by `Verdict`."""
        for counter, count in zip(self.verdicts, counts, strict=True):
            if count:
                counter.inc(int(count))


class Metrics:
    """Typed handles of one registry."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._received = catalogue.counter("messages_received", "Messages taken from a source.", ("source",))
        self._processed = catalogue.counter(
            "messages_processed", "Messages that were decoded and given to an estimator.", ("source",)
        )
        self._verdicts = catalogue.counter("sample_verdicts", "What became of each sample, by verdict.", ("source", "verdict"))
        self._sources: dict[str, SourceMetrics] = {}
        self.batch_messages = catalogue.histogram("batch_messages", "Messages processed in one batch.", _SIZES)
        self.kernel_seconds = catalogue.histogram("kernel_seconds", "Time to route, decode and estimate one batch.", _SHORT)
        self.source_to_stage_seconds = catalogue.histogram(
            "source_to_stage_seconds", "From a sample's stamp to its state standing in the stage.", _SECONDS
        )
        self.stage_write_seconds = catalogue.histogram("stage_write_seconds", "Time to write one update.", _SHORT)
        self.stage_values_written = catalogue.counter("stage_values_written", "Attribute values written into the stage.")
        self.event_loop_lag_seconds = catalogue.histogram(
            "event_loop_lag_seconds", "How much later than asked for the event loop ran a timer.", _SECONDS
        )
        self.state_snapshot_seconds = catalogue.histogram(
            "state_snapshot_seconds", "Time to write the state down, ready for a restart.", _SECONDS
        )
        self.state_pause_seconds = catalogue.histogram(
            "state_pause_seconds", "How long samples waited while the state was copied for a snapshot.", _SHORT
        )
        self.state_snapshot_bytes = catalogue.gauge("state_snapshot_bytes", "Size of the newest snapshot of the state.")
        self.state_restore_seconds = catalogue.gauge(
            "state_restore_seconds", "Time that it took at start to bring the state back; 0 where there was none."
        )
        self.viewers = catalogue.gauge("viewers", "Viewers that are connected to the live stream.")
        self.viewer_frames = catalogue.counter("viewer_frames_sent", "Frames sent to viewers.")
        self.viewer_frames_encoded = catalogue.counter("viewer_frames_encoded", "Frames encoded, each for one viewer or more.")
        self.viewer_bytes = catalogue.counter("viewer_bytes_sent", "Bytes of frames sent to viewers.")
        entities = catalogue.gauge("entities", "Robots and objects, by how far their state can be believed.", ("status",))
        self._entities = tuple(entities.labels(status.name.lower()) for status in Status)
        self._requests = catalogue.counter("http_requests", "HTTP requests, by route and status code.", ("route", "code"))
        build = catalogue.gauge("build_info", "Always 1; the labels say what is running.", ("version", "python"))
        build.labels(twind.__version__, platform.python_version()).set(1)
        self._config = catalogue.gauge("config_info", "Always 1; the label identifies the configuration.", ("hash",))
        self.watched = Watched(catalogue)
        self._partitions = WatchedPartitions(catalogue)
        self.estimation = EstimationMetrics(catalogue)

    def source(self, name: str) -> SourceMetrics:
        """Return the counters of one source; they exist at 0 from the first call on. `name` comes from the configuration."""
        metrics = self._sources.get(name)
        if metrics is None:
            metrics = self._sources[name] = SourceMetrics(
                self._received.labels(name),
                self._processed.labels(name),
                tuple(self._verdicts.labels(name, verdict.name.lower()) for verdict in Verdict),
            )
        return metrics

    def watch_queue(self, source: str, queue: WatchedQueue) -> None:
        """Read the queue of a source at each scrape."""
        self.watched.queues[source] = queue

    def watch_connection(self, source: str, connected: Callable[[], bool]) -> None:
        """Read at each scrape whether a source is connected."""
        self.watched.connected[source] = connected

    def watch_partitions(self, source: str, figures: Callable[[], Iterable[PartitionFigures]]) -> None:
        """Read at each scrape how far the partitions of a source are."""
        self._partitions.sources[source] = figures

    def set_entities(self, counts: Sequence[int]) -> None:
        """Publish how many entities have each `Status`, in the order of its values."""
        for gauge, count in zip(self._entities, counts, strict=True):
            gauge.set(count)

    def set_config_hash(self, digest: str) -> None:
        """Publish which configuration runs, so that drift between daemons can be seen."""
        self._config.clear()
        self._config.labels(digest).set(1)

    def count_request(self, route: str, code: int) -> None:
        """Count one HTTP request. `route` is a route's name, never the path that was asked for."""
        self._requests.labels(route, str(code)).inc()
