"""What it costs to record a message, what of that the event loop pays, and how fast a recording is replayed. CPU time."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import machine
import robots
from table import Row, Section, row

from twind.codecs.joint_state import JointStateCodec
from twind.config.base import RouteSettings, SourceSettings
from twind.config.registry import Present, Registry
from twind.config.settings import Settings, StageSettings
from twind.flow.sinks import SinkContext
from twind.model.messages import RawMessage
from twind.model.time import NS_PER_MS, NS_PER_S
from twind.record.recorder import Recorder
from twind.record.settings import McapSettings
from twind.runtime.replay.run import ReplayOptions, replay_to_folder
from twind.telemetry import Telemetry

_ROUTES = (RouteSettings.model_validate({"topic": robots.PATTERN, "codec": "joint_state"}),)
_START_NS = 1_800_000_000_000_000_000
_BATCH = 64
_RATE_HZ = 1000
_DELAY_NS = 2 * NS_PER_MS


def measure(*, quick: bool) -> Section:
    """Record and replay what one arm of seven joints sends, with velocities."""
    with machine.on(machine.MEASURED):
        return _measure(quick=quick)


def _measure(*, quick: bool) -> Section:
    rounds, seconds = (3, 5) if quick else (7, 60)
    stamps = [_START_NS + index * NS_PER_S // _RATE_HZ for index in range(seconds * _RATE_HZ)]
    messages = [RawMessage(robots.topic(0), robots.payload(0, stamp), stamp + _DELAY_NS) for stamp in stamps]
    folder = Path(tempfile.mkdtemp(prefix="twind-bench-"))
    rows: list[Row] = []
    try:
        for compression in ("zstd", "lz4", "none"):
            found = [asyncio.run(_record(folder / "rec", messages, compression)) for _ in range(rounds)]
            rows.append(row(f"record a message, all threads, {compression}", "us", [total for total, _, _ in found]))
            rows.append(row(f"  of that on the event loop, {compression}", "us", [offer for _, offer, _ in found]))
            rows.append(row(f"  bytes in the file, {compression}", "B", [size for _, _, size in found]))
        asyncio.run(_record(folder / "rec", messages, "zstd"))
        recorded = sorted((folder / "rec").iterdir())
        times = [_replay(recorded, folder / "out") for _ in range(rounds + 1)][1:]  # the first one loads kernels
        rows.append(row("replay 1 s of 1 kHz, 7 joints a message", "ms", [1e3 * spent / seconds for spent in times], bar=20.0))
    finally:
        shutil.rmtree(folder)
    return Section(f"recording and replay; payloads of {len(messages[-1].payload)} bytes", tuple(rows))


async def _record(folder: Path, messages: list[RawMessage], compression: str) -> tuple[float, float, float]:
    """Return CPU time a message in all [us], of `offer` alone [us], and the size in the file [bytes]."""
    shutil.rmtree(folder, ignore_errors=True)
    with Telemetry() as telemetry:
        settings = McapSettings.model_validate(
            {"type": "mcap", "path": folder, "compression": compression, "max_pending_messages": len(messages)}
        )
        recorder = Recorder("r", settings, SinkContext("bench", "", {"floor": _ROUTES}, telemetry))
        began, offering = time.process_time(), 0.0
        for index in range(0, len(messages), _BATCH):
            batch = messages[index : index + _BATCH]
            started = time.process_time()
            recorder.offer("floor", batch)
            offering += time.process_time() - started
        await recorder.aclose()
        spent = time.process_time() - began
        assert recorder.recorded == len(messages)
    size = sum(path.stat().st_size for path in folder.iterdir())  # noqa: ASYNC240  (nothing else runs)
    return 1e6 * spent / len(messages), 1e6 * offering / len(messages), size / len(messages)


def _replay(paths: list[Path], out: Path) -> float:
    """Return the CPU time of one replay [s]."""
    source = SourceSettings(type="bench", routes=_ROUTES)
    settings = Settings(stage=StageSettings(root="memory"), sources={"floor": source})
    registry = Registry(codecs={"joint_state": Present(JointStateCodec)})
    loaded: Any = SimpleNamespace(settings=settings, registry=registry)
    topology = robots.topology(1)
    began = time.process_time()
    summary = replay_to_folder(paths, loaded, topology, out, options=ReplayOptions())
    spent = time.process_time() - began
    assert not any(stream["refused"] for stream in summary["streams"])
    return spent
