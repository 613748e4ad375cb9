"""How fast `twind replay` is as a command, start included, and how long the start is. Kernels come from the disk.

Logs are of one arm of seven joints at 1 kHz with positions and velocities. Wall time depends on what else runs: CPU time of the
command stands beside it, and that of a fixed loop, by which two machines or two days can be compared.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import machine
import robots
from mcap.writer import Writer
from table import Row, Section, row

_ENTRY = "from twind.cli.program import program; program()"
_START_NS = 1_800_000_000_000_000_000
_RATE_HZ = 1000
_DELAY_NS = 2_000_000
_BAR = 50.0
"""Times real time."""


def measure(*, quick: bool) -> Section:
    """Replay logs of three lengths in turn, each in a process of its own."""
    lengths, rounds = ((1, 5), 2) if quick else ((1, 30, 60, 120), 7)
    walls: dict[int, list[float]] = {seconds: [] for seconds in lengths}
    cpus: dict[int, list[float]] = {seconds: [] for seconds in lengths}
    loops: list[float] = []
    with machine.on(machine.MEASURED), tempfile.TemporaryDirectory(prefix="twind-bench-") as name:
        folder = Path(name)
        _prepare(folder, lengths)
        _replay(folder, lengths[0])  # compiles
        for _ in range(rounds):
            loops.append(_loop())
            for seconds in lengths:
                wall, cpu = _replay(folder, seconds)
                walls[seconds].append(wall)
                cpus[seconds].append(cpu)
    rows: list[Row] = []
    for seconds in lengths:
        bar = None if seconds < 30 else seconds / _BAR
        rows.append(row(f"twind replay of {seconds} s, start included, wall", "s", walls[seconds], bar=bar))
        rows.append(row("  of that CPU", "s", cpus[seconds]))
    longest = lengths[-1]
    marginal = [(long - short) / (longest - lengths[0]) for long, short in zip(cpus[longest], cpus[lengths[0]], strict=True)]
    rows.append(row("a further second of log, CPU", "ms", [1e3 * one for one in marginal], bar=1e3 / _BAR))
    rows.append(row("a loop of a million squares, CPU", "s", loops))
    return Section("twind replay, one arm of 7 joints at 1 kHz", tuple(rows))


def _prepare(folder: Path, lengths: tuple[int, ...]) -> None:
    robots.write_stage(1, folder / "cell.usda")
    (folder / "twind.yaml").write_text(
        f"stage: {{root: cell.usda}}\nstate_dir: state\nsources:\n  floor:\n    type: mqtt\n    url: mqtt://127.0.0.1\n"
        f"    routes: [{{topic: '{robots.PATTERN}', codec: joint_state}}]\n",
        encoding="utf-8",
    )
    for seconds in lengths:
        with (folder / f"{seconds}.mcap").open("wb") as file:
            writer = Writer(file)
            writer.start()
            schema = writer.register_schema("joint_state", "", b"")
            channel = writer.register_channel(robots.topic(0), "joint_state", schema, {"source": "floor"})
            for index in range(seconds * _RATE_HZ):
                stamp_ns = _START_NS + index * 10**9 // _RATE_HZ
                writer.add_message(channel, stamp_ns + _DELAY_NS, robots.payload(0, stamp_ns), stamp_ns)
            writer.finish()  # type: ignore[no-untyped-call]


def _replay(folder: Path, seconds: int) -> tuple[float, float]:
    """Return the wall and the CPU time of one command [s]."""
    arguments = ["replay", f"{folder}/{seconds}.mcap", "--config", f"{folder}/twind.yaml", "--out", f"{folder}/out"]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder / "kernels")}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _ENTRY, *arguments], check=True, capture_output=True, text=True, env=environment
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert f"{seconds * _RATE_HZ} messages" in done.stdout, done.stdout
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def _loop() -> float:
    began, total = time.process_time(), 0
    for number in range(1_000_000):
        total += number * number
    return time.process_time() - began
