"""What the registry shows."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from twind.flow.queues import Intake
from twind.model.messages import RawMessage
from twind.telemetry import Telemetry
from twind.telemetry.counters import MAX_CHILDREN, event_types
from twind.telemetry.events import Event, MessagesDropped, SourceConnected
from twind.telemetry.histogram import BatchHistogram


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry(stream=io.StringIO())


def sample(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return telemetry.registry.get_sample_value(name, labels)


def test_two_daemons_can_live_in_one_process(telemetry: Telemetry) -> None:
    other = Telemetry(stream=io.StringIO())
    other.metrics.stage_values_written.inc(3)
    assert sample(telemetry, "twind_stage_values_written_total") == 0


def test_an_event_counts_by_its_count(telemetry: Telemetry) -> None:
    telemetry.emit(MessagesDropped(source="floor", reason="queue_full", count=7))
    telemetry.emit(MessagesDropped(source="floor", reason="queue_full", count=2))
    assert sample(telemetry, "twind_messages_dropped_total", source="floor", reason="queue_full") == 9


def test_a_declared_source_has_every_series_at_zero(telemetry: Telemetry) -> None:
    telemetry.declare_source("floor")
    assert sample(telemetry, "twind_source_connects_total", source="floor") == 0
    assert sample(telemetry, "twind_messages_refused_total", source="floor", reason="no_route") == 0
    assert sample(telemetry, "twind_sample_verdicts_total", source="floor", verdict="gated") == 0


def test_an_adapters_own_event_gets_its_counter_at_first_use(telemetry: Telemetry) -> None:
    @dataclass(frozen=True, slots=True)
    class CertificateExpires(Event):
        """A certificate is about to expire."""

        counter = "certificate_warnings"
        labels = ("source",)
        source: str

    telemetry.emit(CertificateExpires(source="floor"))
    assert sample(telemetry, "twind_certificate_warnings_total", source="floor") == 1


def test_a_label_that_is_not_bounded_cannot_eat_the_memory(telemetry: Telemetry) -> None:
    for number in range(MAX_CHILDREN + 50):
        telemetry.emit(SourceConnected(source=f"s{number}", address="a"))
    assert sample(telemetry, "twind_source_connects_total", source="other") == 50
    assert sample(telemetry, "twind_source_connects_total", source="s0") == 1


def test_every_event_of_ours_has_its_counter_from_the_start(telemetry: Telemetry) -> None:
    for kind in event_types():
        if kind.counter:
            assert f"twind_{kind.counter}_total" in telemetry.catalogue.described


def test_queues_are_read_at_the_scrape(telemetry: Telemetry) -> None:
    intake = Intake(max_messages=10, max_bytes=1000)
    telemetry.metrics.watch_queue("floor", intake)
    for _ in range(3):
        intake.put(RawMessage("t", b"1234", 0))
    intake.take_nowait(1)
    read = {name: sample(telemetry, f"twind_queue_{name}", source="floor") for name in (
        "items", "capacity_items", "bytes", "capacity_bytes", "put_items_total", "taken_items_total"
    )}  # fmt: skip
    assert read == {
        "items": 2, "capacity_items": 10, "bytes": 8, "capacity_bytes": 1000, "put_items_total": 3, "taken_items_total": 1,
    }  # fmt: skip


def test_states_are_read_at_the_scrape(telemetry: Telemetry) -> None:
    watched = telemetry.metrics.watched
    telemetry.metrics.watch_connection("floor", lambda: True)
    watched.components = lambda: {"publisher": "ok"}
    watched.ready = lambda: True
    assert sample(telemetry, "twind_source_connected", source="floor") == 1
    assert sample(telemetry, "twind_component_state", component="publisher", state="ok") == 1
    assert sample(telemetry, "twind_ready") == 1
    assert sample(telemetry, "twind_log_lines_dropped_total") == 0


def test_typed_handles_count(telemetry: Telemetry) -> None:
    metrics = telemetry.metrics
    source = metrics.source("floor")
    assert metrics.source("floor") is source
    source.received.inc(5)
    source.count_verdicts([4, 1, 0, 0, 0, 0, 0])
    metrics.set_entities([3, 1, 0, 2])
    metrics.set_config_hash("abc")
    metrics.set_config_hash("def")
    metrics.count_request("livez", 200)
    assert sample(telemetry, "twind_messages_received_total", source="floor") == 5
    assert sample(telemetry, "twind_sample_verdicts_total", source="floor", verdict="accepted") == 4
    assert sample(telemetry, "twind_entities", status="lost") == 2
    assert sample(telemetry, "twind_config_info", hash="abc") is None
    assert sample(telemetry, "twind_config_info", hash="def") == 1
    assert sample(telemetry, "twind_http_requests_total", route="livez", code="200") == 1


def test_the_exposition_parses_and_every_metric_of_ours_is_described(telemetry: Telemetry) -> None:
    telemetry.declare_source("floor")
    text = telemetry.render_metrics().decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert "process_resident_memory_bytes" in families
    for name in families:
        if name.startswith("twind_"):
            assert name in telemetry.catalogue.described or f"{name}_total" in telemetry.catalogue.described
    assert not [name for name in families if name.endswith("_created")]
    assert generate_latest(telemetry.registry)


def test_a_batch_histogram_equals_one_observation_after_the_other() -> None:
    values = np.random.default_rng(3).exponential(0.1, 1000)
    values[0] = 0.01  # exactly on a bound: belongs to it
    one, many = (BatchHistogram("h", "", (0.01, 0.1, 1.0)) for _ in range(2))
    many.observe_many([*values, np.nan, np.inf])
    for value in values:
        one.observe(value)
    (expected,), (family,) = one.collect(), many.collect()
    assert [s.value for s in family.samples] == pytest.approx([s.value for s in expected.samples])
    bounds = {s.labels["le"]: s.value for s in family.samples if s.name == "h_bucket"}
    assert bounds["0.01"] == (values <= 0.01).sum()
    assert bounds["+Inf"] == many.count == 1000
    assert many.sum == pytest.approx(values.sum())
    assert "1000" in repr(many)
