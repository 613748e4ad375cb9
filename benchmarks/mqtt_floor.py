"""What a message costs a subscriber in all, beside the floor that users know: paho with a bare callback.

Each way is a process of its own on one core; broker and publisher run on another. All get the same flood, one after the other
in every round, so that what else the machine does falls on all of them.
"""

from __future__ import annotations

import asyncio
import json
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
from flood import Flood
from table import Row, Section, row

from twind_mqtt.broker import mosquitto, start_broker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SENDERS = 50
_BAR_US = 5.0
_TITLE = f"CPU of a subscriber process per message, through mosquitto, {_SENDERS} robots"
_CASES = {
    "QoS 0, v3.1.1": ("3.1.1", 0, ("nothing", "json.loads", "link", "twind")),
    # Without twind's own connection: its PUBACKs are not paho's, so that a callback that does nothing has no meaning there.
    "QoS 1, v5": ("5", 1, ("nothing", "json.loads", "twind")),
}
_SAYS = {
    "nothing": "paho, callback that does nothing",
    "json.loads": "paho, callback with json.loads",
    "link": "twind's connection, callback that does nothing",
    "twind": "twind: everything up to the estimate",
}
_LESS = {"nothing": "paho's callback", "json.loads": "paho with json.loads", "link": "its connection"}


@dataclass(frozen=True, slots=True)
class _Load:
    """How fast messages come."""

    name: str
    rate_hz: float
    count: int
    rounds: int
    bar_us: float | None
    """The bar is about cost under load. A process that sleeps between messages pays for waking up, in paho and in twind."""


def measure(*, quick: bool) -> Section:
    """Measure every way with both kinds of delivery."""
    if mosquitto() is None:
        return Section(_TITLE, skipped="mosquitto is not installed; the embedded broker would be what is measured")
    loads = (
        _Load("flood", math.inf, 3000 if quick else 10_000, 3 if quick else 9, _BAR_US),
        _Load("5,000/s", 5000.0, 2500 if quick else 5000, 2 if quick else 5, None),
    )
    return asyncio.run(_measure(loads))


async def _measure(loads: Sequence[_Load]) -> Section:
    rows: list[Row] = []
    async with start_broker(kind="mosquitto") as broker:
        for case, (protocol, qos, variants) in _CASES.items():
            takers = {name: _Subscriber(name, broker.url, protocol, qos) for name in variants}
            try:
                with Flood(broker.url, protocol) as flood:
                    for load in loads:
                        spent = await asyncio.to_thread(_rounds, takers, flood, load, qos)
                        rows += _rows(f"{case}, {load.name}", spent, load.bar_us)
            finally:
                for taker in takers.values():
                    taker.close()
    return Section(_TITLE, tuple(rows))


def _rounds(takers: Mapping[str, _Subscriber], flood: Flood, load: _Load, qos: int) -> dict[str, list[dict[str, Any]]]:
    spent: dict[str, list[dict[str, Any]]] = {name: [] for name in takers}
    for number in range(-1, load.rounds):  # the first warms up: imports, caches, topics
        for name, taker in takers.items():
            taker.begin(load.count)
            flood.send(taker.prefix, senders=_SENDERS, rate_hz=load.rate_hz, count=load.count, qos=qos)
            result = taker.result()
            if number >= 0:
                spent[name].append(result)
    return spent


def _rows(case: str, spent: Mapping[str, list[dict[str, Any]]], bar_us: float | None) -> list[Row]:
    cpu = {name: [one["cpu_us"] for one in results] for name, results in spent.items()}
    rows = [row(f"{case}: {_SAYS[name]}", "us/message", samples) for name, samples in cpu.items()]
    for floor in [name for name in _LESS if name in cpu]:
        beyond = [ours - bare for ours, bare in zip(cpu["twind"], cpu[floor], strict=True)]
        rows.append(row(f"  twind less {_LESS[floor]}", "us/message", beyond, bar=None if floor == "json.loads" else bar_us))
    rows.append(row("  batch that twind saw", "messages", [one["batch"] for one in spent["twind"]]))
    return rows


class _Subscriber:
    """One measured process."""

    def __init__(self, variant: str, url: str, protocol: str, qos: int) -> None:
        self.prefix = f"bench-{variant.replace('.', '-')}-{qos}"
        core = str(min(machine.MEASURED))
        command = [sys.executable, "subscriber.py", variant, url, protocol, str(qos), core, self.prefix, str(_SENDERS)]
        self._process = subprocess.Popen(
            command, cwd=Path(__file__).parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._expect("ready")

    def begin(self, count: int) -> None:
        """Let it count CPU time from now until so many messages were handled."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        self._expect("go")

    def result(self) -> dict[str, Any]:
        """Return what it measured."""
        result: dict[str, Any] = json.loads(self._line())
        assert result["cpu_us"] is not None, f"{self.prefix}: not every message arrived"
        return result

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def _expect(self, word: str) -> None:
        line = self._line()
        assert line == word, f"{self.prefix}: {line!r} in place of {word!r}"

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()
