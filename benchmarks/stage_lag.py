"""How late the event loop runs while the stage is written at 60 Hz in its own thread, with and without copies for viewers."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import machine
import numpy as np
import table

from twind.runtime.app import SWITCH_S
from twind.stage.live import LiveStage
from twind.stage.synthetic import random_update, serial_robots
from twind.stage.thread import StageThread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.model.state import Update

_ROBOTS, _RATE_HZ = 100, 60.0
_BEAT_S = 0.002


def measure(*, quick: bool) -> table.Section:
    """Measure with the daemon's switch interval, on all cores, as the daemon runs."""
    seconds = 3.0 if quick else 20.0
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    try:
        with machine.on(machine.OTHERS | machine.MEASURED):
            idle = asyncio.run(_lags_ms(seconds / 2, writing=False, copies_hz=0.0))
            writing = asyncio.run(_lags_ms(seconds, writing=True, copies_hz=0.0))
            copying = asyncio.run(_lags_ms(seconds, writing=True, copies_hz=2.0))
    finally:
        sys.setswitchinterval(before)
    rows = (
        table.row("nothing is written: p99", "ms", [float(np.percentile(idle, 99))]),
        table.row("all robots move: p50", "ms", [float(np.percentile(writing, 50))]),
        table.row("all robots move: p99", "ms", [float(np.percentile(writing, 99))], bar=5.0),
        table.row("  and the layer's text is made twice a second: p99", "ms", [float(np.percentile(copying, 99))], bar=5.0),
    )
    return table.Section(f"Lag of the event loop, {_ROBOTS} robots at {_RATE_HZ:g} Hz", rows)


async def _lags_ms(seconds: float, *, writing: bool, copies_hz: float) -> Sequence[float]:
    async with StageThread() as thread:
        live = await thread.call(lambda: LiveStage.over(serial_robots(_ROBOTS), instance="bench"))
        rng = np.random.default_rng(1)
        updates = [random_update(live.topology, seq=seq, rng=rng) for seq in range(1, 30)]
        await thread.call(live.write, updates[0])
        tasks = []
        if writing:
            tasks.append(asyncio.create_task(_write(live, thread, updates)))
        if copies_hz:
            tasks.append(asyncio.create_task(_copy(live, thread, 1 / copies_hz)))
        lags = await _beat(seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await thread.call(live.close)
    return lags


async def _write(live: LiveStage, thread: StageThread, updates: Sequence[Update]) -> None:
    tick = 0
    loop = asyncio.get_running_loop()
    next_s = loop.time()
    while True:
        await thread.call(live.write, updates[tick % len(updates)])
        tick += 1
        next_s = max(next_s + 1 / _RATE_HZ, loop.time())
        await asyncio.sleep(next_s - loop.time())


async def _copy(live: LiveStage, thread: StageThread, period_s: float) -> None:
    while True:
        await asyncio.sleep(period_s)
        await thread.call(live.layer_text)


async def _beat(seconds: float) -> Sequence[float]:
    lags_ms = []
    end_s = time.monotonic() + seconds
    while (asked_s := time.monotonic()) < end_s:
        await asyncio.sleep(_BEAT_S)
        lags_ms.append((time.monotonic() - asked_s - _BEAT_S) * 1e3)
    return lags_ms
