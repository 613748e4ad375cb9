"""Health of every stream and entity, read from the banks at each scrape; nothing is done per message.

Streams and entities beyond the first `MAX_SERIES` of each are summed up under `other`: counters are added, a mean is that of
all their samples, ages and standard deviations are the largest of theirs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from twind.telemetry.figures import OTHER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prometheus_client import Metric

    from twind.telemetry.catalogue import Catalogue
    from twind.telemetry.figures import EntityFigures, Figures, StreamFigures

MAX_SERIES = 500
"""Streams, and entities, that have series of their own."""
_ACCEPTED = "accepted"
_MAX_TOPIC = 200
"""Characters of a topic that are shown in a label."""

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
    "stream_numbers_skipped": (
        "counter",
        _STREAM,
        "Sequence numbers that a stream passed over: messages that were lost on the way here, or came late.",
    ),
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
    families["stream_numbers_skipped"].add_metric(labels, stream.skipped)
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
