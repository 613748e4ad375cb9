"""Figures of streams and entities as metrics."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from twind.telemetry import Telemetry
from twind.telemetry.estimation import MAX_SERIES
from twind.telemetry.figures import ChannelFigures, ClockFigures, EntityFigures, StreamFigures

if TYPE_CHECKING:
    from collections.abc import Iterator

CHANNEL = ChannelFigures(10, {"accepted": 9, "gated": 1}, 1.25, 9, 1, (0.5, 1.5))
CLOCK = ClockFigures(0.5, 20.0, math.nan, 2, shares_the_daemons_clock=False)


class Many:
    """As many streams and entities as a test wants."""

    def __init__(self, count: int, topic: str = "cell/{}/joint_state") -> None:
        self.all = [
            StreamFigures("floor", topic.format(row), f"arm{row}", 10, 0, CLOCK, {"position": CHANNEL}) for row in range(count)
        ]
        self.everyone = [EntityFigures(f"arm{row}", 0.1, {"joint_rad": 1e-3}, 1, 2) for row in range(count)]

    def streams(self, begin: int, end: int) -> list[StreamFigures]:
        return self.all[begin:end]

    def other_streams(self, begin: int) -> StreamFigures | None:
        return StreamFigures("", "other", "", 7, 0, None, {"position": CHANNEL}) if len(self.all) > begin else None

    def entities(self, begin: int, end: int) -> list[EntityFigures]:
        return self.everyone[begin:end]

    def other_entities(self, begin: int) -> EntityFigures | None:
        return EntityFigures("other", math.nan, {}, 0, 5) if len(self.everyone) > begin else None


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    with Telemetry(stream=io.StringIO()) as telemetry:
        yield telemetry


def test_a_stream_shows_verdicts_innovations_with_their_band_and_its_clock(telemetry: Telemetry) -> None:
    telemetry.metrics.estimation.figures = Many(1)
    value = telemetry.registry.get_sample_value
    stream = {"source": "floor", "topic": "cell/0/joint_state"}
    channel = {**stream, "channel": "position"}
    assert value("twind_stream_samples_total", {**channel, "verdict": "gated"}) == 1
    assert value("twind_stream_nis_mean", channel) == 1.25
    assert value("twind_stream_nis_band", {**channel, "bound": "high"}) == 1.5
    assert value("twind_stream_clock_offset_seconds", stream) == 0.5
    assert value("twind_stream_clock_skew_ratio", stream) == pytest.approx(2e-5)
    assert value("twind_stream_clock_jitter_seconds", stream) is None
    assert value("twind_stream_clock_steps_total", stream) == 2
    assert value("twind_stream_clock_trusted", stream) == 0
    assert value("twind_entity_std", {"entity": "arm0", "quantity": "joint_rad"}) == 1e-3
    assert value("twind_entity_age_seconds", {"entity": "arm0"}) == 0.1
    assert value("twind_entity_joints_limited", {"entity": "arm0"}) == 1
    assert value("twind_entity_resets_total", {"entity": "arm0"}) == 2


def test_beyond_the_cap_there_is_one_series_for_all_the_rest(telemetry: Telemetry) -> None:
    telemetry.metrics.estimation.figures = Many(MAX_SERIES + 3)
    text = telemetry.render_metrics().decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert len(families["twind_stream_nis_mean"].samples) == MAX_SERIES + 1
    assert families["twind_stream_nis_mean"].samples[-1].labels["topic"] == "other"
    assert len(families["twind_entity_resets"].samples) == MAX_SERIES + 1
    assert len(families["twind_entity_age_seconds"].samples) == MAX_SERIES


def test_long_topics_are_cut_but_stay_apart(telemetry: Telemetry) -> None:
    telemetry.metrics.estimation.figures = Many(2, "x" * 5000 + "{}")
    (family,) = (one for one in telemetry.metrics.estimation.collect() if one.name == "twind_stream_clock_trusted")
    topics = [sample.labels["topic"] for sample in family.samples]
    assert len(set(topics)) == 2
    assert max(map(len, topics)) < 250


def test_before_the_banks_exist_there_are_no_series(telemetry: Telemetry) -> None:
    assert b"twind_stream_nis_mean{" not in telemetry.render_metrics()
