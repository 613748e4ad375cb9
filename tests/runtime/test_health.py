"""What the probes say, and why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from twind.config.settings import HealthSettings
from twind.runtime.health import Facts, judge
from twind.runtime.supervisor import ComponentStatus, State
from twind.sources.protocol import SourceHealth

SETTINGS = HealthSettings(source_grace_s=10, stage_grace_s=5, loop_stall_s=10)
WELL = Facts(
    now_s=1000.0,
    started=True,
    heartbeat_s=999.9,
    stage_ok_s=999.9,
    sources={"floor": SourceHealth(connected=True, since_monotonic_s=0.0)},
    components=(ComponentStatus("pump", State.OK, critical=True, restarts=0, since_monotonic_s=0.0),),
)


def away(seconds: float, detail: str = "") -> Facts:
    return replace(WELL, sources={"floor": SourceHealth(connected=False, since_monotonic_s=1000.0 - seconds, detail=detail)})


def test_a_daemon_that_is_well_says_yes_three_times() -> None:
    health = judge(WELL, SETTINGS)
    assert health.live.ok
    assert health.ready.ok
    assert health.started.ok
    assert health.ready.reasons == ()


def test_before_warm_up_it_is_alive_but_neither_started_nor_ready() -> None:
    health = judge(Facts(now_s=1000.0, started=False, starting="compiling kernels"), SETTINGS)
    assert health.live.ok
    assert not health.started.ok
    assert health.ready.reasons == ("start-up is not finished: compiling kernels",)


@pytest.mark.parametrize(("seconds", "ready"), [(0.0, True), (10.0, True), (10.1, False), (600.0, False)])
def test_a_source_may_be_away_for_its_grace(seconds: float, ready: bool) -> None:  # noqa: FBT001
    health = judge(away(seconds), SETTINGS)
    assert health.ready.ok is ready
    assert health.live.ok
    assert health.started.ok


def test_the_reason_is_a_sentence_with_what_is_wrong_and_what_is_allowed() -> None:
    assert judge(away(61.25, "connection refused"), SETTINGS).ready.reasons == (
        "source 'floor' has been away for 61.2 s (allowed: 10 s): connection refused",
    )


@pytest.mark.parametrize(("ok_s", "ready"), [(995.0, True), (994.9, False), (None, False)])
def test_the_stage_may_fail_for_its_grace(ok_s: float | None, ready: bool) -> None:  # noqa: FBT001
    assert judge(replace(WELL, stage_ok_s=ok_s), SETTINGS).ready.ok is ready


def test_a_component_that_failed_for_good_is_not_ready_and_named() -> None:
    failed = ComponentStatus("recorder", State.PERMANENT, critical=False, restarts=3, since_monotonic_s=0.0, error="disk gone")
    health = judge(replace(WELL, components=(failed,)), SETTINGS)
    assert health.ready.reasons == ("component 'recorder' failed for good: disk gone",)
    assert health.live.ok


def test_a_component_that_recovers_does_not_change_readiness() -> None:
    flapping = ComponentStatus("pump", State.RECOVERABLE, critical=True, restarts=3, since_monotonic_s=0.0, error="boom")
    assert judge(replace(WELL, components=(flapping,)), SETTINGS).ready.ok


def test_draining_is_not_ready_but_alive() -> None:
    health = judge(replace(WELL, draining=True), SETTINGS)
    assert not health.ready.ok
    assert health.live.ok


def test_a_loop_that_stands_still_is_not_alive() -> None:
    health = judge(replace(WELL, heartbeat_s=980.0), SETTINGS)
    assert health.live.reasons == ("the event loop has stood still for 20.0 s (allowed: 10 s)",)
    assert not health.ready.ok


def test_liveness_asks_nothing_outside_the_process() -> None:
    worst = replace(away(1e6), stage_ok_s=None, draining=True, started=False)
    assert judge(worst, SETTINGS).live.ok


def test_every_reason_is_told_at_once() -> None:
    assert len(judge(replace(away(60), stage_ok_s=0.0, draining=True), SETTINGS).ready.reasons) == 3


@pytest.mark.parametrize(("seconds", "ready"), [(0.0, True), (5.0, True), (5.1, False)])
def test_a_recording_that_cannot_be_written_has_its_grace(seconds: float, ready: bool) -> None:  # noqa: FBT001
    health = judge(replace(WELL, recordings={"recording": (1000.0 - seconds, "No space left on device")}), SETTINGS)
    assert health.ready.ok is ready
    assert health.live.ok
    said = "recording 'recording' could not be written for 5.1 s (allowed: 5 s), and nothing is acknowledged meanwhile: "
    assert ready or health.ready.reasons == (said + "No space left on device",)
