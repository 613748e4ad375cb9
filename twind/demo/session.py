"""One run of the demo: broker, daemon, synthetic robots in a process of their own, and what came of it."""

from __future__ import annotations

import asyncio
import json
import math
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twind.config.load import load
from twind.config.registry import Registry
from twind.demo.check import Check
from twind.demo.motion import cell_motion
from twind.demo.places import cell_root, configuration
from twind.model.errors import MissingExtraError, PermanentError
from twind.runtime.app import Daemon

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from twind.telemetry import Telemetry

_PREFIX = "cell"
_ARRIVAL_S = 5.0
"""How long messages that the broker took may take to arrive, once the robots have stopped [s]."""
_ROBOTS_STOP_S = 15.0
_PERIODS, _MARGIN_MS = 2.0, 20.0
"""The bar for the 99th percentile of latency: so many stage periods, plus so much."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the user may choose."""

    duration_s: float | None = None
    """How long the robots move [s]; None: until the demo is stopped."""
    seed: int = 1
    listen: str = "127.0.0.1:8080"
    embedded_broker: bool = False
    """Use the embedded broker although mosquitto is installed."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where to look while the demo runs."""

    page: str
    stage: str
    broker: str
    configuration: str


@dataclass(frozen=True, slots=True)
class Messages:
    """What became of every message."""

    published: int
    received: int
    processed: int
    refused: int
    dropped: int
    late_samples: int
    """Joint values and poses that came too late to be used, and were counted as such."""
    withheld: int
    """Messages that the robots did not send, on purpose."""
    unexplained: int
    """Messages for which nothing says where they went."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a run showed."""

    ok: bool
    failures: tuple[str, ...]
    seconds: float
    broker: str
    raw: dict[str, float]
    """Error of a twin that copies the newest message, against the truth at the instant that the stage states."""
    estimated: dict[str, float]
    """Error of the live stage, likewise."""
    latency_p50_ms: float
    latency_p99_ms: float
    latency_bar_ms: float
    stage_writes: int
    messages: Messages

    def as_json(self) -> str:
        """Return one JSON object; what could not be measured is null."""
        return json.dumps(_without_nan(asdict(self)), indent=2)


class Session:
    """A running demo."""

    def __init__(self, daemon: Daemon, check: Check, whereabouts: Whereabouts, started_s: float) -> None:
        self.daemon = daemon
        self.check = check
        self.whereabouts = whereabouts
        self._started_s = started_s

    def line(self) -> str:
        """Say in one line how it goes."""
        pump = self.daemon.inlets["floor"].pump
        seconds = time.monotonic() - self._started_s
        median, high = self.check.latencies_ms()
        statuses = [str(one["status"]) for one in self.daemon.entities()]
        counts = ", ".join(f"{statuses.count(word)} {word}" for word in dict.fromkeys(statuses))
        estimated, raw = self.check.errors()
        shown, copied = estimated.joint_rad, raw.joint_rad
        line = f"{seconds:5.0f} s  {counts}  {pump.received / max(seconds, 1e-9):5.0f} msg/s"
        if shown.count:
            line += f"  latency {median:.0f} ms, p99 {high:.0f} ms"
            line += f"  joints off by {shown.rms * 1e3:.2f} mrad (copying: {copied.rms * 1e3:.1f})"
        return line


async def run(
    options: Options,
    *,
    telemetry: Telemetry,
    on_started: Callable[[Whereabouts], None],
    on_progress: Callable[[str], None],
) -> Result:
    """Run the demo until its duration is over or it is asked to stop, and return what it showed.

    Raises:
        TwindError: Something could not be started, or it was asked to stop before the robots moved.
    """
    with tempfile.TemporaryDirectory(prefix="twind-demo-") as folder:
        async with _broker(embedded=options.embedded_broker) as broker:
            file = Path(folder) / "twind.yaml"
            text = configuration(stage=cell_root(), url=broker.url, protocol=broker.protocol, listen=options.listen)
            file.write_text(text, encoding="utf-8")
            daemon = Daemon(load([file], Registry.installed()), telemetry=telemetry)
            with daemon.shutdown.signals():
                try:
                    if not await daemon.start_unless_stopped():
                        raise PermanentError(f"the demo was stopped before the robots moved: {daemon.shutdown.reason}")
                    return await _play(options, daemon, broker, file, on_started=on_started, on_progress=on_progress)
                finally:
                    daemon.shutdown.request("the demo is over")
                    await daemon.drain()


async def _play(
    options: Options,
    daemon: Daemon,
    broker: Any,
    file: Path,
    *,
    on_started: Callable[[Whereabouts], None],
    on_progress: Callable[[str], None],
) -> Result:
    if daemon.twinned is None:
        raise PermanentError(f"{daemon!r} has started without a stage")
    inlet, publisher = daemon.inlets["floor"], daemon.twinned.publisher
    await _until(lambda: inlet.source.health().connected, timeout_s=_ARRIVAL_S)
    started_s = time.monotonic()
    start_ns = time.time_ns()
    check = Check(cell_motion(daemon.twinned.topology, seed=options.seed), start_ns=start_ns, prefix=_PREFIX)
    inlet.pump.on_batch = check.note_batch
    publisher.on_written = check.note_written
    whereabouts = Whereabouts(
        page=daemon.http.url,
        stage=str(file.parent / "live" / "twin.usda"),
        broker=f"{broker.url} ({broker.kind})",
        configuration=str(file),
    )
    session = Session(daemon, check, whereabouts, started_s)
    async with _robots(options, broker, start_ns=start_ns) as robots:
        on_started(whereabouts)
        stopping = asyncio.create_task(daemon.wait(), name="wait for the end of the demo")
        ended = asyncio.create_task(robots.wait(), name="wait for the robots")
        try:
            while not stopping.done() and not ended.done():
                await asyncio.wait({stopping, ended}, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                on_progress(session.line())
        finally:
            stopping.cancel()
            ended.cancel()
            await asyncio.gather(stopping, ended, return_exceptions=True)
        report = await _stop(robots)
    sent = sum(int(topic["sent"]) for topic in report["topics"].values())
    await _until(lambda: inlet.pump.received + inlet.source.intake.dropped_messages >= sent, timeout_s=_ARRIVAL_S)
    await publisher.publish()
    return _judge(daemon, check, report, broker=broker.kind, sent=sent, seconds=time.monotonic() - started_s)


def _judge(daemon: Daemon, check: Check, report: dict[str, Any], *, broker: str, sent: int, seconds: float) -> Result:
    inlet = daemon.inlets["floor"]
    dropped = inlet.source.intake.dropped_messages
    messages = Messages(
        published=sent,
        received=inlet.pump.received,
        processed=inlet.pump.received - inlet.pump.refused,
        refused=inlet.pump.refused,
        dropped=dropped,
        late_samples=inlet.pump.too_old,
        withheld=sum(int(topic["withheld"]) for topic in report["topics"].values()),
        unexplained=max(0, sent - inlet.pump.received - dropped),
    )
    # Once the robots are silent the motion goes on in truth only: there is nothing to compare with.
    estimated, raw = (errors.as_dict() for errors in check.errors(until_s=float(report["until_s"])))
    median, high = check.latencies_ms()
    bar_ms = _PERIODS * 1e3 / daemon.settings.stage.rate_hz + _MARGIN_MS
    failures = [
        f"{name}: estimated {estimated[name]:.3g} is not below raw {raw[name]:.3g}"
        for name in raw
        if not estimated[name] < raw[name]
    ]
    if math.isnan(estimated["joint_rmse_rad"]):
        failures = ["nothing was compared: the robots moved for less than 3 s"]
    if not high < bar_ms:
        failures.append(f"latency p99 {high:.1f} ms is not below {bar_ms:.1f} ms")
    if messages.unexplained:
        failures.append(f"{messages.unexplained} messages were published, and neither received nor counted as lost")
    if messages.refused:
        failures.append(f"{messages.refused} honest messages were refused")
    if messages.dropped:
        failures.append(f"{messages.dropped} messages were dropped for want of room")
    return Result(
        ok=not failures,
        failures=tuple(failures),
        seconds=seconds,
        broker=broker,
        raw=raw,
        estimated=estimated,
        latency_p50_ms=median,
        latency_p99_ms=high,
        latency_bar_ms=bar_ms,
        stage_writes=check.writes,
        messages=messages,
    )


@asynccontextmanager
async def _broker(*, embedded: bool) -> AsyncIterator[Any]:
    try:
        from twind_mqtt.broker import start_broker  # an optional extra
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"the demo needs MQTT ({error}): pip install 'twind[demo]'") from error
    async with start_broker(kind="embedded" if embedded else None) as broker:
        yield broker


@asynccontextmanager
async def _robots(options: Options, broker: Any, *, start_ns: int) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start the synthetic robots; they end with the block."""
    arguments = [
        *("--stage", str(cell_root()), "--url", broker.url, "--protocol", broker.protocol, "--qos", "1"),
        *("--prefix", _PREFIX, "--seed", str(options.seed), "--start-ns", str(start_ns)),
        *(() if options.duration_s is None else ("--duration", str(options.duration_s))),
    ]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "twind.demo.robots",
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,  # Ctrl-C is for the demo; it tells the robots
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _stop(robots: asyncio.subprocess.Process) -> dict[str, Any]:
    """Stop the robots and return their report of what they published."""
    try:
        async with asyncio.timeout(_ROBOTS_STOP_S):
            output, _ = await robots.communicate()  # closes their standard input, which tells them to stop
    except TimeoutError as error:
        raise PermanentError(f"the synthetic robots did not stop within {_ROBOTS_STOP_S:g} s") from error
    try:
        report: dict[str, Any] = json.loads(output)
    except ValueError as error:
        raise PermanentError(f"the synthetic robots failed (exit code {robots.returncode})") from error
    return report


async def _until(condition: Callable[[], bool], *, timeout_s: float) -> None:
    """Wait until something is so, or no longer."""
    deadline = time.monotonic() + timeout_s
    while not condition() and time.monotonic() < deadline:  # noqa: ASYNC110  (counters of others, which tell nobody)
        await asyncio.sleep(0.02)


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
