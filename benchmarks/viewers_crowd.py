"""What two bad viewers cost all others: one process that is stopped and one that sends garbage, among fifty.

Windows with and without the two take turns on the same connections, so that a machine that changes speed changes both.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import machine
import numpy as np
import table

from twind.config.settings import HealthSettings, HttpSettings
from twind.runtime.health import Facts, judge
from twind.runtime.http import HttpServer, Views

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from numpy.typing import NDArray

    from twind.model.live_layer import Flush
    from twind.viewers.hub import Hub

_RATE_HZ = 30.0
_SETTLE_S = 1.0
"""After somebody was stopped or woken: what happens then is looked at by itself."""
_WELL = judge(Facts(now_s=1.0, started=True, stage_ok_s=1.0), HealthSettings())


@dataclass(frozen=True, slots=True)
class _Window:
    """A part of the run [ns since the epoch]."""

    begin_ns: int
    end_ns: int
    troubled: bool
    resident_bytes: int
    """Of the server, at its end."""


def rows(make_hub: Callable[[], Hub], flushes: Sequence[Flush], *, viewers: int, quick: bool) -> tuple[table.Row, ...]:
    """Measure; the server runs on the core of what is measured, everybody else on the others."""
    pairs, seconds = (2, 2.0) if quick else (8, 5.0)
    with machine.on(machine.MEASURED):
        windows, notes = asyncio.run(_run(make_hub, flushes, viewers=viewers, pairs=pairs, seconds=seconds))
    others, stuck = notes[1:], notes[0]
    calm = [_p99_ms(others, one) for one in windows if not one.troubled]
    troubled = [_p99_ms(others, one) for one in windows if one.troubled]
    ratios = [100 * (bad / well - 1) for well, bad in zip(calm, troubled, strict=True)]
    catch_up = [_catch_up(stuck, one) for one in windows if one.troubled]
    calm_bytes = max(one.resident_bytes for one in windows if not one.troubled)
    troubled_bytes = max(one.resident_bytes for one in windows if one.troubled)
    return (
        table.row("p99 from the making of a frame to its arrival, all well", "ms", calm),
        table.row("  with one viewer stopped and one that sends garbage", "ms", troubled),
        table.row("  that is more by", "%", ratios, bar=20.0),
        table.row("full frames that the stopped one gets when it wakes", "", [float(full) for full, _ in catch_up], bar=1.0),
        table.row("  until it is in step again", "ms", [late_ms for _, late_ms in catch_up]),
        table.row(
            "memory of the server, more than while all were well", "MiB", [(troubled_bytes - calm_bytes) / 2**20], bar=16.0
        ),
    )


async def _run(
    make_hub: Callable[[], Hub], flushes: Sequence[Flush], *, viewers: int, pairs: int, seconds: float
) -> tuple[list[_Window], list[NDArray[np.int64]]]:
    hub = make_hub()
    hub.on_flush(flushes[0])
    await asyncio.sleep(0)
    views = Views(lambda: _WELL, dict, list, lambda _: None, lambda _: {}, bytes, live=lambda: hub)
    windows: list[_Window] = []
    async with HttpServer(HttpSettings(listen="127.0.0.1:0"), views) as server:
        followers = [await _start("viewers_follower.py", server.url) for _ in range(viewers - 1)]
        while len(hub) < len(followers):  # noqa: ASYNC110  (nobody tells)
            await asyncio.sleep(0.01)
        first = [_goes_first(0), *(_goes_first(one.pid) for one in followers)]
        writing = asyncio.create_task(_write(hub, flushes))
        await asyncio.sleep(_SETTLE_S)
        for _ in range(pairs):
            windows.append(await _window(seconds, troubled=False))
            async with _trouble(followers[0], server.url):
                await asyncio.sleep(_SETTLE_S)
                windows.append(await _window(seconds, troubled=True))
            await asyncio.sleep(2 * _SETTLE_S)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        if all(first):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        await hub.aclose()
        answers = [await asyncio.to_thread(one.communicate) for one in followers]
    return windows, [np.frombuffer(said, np.int64).reshape(-1, 3) for said, _ in answers]


def _goes_first(pid: int) -> bool:
    """Let a process run before all others on the machine, where that is allowed; else a busy machine is what is measured."""
    try:
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    return True


async def _start(script: str, url: str) -> subprocess.Popen[bytes]:
    cores = ",".join(map(str, machine.OTHERS))
    program = ["taskset", "-c", cores, sys.executable, Path(__file__).with_name(script), url]
    return await asyncio.to_thread(subprocess.Popen, program, stdout=subprocess.PIPE)


@asynccontextmanager
async def _trouble(victim: subprocess.Popen[bytes], url: str) -> AsyncIterator[None]:
    """Stop one viewer, and let another send garbage."""
    garbage = await _start("viewers_garbage.py", url)
    victim.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        victim.send_signal(signal.SIGCONT)
        garbage.kill()
        await asyncio.to_thread(garbage.communicate)


async def _window(seconds: float, *, troubled: bool) -> _Window:
    begin_ns = time.time_ns()
    await asyncio.sleep(seconds)
    return _Window(begin_ns, time.time_ns(), troubled, _resident_bytes())


async def _write(hub: Hub, flushes: Sequence[Flush]) -> None:
    loop = asyncio.get_running_loop()
    started_s, seq = loop.time(), 1
    while True:
        seq += 1
        hub.on_flush(replace(flushes[seq % (len(flushes) - 1) + 1], seq=seq, made_ns=time.time_ns()))
        await asyncio.sleep(max(0.0, started_s + (seq - 1) / _RATE_HZ - loop.time()))


def _p99_ms(notes: Sequence[NDArray[np.int64]], window: _Window) -> float:
    late = [one[(one[:, 0] >= window.begin_ns) & (one[:, 0] < window.end_ns)] for one in notes]
    return float(np.percentile(np.concatenate([one[:, 1] - one[:, 0] for one in late]), 99)) / 1e6


def _catch_up(stuck: NDArray[np.int64], window: _Window) -> tuple[int, float]:
    """Return how many full frames it got when it woke, and how long after that the first frame came that was not late [ms]."""
    after = stuck[stuck[:, 1] >= window.end_ns]
    after = after[after[:, 1] < window.end_ns + round(2e9 * _SETTLE_S)]
    in_step = after[after[:, 0] >= window.end_ns]
    return int(after[:, 2].sum()), float(in_step[0, 1] - window.end_ns) / 1e6 if len(in_step) else float("inf")


def _resident_bytes() -> int:
    fields = Path("/proc/self/statm").read_text(encoding="utf-8").split()
    return int(fields[1]) * 4096
