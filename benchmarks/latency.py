"""How old a measurement is when its value stands in the stage: a real broker, and the real daemon at 30 Hz.

The daemon, the broker and the publisher are three processes; the daemon has a core of its own where there are two. Robots send
100 messages a second each, so the stage grows with the rate. Stamps and both readings of the clock come from one machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import machine
import robots
from flood import Flood
from table import Row, Section, row

from twind_mqtt.broker import mosquitto, start_broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_RATES_HZ = (100, 1000, 5000)
_STAGE_HZ = 30
_BAR_MS = 2 * 1e3 / _STAGE_HZ + 20
"""Two stage periods plus 20 ms, for the 99th percentile."""
_READY_S = 120.0
_ARRIVE_S = 10.0


def measure(*, quick: bool) -> Section:
    """Measure every rate in turn, with a daemon of its own."""
    title = f"End to end, mosquitto and the daemon at {_STAGE_HZ} Hz, QoS 1, MQTT 5"
    if mosquitto() is None:
        return Section(title, skipped="mosquitto is not installed")
    rows: list[Row] = []
    for rate_hz in _RATES_HZ:
        rounds = asyncio.run(_measure(rate_hz, rounds=2 if quick else 5, seconds=2 if quick else 5))
        for name, unit, bar in (
            ("stamp to stage, p50", "ms", None),
            ("stamp to stage, p99", "ms", _BAR_MS),
            ("stamp to receipt, p50", "ms", None),
            ("stamp to receipt, p99", "ms", None),
            ("CPU of the daemon", "%", None),
            ("messages missing in the stage", "messages", 0.0),
        ):
            rows.append(row(f"{rate_hz} messages/s: {name}", unit, [one[name] for one in rounds], bar=bar))
    return Section(title, tuple(rows))


async def _measure(rate_hz: int, *, rounds: int, seconds: int) -> list[dict[str, float]]:
    senders, count = max(1, rate_hz // robots.RATE_HZ), rate_hz * seconds
    found = []
    with tempfile.TemporaryDirectory(prefix="twind-bench-") as folder:
        async with start_broker(kind="mosquitto") as broker, _daemon(Path(folder), broker.url, senders) as daemon:
            with Flood(broker.url, "5") as flood:
                for number in range(-1, rounds):  # the first warms up
                    await daemon.ask({"expect": count})
                    await asyncio.to_thread(flood.send, "cell", senders=senders, rate_hz=rate_hz, count=count, qos=1)
                    result = await daemon.answer()
                    if number >= 0:
                        found.append(result)
    return found


class _Daemon:
    """The process that is measured (see `watched_daemon.py`)."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def ask(self, request: dict[str, Any]) -> None:
        """Send a request, and wait until it was heard."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        await self.answer()

    async def answer(self) -> dict[str, Any]:
        """Return the next line that it writes."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), _READY_S)
        assert line, "the daemon ended"
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextlib.asynccontextmanager
async def _daemon(folder: Path, url: str, senders: int) -> AsyncIterator[_Daemon]:
    stage, config = folder / "cell.usda", folder / "twind.yaml"
    robots.write_stage(senders, stage)
    config.write_text(
        f"instance: bench\nstate_dir: {folder / 'state'}\nstage: {{root: {stage}, rate_hz: {_STAGE_HZ}}}\n"
        f'http: {{listen: "127.0.0.1:0"}}\nlog: {{level: error}}\nsources:\n  floor:\n    type: mqtt\n    url: {url}\n'
        f'    routes: [{{topic: "{robots.PATTERN}", codec: joint_state}}]\n',
        encoding="utf-8",
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("watched_daemon.py")),
        str(config),
        str(min(machine.MEASURED)),
        str(_ARRIVE_S),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    daemon = _Daemon(process)
    try:
        await daemon.answer()  # it is ready
        yield daemon
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
