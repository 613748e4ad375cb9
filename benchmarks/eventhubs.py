"""What an event of a hub costs the daemon, beside the SDK's own bare receive loop in the same run.

Emulator and readers are processes of their own, the readers on the measured core, one after the other in every round. They go
before all others on the machine, where that is allowed: the stage is published 30 times a second also while a reader waits.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Self

import machine
from robots import write_stage
from table import Row, Section, row

_ROBOTS = 50
_VARIANTS = ("bare", "bare_uvloop", "source", "daemon")
_SAYS = {
    "bare": "the SDK's loop, callback that counts",
    "bare_uvloop": "the same on uvloop",
    "source": "twind's source",
    "daemon": "the daemon: routes, codecs, estimates, stage",
}
_RATIO_BAR = 1.3
_SAMPLES = 20
_RATE_BAR = 100_000


def measure(*, quick: bool) -> Section:
    """Measure every reader with one sample in an event, and with twenty."""
    rounds = 2 if quick else 7
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        write_stage(_ROBOTS, Path(folder) / "robots.usda")
        for samples, shape in ((1, "array"), (_SAMPLES, "array"), (_SAMPLES, "lines"), (_SAMPLES, "packed")):
            events = (8000 if quick else 20_000) if samples == 1 else (2000 if quick else 5000)
            rows += _rows(samples, shape, _rounds(folder, samples, shape, events, rounds))
    return Section("CPU of a reader per event of Event Hubs, 4 partitions, 50 robots with 7 joints", tuple(rows))


def _rounds(folder: str, samples: int, shape: str, events: int, rounds: int) -> dict[str, list[dict[str, float]]]:
    spent: dict[str, list[dict[str, float]]] = {name: [] for name in _VARIANTS}
    with _Process("hub_server.py", *_VARIANTS) as server:
        connection = server.line()
        codec, core = "packed" if shape == "packed" else "joint_state", str(min(machine.MEASURED))
        readers = {name: _Process("hub_reader.py", name, connection, name, core, folder, codec) for name in spent}
        try:
            for reader in readers.values():
                reader.expect("ready")
            for process in (server, *readers.values()):
                process.go_first()
            for number in range(-1, rounds):  # the first warms up
                for name, reader in readers.items():
                    server.say(f"{name} {events} {samples} {shape}")
                    server.expect("made")
                    reader.say(str(events))
                    reader.expect("go")
                    server.say("fill")
                    server.expect("filled")
                    result: dict[str, float] = json.loads(reader.line())
                    if number >= 0:
                        spent[name].append(result)
        finally:
            for reader in readers.values():
                reader.close()
    return spent


def _rows(samples: int, shape: str, spent: dict[str, list[dict[str, float]]]) -> list[Row]:
    case = "1 sample in an event" if samples == 1 else f"{samples} samples in an event, {shape}"
    cpu = {name: [one["cpu_us"] for one in results] for name, results in spent.items()}
    rows = [row(f"{case}: {_SAYS[name]}", "us/event", values) for name, values in cpu.items()]
    if samples == 1:
        ratios = [ours / bare for ours, bare in zip(cpu["daemon"], cpu["bare"], strict=True)]
        rows.append(row("  the daemon's, as a multiple of the SDK's", "x", ratios, bar=_RATIO_BAR))
    else:
        each = [cost / samples for cost in cpu["daemon"]]
        rows.append(row("  the daemon's, for each sample of 7 joints", "us/sample", each, bar=1e6 / _RATE_BAR))
    rows.append(
        row("  publications of the stage meanwhile (30 asked for)", "1/s", [one["ticks_hz"] for one in spent["daemon"]])
    )
    return rows


class _Process:
    def __init__(self, *command: str) -> None:
        self._process: Any = subprocess.Popen(
            [sys.executable, *command], cwd=Path(__file__).parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def go_first(self) -> None:
        """Let all threads of the process run before all others on the machine, where that is allowed.

        The event loop's own thread, which has always something to do, comes after the others of its process: else the stage's
        thread would not get its turn on the one core, and less would be published than is asked for.
        """
        pid = self._process.pid
        for thread in [int(path.name) for path in Path(f"/proc/{pid}/task").iterdir()]:
            with contextlib.suppress(PermissionError, ProcessLookupError):
                os.sched_setscheduler(thread, os.SCHED_RR, os.sched_param(1 if thread == pid else 2))

    def say(self, line: str) -> None:
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def line(self) -> str:
        line: str = self._process.stdout.readline().strip()
        assert line, f"{self._process.args[1:3]} ended"
        return line

    def expect(self, word: str) -> None:
        line = self.line()
        assert line == word, f"{line!r} in place of {word!r}"

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
