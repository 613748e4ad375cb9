"""What durability costs: MQTT QoS 1 acknowledged on the disk beside QoS 1 acknowledged once processed; snapshots, restarts.

The broker holds a backlog, and the daemon's way - source, pump, estimators, with a recorder or without - takes it as fast as it
can, until the last acknowledgement. Both ways in every round, one after the other.
"""

from __future__ import annotations

import asyncio
import math
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import machine
import robots
from flood import Flood
from table import Row, Section, row

from twind.codecs.joint_state import JointStateCodec
from twind.config.base import RouteSettings
from twind.config.settings import EstimationSettings
from twind.flow.sinks import SinkContext
from twind.flow.snapshot_file import SnapshotFolder, decode, encode
from twind.record.recorder import Recorder
from twind.record.settings import McapSettings
from twind.runtime.bindings import Bindings
from twind.runtime.estimators import Estimators
from twind.runtime.pipeline import Feed
from twind.runtime.pump import Pump
from twind.runtime.restart.state import capture, from_parts, restore, to_parts
from twind.telemetry import Telemetry
from twind_mqtt import adapter
from twind_mqtt.broker import mosquitto, start_broker

_SENDERS = 50
_BAR = 1 / 0.6
_TITLE = f"Durability, {_SENDERS} robots of {robots.JOINTS} joints"


def measure(*, quick: bool) -> Section:
    """Measure both."""
    rows = _restarts(3 if quick else 15)
    if mosquitto() is not None:
        rows = (*asyncio.run(_acknowledging(3 if quick else 9, 5000 if quick else 20_000)), *rows)
    return Section(_TITLE, rows)


async def _acknowledging(rounds: int, count: int) -> tuple[Row, ...]:
    spent: dict[bool, list[float]] = {False: [], True: []}
    topology = robots.topology(_SENDERS)
    with tempfile.TemporaryDirectory() as folder:
        async with start_broker(kind="mosquitto") as broker:
            for number in range(-1, rounds):
                for durable in (False, True):
                    where = Path(folder) / str(number) if durable else None
                    seconds = await _drain(broker.url, f"durable-{durable}", topology, where, count)
                    if number >= 0:
                        spent[durable].append(seconds / count * 1e6)
    share = [durable / processed for durable, processed in zip(spent[True], spent[False], strict=True)]
    return (
        row("MQTT QoS 1, acknowledged once processed", "us/message", spent[False]),
        row("MQTT QoS 1, acknowledged on the disk", "us/message", spent[True]),
        row("  ratio: 1.67 is 60 % of the rate", "times", share, bar=_BAR),
    )


async def _drain(url: str, name: str, topology: Any, folder: Path | None, count: int) -> float:
    """Let the broker hold a backlog, and return how long it takes to acknowledge all of it [s]."""
    prefix = f"bench/{name}"
    routes = [{"topic": f"{prefix}/{{entity}}/joint_state", "codec": "joint_state"}]
    settings = adapter.settings.model_validate({"type": "mqtt", "url": url, "routes": routes, "status_topic": None})
    with ExitStack() as stack:
        telemetry = stack.enter_context(Telemetry())
        await _once(adapter.open("bench", settings, instance=name, telemetry=telemetry))  # the session is there from now on
        flood = stack.enter_context(Flood(url, "5"))  # closing it would take back what the broker has not read yet
        await asyncio.to_thread(flood.send, prefix, senders=_SENDERS, rate_hz=math.inf, count=count, qos=1)
        await asyncio.sleep(0.5)
        estimators = Estimators(topology, EstimationSettings())
        estimators.warm_up()
        parsed = [RouteSettings.model_validate(route) for route in routes]
        bindings = Bindings(parsed, {"joint_state": JointStateCodec()}, topology, estimators)
        recorders = []
        if folder is not None:
            options = McapSettings.model_validate({"type": "mcap", "path": folder})
            recorders.append(Recorder("bench", options, SinkContext("bench", "", {"bench": parsed}, telemetry)))
        source: Any = adapter.open("bench", settings, instance=name, telemetry=telemetry)
        feed = Feed(bindings, estimators, on_refused=lambda *_: None)
        pump = Pump(source, feed, batch_s=0.002, telemetry=telemetry, on_report=lambda _: None, recorders=recorders)
        acknowledged, really, over = 0, source.acknowledge, asyncio.Event()

        def acknowledge(part: int) -> None:
            nonlocal acknowledged
            really(part)
            acknowledged += part
            if acknowledged >= count:
                over.set()

        pump._acknowledge = acknowledge  # noqa: SLF001  (to see when it is over)
        begun = time.perf_counter()
        tasks = [asyncio.create_task(work) for work in (source.run(), pump.run(), *(one.run() for one in recorders))]
        async with asyncio.timeout(120):
            await over.wait()
        seconds = time.perf_counter() - begun
        await source.aclose()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in recorders:
            await one.aclose()
    return seconds


async def _once(source: Any) -> None:
    task = asyncio.create_task(source.run())
    while not source.health().connected:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await asyncio.wait({source._link.granted}, timeout=30)  # noqa: SLF001
    await source.aclose()
    await task


def _restarts(rounds: int) -> tuple[Row, ...]:
    topology = robots.topology(_SENDERS)
    before = _fed(topology)
    spent: dict[str, list[float]] = {}

    def note(name: str, started: float) -> None:
        spent.setdefault(name, []).append((time.perf_counter() - started) * 1e3)

    size = 0
    with tempfile.TemporaryDirectory() as name, machine.on(machine.MEASURED):
        folder = SnapshotFolder(Path(name))
        for _ in range(rounds):
            started = time.perf_counter()
            state = capture(before)
            note("copy the state: samples wait", started)
            started = time.perf_counter()
            description, parts = to_parts(state)
            content = encode({"state": description}, parts)
            folder.write(content)
            note("encode and write it, in a thread", started)
            size = len(content)
            after = Estimators(topology, EstimationSettings())
            started = time.perf_counter()
            header, read = decode(next(folder.newest_first())[1])
            restore(after, from_parts(header["state"], read, after))
            note("restore it", started)
    sized = row("size of the snapshot", "kB", [size / 1e3])
    return (*(row(what, "ms", samples) for what, samples in spent.items()), sized)


def _fed(topology: Any) -> Estimators:
    """Return banks whose rings are full."""
    estimators = Estimators(topology, EstimationSettings())
    route = RouteSettings.model_validate({"topic": robots.PATTERN, "codec": "joint_state"})
    bindings = Bindings([route], {"joint_state": JointStateCodec()}, topology, estimators)
    feed = Feed(bindings, estimators, on_refused=lambda *_: None)
    stream = robots.Stream(_SENDERS, start_ns=1_800_000_000_000_000_000)
    for _ in range(300):
        feed.process(stream.take(_SENDERS))
    return estimators
