"""Health of every stream and entity, read from the banks at each scrape; nothing is done per message.

Streams and entities beyond the first `MAX_SERIES` of each are summed up under `other`: counters are added, a mean is that of
all their samples, ages and standard deviations are the largest of theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prometheus_client import Metric

    from twind.telemetry.catalogue import Catalogue

MAX_SERIES = 500
"""Streams, and entities, that have series of their own."""
OTHER = "other"
_ACCEPTED = "accepted"
_MAX_TOPIC = 200
"""Characters of a topic that are shown in a label."""


@dataclass(frozen=True, slots=True)
class ChannelFigures:
    """What became of the samples of one channel of a stream."""

    samples: int
    verdicts: Mapping[str, int]
    """Samples by verdict."""
    mean_nis: float
    """Mean normalised innovation squared of accepted samples; NaN before the first."""
    nis_samples: int
    """How many that is the mean of."""
    nis_expected: int
    """What an honest filter shows: the degrees of freedom."""
    nis_band_95: tuple[float, float] | None
    """Where the mean of so many lies with 95 % probability if the filter is honest."""
    noise_found: Mapping[str, float] | None = None
    """Of poses: one sigma of their `position` and `rotation` as found, over what is stated or configured; 1 until known."""


@dataclass(frozen=True, slots=True)
class ClockFigures:
    """The clock of a stream's device, as estimated. NaN where it is not known."""

    offset_s: float
    """What is added to the newest device stamp [s]."""
    skew_ppm: float
    jitter_ms: float
    """One sigma of arrival [ms]."""
    steps: int
    """How often it was set."""
    shares_the_daemons_clock: bool
    two_ways: int = 0
    """How many offsets were taken in that the source measured both ways."""
    two_way_std_ms: float = math.nan
    """One sigma, by now, of the offset that they show [ms]; above 2 it no longer places stamps, but still shows the floor."""


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """One topic of one source."""

    source: str
    topic: str
    entity: str
    """Id of the entity that it is about."""
    messages: int
    """Messages that were decoded, whatever number of samples each held."""
    resets: int
    """Samples that re-initialised an estimate."""
    clock: ClockFigures | None
    """None for several streams together."""
    channels: Mapping[str, ChannelFigures]
    """By name: position, pose, twist or imu; those that it carried."""


@dataclass(frozen=True, slots=True)
class EntityFigures:
    """One robot or object."""

    entity: str
    age_s: float
    """Age of its newest sample that tells of the present [s]; NaN before the first."""
    std: Mapping[str, float]
    """Largest standard deviation by quantity: `joint_rad`, `joint_m`, `position_m`, `rotation_rad`."""
    joints_limited: int
    """Joints held at a limit because their estimate is beyond it."""
    resets: int
    """How often estimates of it were started anew."""


class Figures(Protocol):
    """Who knows the figures."""

    def streams(self, begin: int, end: int) -> Sequence[StreamFigures]:
        """Return those of some streams, in the order of their first messages."""

    def other_streams(self, begin: int) -> StreamFigures | None:
        """Return those of all further streams together; None when there are none."""

    def entities(self, begin: int, end: int) -> Sequence[EntityFigures]:
        """Return those of some entities, in discovery order."""

    def other_entities(self, begin: int) -> EntityFigures | None:
        """Return those of all further entities together; None when there are none."""


_STREAM, _CHANNEL, _ENTITY = ("source", "topic"), ("source", "topic", "channel"), ("entity",)
_FAMILIES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "stream_samples": (
        "counter",
        (*_CHANNEL, "verdict"),
        "What became of each sample of a stream, by verdict; those that never occurred have no series.",
    ),
    "stream_nis_mean": (
        "gauge",
        _CHANNEL,
        "Mean normalised innovation squared of the last 1000 to 2000 accepted samples of a stream.",
    ),
    "stream_nis_band": ("gauge", (*_CHANNEL, "bound"), "Where that mean lies with 95 % probability if the filter is honest."),
    "stream_clock_offset_seconds": ("gauge", _STREAM, "What is added to a device's stamps."),
    "stream_clock_skew_ratio": ("gauge", _STREAM, "Rate of the daemon's clock against a device's, less one."),
    "stream_clock_jitter_seconds": ("gauge", _STREAM, "One sigma of the arrival of a stream's messages."),
    "stream_clock_steps": ("counter", _STREAM, "How often a device's clock was set."),
    "stream_clock_trusted": ("gauge", _STREAM, "Whether a device is taken to share the daemon's clock (1) or not (0)."),
    "stream_clock_two_ways": ("counter", _STREAM, "Offsets of a device's clock that were taken in as measured both ways."),
    "entity_std": ("gauge", (*_ENTITY, "quantity"), "Largest standard deviation of an entity's joints, or that of its pose."),
    "entity_age_seconds": ("gauge", _ENTITY, "Age of an entity's newest sample that tells of the present."),
    "entity_joints_limited": ("gauge", _ENTITY, "Joints of an entity held at a limit: their estimate lies beyond it."),
    "entity_resets": ("counter", _ENTITY, "How often estimates of an entity were started anew."),
}


class EstimationMetrics(Collector):
    """Reads the banks' figures when Prometheus asks."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.figures: Figures | None = None
        """None until there are estimators."""
        for name, (kind, labels, documentation) in _FAMILIES.items():
            suffix = "_total" if kind == "counter" else ""
            catalogue.describe(f"twind_{name}{suffix}", kind, labels, documentation)
        catalogue.registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yield the figures for one scrape."""
        families: dict[str, CounterMetricFamily | GaugeMetricFamily] = {
            name: (CounterMetricFamily if kind == "counter" else GaugeMetricFamily)(f"twind_{name}", text, labels=labels)
            for name, (kind, labels, text) in _FAMILIES.items()
        }
        if self.figures is not None:
            for row, stream in enumerate(self.figures.streams(0, MAX_SERIES)):
                _add_stream(families, (stream.source, _label(stream.topic, row)), stream)
            others = self.figures.other_streams(MAX_SERIES)
            if others is not None:
                _add_stream(families, ("", OTHER), others)
            for entity in self.figures.entities(0, MAX_SERIES):
                _add_entity(families, entity.entity, entity)
            rest = self.figures.other_entities(MAX_SERIES)
            if rest is not None:
                _add_entity(families, OTHER, rest)
        yield from families.values()


def _label(topic: str, row: int) -> str:
    return topic if len(topic) <= _MAX_TOPIC else f"{topic[:_MAX_TOPIC]}...#{row}"


def _add_stream(
    families: Mapping[str, CounterMetricFamily | GaugeMetricFamily], labels: tuple[str, str], stream: StreamFigures
) -> None:
    for name, channel in stream.channels.items():
        for verdict, count in channel.verdicts.items():
            if not count and verdict != _ACCEPTED:  # thousands of zeros would be most of a scrape
                continue
            families["stream_samples"].add_metric((*labels, name, verdict), count)
        if channel.nis_band_95 is not None:
            families["stream_nis_mean"].add_metric((*labels, name), channel.mean_nis)
            for bound, value in zip(("low", "high"), channel.nis_band_95, strict=True):
                families["stream_nis_band"].add_metric((*labels, name, bound), value)
    clock = stream.clock
    if clock is None:
        return
    families["stream_clock_steps"].add_metric(labels, clock.steps)
    families["stream_clock_trusted"].add_metric(labels, float(clock.shares_the_daemons_clock))
    families["stream_clock_two_ways"].add_metric(labels, clock.two_ways)
    for name, value in (
        ("offset_seconds", clock.offset_s),
        ("skew_ratio", clock.skew_ppm * 1e-6),
        ("jitter_seconds", clock.jitter_ms * 1e-3),
    ):
        if math.isfinite(value):
            families[f"stream_clock_{name}"].add_metric(labels, value)


def _add_entity(families: Mapping[str, CounterMetricFamily | GaugeMetricFamily], label: str, entity: EntityFigures) -> None:
    for quantity, value in entity.std.items():
        families["entity_std"].add_metric((label, quantity), value)
    if math.isfinite(entity.age_s):
        families["entity_age_seconds"].add_metric((label,), entity.age_s)
    families["entity_joints_limited"].add_metric((label,), entity.joints_limited)
    families["entity_resets"].add_metric((label,), entity.resets)
