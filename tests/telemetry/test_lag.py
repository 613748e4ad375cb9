"""How a stalled event loop is noticed."""

from __future__ import annotations

import asyncio
import io
import json
import threading

import pytest

from twind.telemetry import LoopLag, Telemetry
from twind.testing.loops import VirtualTimeLoop, run


def test_a_loop_that_keeps_up_shows_no_lag_and_a_fresh_heartbeat() -> None:
    telemetry = Telemetry(stream=io.StringIO())
    lag = LoopLag(telemetry)

    async def main() -> None:
        assert lag.heartbeat_monotonic_s is None
        task = asyncio.create_task(lag.run())
        await asyncio.sleep(10.05)
        task.cancel()
        await asyncio.wait({task})

    run(main(), virtual_time=True)
    assert lag.heartbeat_monotonic_s == pytest.approx(10.0)
    assert telemetry.metrics.event_loop_lag_seconds.count == 100
    assert telemetry.metrics.event_loop_lag_seconds.sum == pytest.approx(0)


def test_a_held_up_loop_is_measured_and_reported() -> None:
    stream = io.StringIO()

    async def main(telemetry: Telemetry) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        task = asyncio.create_task(LoopLag(telemetry).run())
        await asyncio.sleep(0.05)
        loop.pass_time(2.05)
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait({task})

    with Telemetry(stream=stream) as telemetry:
        run(main(telemetry), virtual_time=True)
        assert telemetry.metrics.event_loop_lag_seconds.sum == pytest.approx(2.0)
    record = json.loads(stream.getvalue())
    assert (record["event"], record["seconds"]) == ("loop_stalled", 2.0)


def test_the_report_names_the_code_that_held_the_loop_up() -> None:
    stream = io.StringIO()

    def hold_up_the_loop(lag: LoopLag) -> None:
        waiting = threading.Event()
        for _ in range(3000):  # ends as soon as the watcher has seen it, however slow the machine is
            if lag._place:
                return
            waiting.wait(0.01)

    async def main(telemetry: Telemetry) -> None:
        lag = LoopLag(telemetry, interval_s=0.01, stall_s=0.01)
        task = asyncio.create_task(lag.run())
        await asyncio.sleep(0)
        hold_up_the_loop(lag)
        while not telemetry.registry.get_sample_value("twind_event_loop_stalls_total"):  # noqa: ASYNC110
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})

    with Telemetry(stream=stream) as telemetry:
        run(main(telemetry))
    assert "hold_up_the_loop" in json.loads(stream.getvalue().splitlines()[0])["where"]
