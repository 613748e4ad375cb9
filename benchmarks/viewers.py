"""What watching costs the daemon: encoding once a tick, and sending to every viewer, over real sockets."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import machine
import numpy as np
import table
import viewers_crowd

from twind.config.settings import HealthSettings, HttpSettings, ViewerSettings
from twind.runtime.health import Facts, judge
from twind.runtime.http import HttpServer, Views
from twind.stage.live import SCHEMA_VERSION, LiveStage
from twind.stage.synthetic import random_update, serial_robots
from twind.telemetry import Telemetry
from twind.viewers.hub import Hub
from twind.viewers.protocol.messages import Subscription
from twind.viewers.protocol.selection import LiveSource
from twind.viewers.state import NOTHING

if TYPE_CHECKING:
    from twind.model.live_layer import Flush

_ROBOTS, _VIEWERS, _RATE_HZ = 100, 50, 30.0
_WELL = judge(Facts(now_s=1.0, started=True, stage_ok_s=1.0), HealthSettings())


def measure(*, quick: bool) -> table.Section:
    """Measure one server on one core; the viewers read on the others."""
    rounds, seconds = (2, 3.0) if quick else (5, 10.0)
    live = LiveStage.over(serial_robots(_ROBOTS), instance="bench")
    flushes: list[Flush] = []
    live.tell(flushes.append)
    rng = np.random.default_rng(1)
    for seq in range(1, 31):
        live.write(random_update(live.topology, seq=seq, rng=rng))
    with machine.on(machine.MEASURED):
        idle = [asyncio.run(_cores(live, flushes, viewers=0, seconds=seconds))[0] for _ in range(rounds)]
        busy = [asyncio.run(_cores(live, flushes, viewers=_VIEWERS, seconds=seconds)) for _ in range(rounds)]
        encode_us, size = asyncio.run(_encode_us(live, flushes))
    cores = [one - min(idle) for one, _ in busy]
    frames = [sent / seconds for _, sent in busy]
    each_us = [1e6 * one / rate for one, rate in zip(cores, frames, strict=True)]
    rows = (
        table.row("cores for all of it", "cores", cores, bar=0.5),
        table.row("  encoding and sending, for each viewer and frame", "us", each_us),
        table.row("  encoding one frame of everything", "us", encode_us),
        table.row("  size of that frame", "kB", [size / 1e3]),
        table.row("frames that arrived, of those that were made", "%", [100 * one / (_VIEWERS * _RATE_HZ) for one in frames]),
    )
    rows += viewers_crowd.rows(lambda: _hub(live), flushes, viewers=_VIEWERS, quick=quick)
    live.close()
    return table.Section(f"Viewers: {_VIEWERS} of {_ROBOTS} moving robots at {_RATE_HZ:g} Hz", rows)


def _hub(live: LiveStage) -> Hub:
    session, instance, generation = live.holder.session, live.instance, live.holder.generation
    source = LiveSource(live.layout, live.topology, instance, generation, session, SCHEMA_VERSION, _RATE_HZ, None, None)
    return Hub(source, ViewerSettings(), telemetry=Telemetry(stream=io.StringIO()))


def _again(flush: Flush, seq: int) -> Flush:
    return type(flush)(seq, flush.made_ns, flush.changes)


async def _cores(live: LiveStage, flushes: list[Flush], *, viewers: int, seconds: float) -> tuple[float, int]:
    """Return how many cores this process takes, and how many frames it sends, with so many viewers."""
    hub = _hub(live)
    hub.on_flush(flushes[0])
    await asyncio.sleep(0)
    views = Views(lambda: _WELL, dict, list, lambda _: None, lambda _: {}, bytes, live=lambda: hub)
    async with HttpServer(HttpSettings(listen="127.0.0.1:0"), views) as server:
        load = await _load(server.url, viewers)
        while len(hub) < viewers:  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0.01)
        loop = asyncio.get_running_loop()
        sent = hub.telemetry.metrics.viewer_frames._value.get  # noqa: SLF001
        seq, started_s, cpu_s, before = 1, loop.time(), time.process_time(), sent()
        while loop.time() < started_s + seconds:
            seq += 1
            hub.on_flush(_again(flushes[seq % 29 + 1], seq))
            await asyncio.sleep(max(0.0, started_s + (seq - 1) / _RATE_HZ - loop.time()))
        cpu_s, elapsed_s, frames = time.process_time() - cpu_s, loop.time() - started_s, int(sent() - before)
        await hub.aclose()
        if load is not None:
            await asyncio.to_thread(load.wait)
    return cpu_s / elapsed_s, int(frames * seconds / elapsed_s)


async def _load(url: str, viewers: int) -> subprocess.Popen[bytes] | None:
    if not viewers:
        return None
    script = Path(__file__).with_name("viewers_load.py")
    return await asyncio.to_thread(
        subprocess.Popen, ["taskset", "-c", ",".join(map(str, machine.OTHERS)), sys.executable, script, url, str(viewers)]
    )


async def _encode_us(live: LiveStage, flushes: list[Flush]) -> tuple[list[float], int]:
    """Return how long a frame takes to encode in which everything has changed."""
    hub = _hub(live)
    view = hub.view(Subscription())
    took, size = [], 0
    for seq, flush in enumerate(flushes * 10, 1):
        hub.state.take(_again(flush, seq))
        started = time.perf_counter()
        size = len(view.since(seq - 1 if seq > 1 else NOTHING) or b"")
        took.append(1e6 * (time.perf_counter() - started))
    return took, size
