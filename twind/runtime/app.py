"""The composition root: the one place where a daemon's parts are made and joined."""

from __future__ import annotations

import asyncio
import hashlib
import sys
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import twind
from twind.config.against import check_against
from twind.estimation.compilation import missing_parts
from twind.flow.dead_letters import RETRY, DeadLetters, RetryFolder
from twind.flow.delivery import Delivery
from twind.flow.sinks import LogSink, NoticeSink, RawSink, ServiceSink, TwinKeeper
from twind.model.errors import ConfigurationError
from twind.model.refusals import Refusal
from twind.model.time import ms_to_ns
from twind.runtime.announcer import Announcer
from twind.runtime.bindings import bindings_of
from twind.runtime.compilation import compile_apart
from twind.runtime.disk_room import when_there_is_room
from twind.runtime.documents import entity_document, entity_list
from twind.runtime.estimators import Estimators
from twind.runtime.figures import LiveFigures, stream_list
from twind.runtime.health import Facts, Health, judge
from twind.runtime.http.server import HttpServer
from twind.runtime.http.views import Views
from twind.runtime.journal import Happening, Journal
from twind.runtime.live_copy import LiveCopies
from twind.runtime.live_stage import open_live_stage
from twind.runtime.loop import run_on_loop
from twind.runtime.notify import Notifier
from twind.runtime.pipeline import Feed
from twind.runtime.publisher import Publisher
from twind.runtime.pump import Pump
from twind.runtime.restart.hand_over import HandOver, Ours
from twind.runtime.restart.recovery import Recovery
from twind.runtime.restart.saver import FOLDER, Saver
from twind.runtime.restart.streams import Streams
from twind.runtime.retries import Retries
from twind.runtime.scene import SceneCopy
from twind.runtime.sharing import open_shared
from twind.runtime.shutdown import Shutdown, Step
from twind.runtime.sinks import open_sinks
from twind.runtime.snapshots import SnapshotWriter
from twind.runtime.stage_view import StageView
from twind.runtime.status import status_document
from twind.runtime.supervisor import RestartPolicy, Supervisor
from twind.runtime.traces import Traces
from twind.runtime.unwaited import unwaited
from twind.runtime.viewers import viewer_hub
from twind.sources.protocol import ResumableSource
from twind.stage.bootstrap import bootstrap_of
from twind.stage.part import beneath_parts
from twind.stage.thread import StageThread
from twind.telemetry import Telemetry, events
from twind.telemetry.lag import LoopLag
from twind.telemetry.wall_clock import WallClock
from twind.twin import Twin
from twind.twin import warm_up as warm_up_twin

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from twind.config.load import Loaded
    from twind.flow.shared_streams import SharedStreams
    from twind.flow.sinks import Sink
    from twind.model.errors import RefusedInput
    from twind.model.messages import RawMessage
    from twind.model.state import Update
    from twind.model.topology import Topology
    from twind.runtime.bindings import Bindings
    from twind.runtime.pipeline import BatchReport
    from twind.runtime.restart.recovery import Recovered
    from twind.sources.protocol import LossySource
    from twind.stage.live import LiveStage
    from twind.viewers.hub import Hub

_CLOSE_RESERVE_S = 3.0
"""What the last steps of the drain may count on, however long the first ones take [s]."""

_SNAPSHOT_S = 5.0
"""How long the first and the last snapshot of the state may take [s]."""

_HELD_START_S = 60.0
"""How much longer the service manager is asked to wait for a start that a full disk holds up, at each try [s]."""

T = TypeVar("T")

SWITCH_S = 0.0005
"""How long another thread may go on while the event loop waits for Python's global lock [s]. Writing the stage takes another
thread milliseconds at every tick; Python's default of 5 ms would be the loop's lag."""


@dataclass(frozen=True, slots=True)
class Inlet:
    """One source and the pump that empties it."""

    type: str
    source: LossySource
    pump: Pump


@dataclass(frozen=True, slots=True)
class Twinned:
    """What exists once the stage is open: the stage and everything laid out after its topology."""

    topology: Topology
    stage: LiveStage
    estimators: Estimators
    publisher: Publisher
    snapshots: SnapshotWriter | None
    files: StageView
    viewers: Hub
    bindings: Mapping[str, Bindings]
    """What the topics of each source stand for, by its name."""
    recovered: Recovered
    """What an earlier life left."""
    log: LogSink | None
    """The recording that a restart reads on in."""
    scene: SceneCopy
    traces: Traces


class Daemon:
    """One daemon, from configuration to exit code. Used once: `start`, then `drain`."""

    def __init__(self, loaded: Loaded, *, telemetry: Telemetry) -> None:
        self.settings = loaded.settings
        self.telemetry = telemetry
        self.shutdown = Shutdown(telemetry, deadline_s=self.settings.shutdown_s)
        self.inlets: dict[str, Inlet] = {}
        self.recorders: list[RawSink] = []
        self.tellers: list[NoticeSink | ServiceSink] = []
        """Sinks that talk to others over the network; nothing of the daemon waits for them."""
        self.twinned: Twinned | None = None
        """None until the stage is open."""
        self._loaded = loaded
        self._born_s = time.monotonic()
        self._starting = "opening the listener"
        self._started = False
        self._lag = LoopLag(telemetry)
        self._journal = Journal(self._tell)
        self._notifier = Notifier.from_environment()
        self._supervisor = Supervisor(telemetry)
        self._thread = StageThread()
        self._gate = asyncio.Lock()
        """Held by whoever changes the state, and while it is copied."""
        self._saver: Saver | None = None
        self._hand_overs: dict[str, HandOver] = {}
        """By source, where its streams go from daemon to daemon."""
        self._ours: Ours | None = None
        """Whom this daemon is to tell of; None for all."""
        self._shared: SharedStreams | None = None
        """What they go through."""
        self._sinks: list[Sink] = []
        self._dead_letters = DeadLetters(self.settings.state_dir / "dead-letters", telemetry=telemetry)
        views = Views(
            health=self.health,
            status=self._status,
            entities=self.entities,
            entity=self._entity,
            streams=self._streams,
            metrics=telemetry.render_metrics,
            stage=lambda: None if self.twinned is None else self.twinned.files,
            scene=lambda: self.twinned.scene.get() if self.twinned is not None and self._started else None,
            trace=self._trace,
            live=lambda: self.twinned.viewers if self.twinned is not None and self._started else None,
            twins=lambda: next((sink for sink in self.tellers if isinstance(sink, TwinKeeper)), None),
        )
        self.http = HttpServer(self.settings.http, views, count=telemetry.metrics.count_request)
        telemetry.metrics.set_config_hash(hashlib.sha256(self.settings.model_dump_json().encode()).hexdigest()[:12])
        telemetry.metrics.watched.components = self._supervisor.states
        telemetry.metrics.watched.ready = lambda: self.health().ready.ok

    def __repr__(self) -> str:
        """Show where it is in its life."""
        state = "draining" if self.shutdown.requested else "running" if self._started else f"starting, {self._starting}"
        return f"<Daemon {self.settings.instance} {state}>"

    # Starting.

    async def start(self) -> None:
        """Start everything; the probes answer from the first moment, ready comes last.

        Raises:
            ConfigurationError: The configuration names what the stage does not have.
            StageError: The stage cannot be opened, or the snapshot cannot be written.
            PermanentError: `state_dir` cannot be written.
            RetryableError: The listener's address is taken.
            MissingExtraError: A source's adapter is not installed.
        """
        settings = self.settings
        self.telemetry.emit(events.DaemonStarting(instance=settings.instance, version=twind.__version__))
        self._supervisor.supervise("event loop lag", self._lag.run)
        self._supervisor.supervise("wall clock", WallClock(self.telemetry).run)
        await self.http.start()
        self._starting = f"opening the stage {settings.stage.root}"
        stage = await self._with_room(lambda: self._thread.call(open_live_stage, settings))
        topology = stage.topology
        problems = check_against(settings, topology, self._loaded.marks)
        if problems:
            raise ConfigurationError(problems)
        self._open_sinks(stage)
        self.twinned = twinned = await self._lay_out(stage)
        self.telemetry.metrics.estimation.figures = LiveFigures(
            topology, twinned.estimators, update=self._update, now_ns=time.time_ns
        )
        self._supervisor.supervise("dead letters", self._dead_letters.run)
        await twinned.publisher.publish()
        self._supervisor.supervise("publisher", twinned.publisher.run)
        if twinned.snapshots is not None:
            self._starting = f"writing the stage to {twinned.snapshots.folder}"
            await self._with_room(twinned.snapshots.open)
            self._supervisor.supervise("snapshots", twinned.snapshots.run)
        self._starting = "opening the sources"
        self._announce(twinned)
        await self._open_sources(twinned)
        self._supervisor.supervise("watchdog", lambda: self._notifier.run(lambda: self.health().live.ok))
        self._started = True
        robots, objects = len(topology.robots), len(topology.objects)
        seconds = round(time.monotonic() - self._born_s, 3)
        self.telemetry.emit(
            events.DaemonReady(instance=settings.instance, http=self.http.url, robots=robots, objects=objects, seconds=seconds)
        )
        self._notifier.ready(f"{robots} robots and {objects} objects; {self.http.url}")

    async def _with_room(self, step: Callable[[], Awaitable[T]]) -> T:
        """Do a step that writes; while the disk is full, wait, and say so to whoever asks."""

        def waiting(error: str) -> None:
            self._starting = f"{error}; it is tried again"
            self._notifier.starting(self._starting, within_s=_HELD_START_S)

        return await when_there_is_room(step, telemetry=self.telemetry, waiting=waiting)

    async def _lay_out(self, stage: LiveStage) -> Twinned:
        """Make what depends on the topology, and compile the kernels: off the loop, so that the probes answer meanwhile."""
        settings, topology = self.settings, stage.topology
        self._starting = "compiling kernels"
        estimators = Estimators(topology, settings.estimation)
        twin = Twin(
            topology,
            fresh_ns=ms_to_ns(settings.estimation.fresh_ms),
            coast_ns=ms_to_ns(settings.estimation.coast_ms),
            lost_ns=ms_to_ns(settings.estimation.lost_ms),
        )
        await compile_apart(await asyncio.to_thread(missing_parts))
        # The stage's thread has nothing else to do meanwhile.
        bootstrap, _ = await asyncio.gather(self._thread.call(bootstrap_of, stage), unwaited(estimators.warm_up))
        await unwaited(warm_up_twin)
        self._starting = "restoring the state"
        registry = self._loaded.registry
        bindings = {
            name: bindings_of(name, source, registry, topology, estimators, journal=self._journal)
            for name, source in settings.sources.items()
        }
        log = next((recorder for recorder in self.recorders if isinstance(recorder, LogSink)), None)
        recovery = Recovery(
            settings.state_dir / FOLDER,
            estimators,
            bindings,
            log,
            rebuild_s=settings.restart.rebuild_s,
            telemetry=self.telemetry,
        )
        recovered = await unwaited(recovery.run)
        publisher = Publisher(
            settings.stage,
            estimators=estimators,
            twin=twin,
            stage=stage,
            thread=self._thread,
            telemetry=self.telemetry,
        )
        copies = LiveCopies(stage, self._thread, seq=self._seq)
        snapshots, beneath = None, None
        self._shared = await asyncio.to_thread(open_shared, self._loaded, self.telemetry, generation=stage.holder.generation)
        if settings.stage.snapshot is not None:
            if self._shared is not None:
                beneath = await self._thread.call(beneath_parts, stage, self._shared.layers)
            snapshots = SnapshotWriter(
                settings.stage.snapshot,
                stage=stage,
                thread=self._thread,
                copies=copies,
                publisher=publisher,
                telemetry=self.telemetry,
                beneath=beneath,
                shared=self._shared,
                hand_overs=self._hand_overs,
            )
        files = StageView(bootstrap, copies, settings.instance, self._seq)
        viewers = viewer_hub(settings, stage, files, telemetry=self.telemetry)
        publisher.on_failing = viewers.set_stale
        traces = Traces(topology, estimators, now_s=time.monotonic)
        publisher.on_shown = traces.show

        async def live_layer() -> bytes:
            return (await copies.newest()).data

        scene = SceneCopy(settings.stage.root, live_layer)
        return Twinned(
            topology, stage, estimators, publisher, snapshots, files, viewers, bindings, recovered, log, scene, traces
        )

    def _open_sinks(self, stage: LiveStage) -> None:
        """Make the sinks before the sources, so that they miss nothing, and before the state is restored from a recording."""
        self._sinks = open_sinks(
            self._loaded,
            self.telemetry,
            generation=stage.holder.generation,
            robots=[robot.id for robot in stage.topology.robots],
            # What waits at a stop is told all the same: the next owner may never have known of it.
            tells=lambda entity: self._ours is None or self.shutdown.requested or self._ours.tells(entity),
        )
        self.recorders = [sink for sink in self._sinks if isinstance(sink, RawSink)]
        for recorder in self.recorders:
            self._supervisor.supervise(f"sink {recorder.name}", recorder.run)

    def _announce(self, twinned: Twinned) -> None:
        """Let the other sinks work, and tell them what is shown."""
        sinks = self._sinks
        aside = RestartPolicy(critical=False)
        services = [sink for sink in sinks if isinstance(sink, ServiceSink)]
        for service in services:
            self._supervisor.supervise(f"sink {service.name}", service.serve, policy=aside)
        told = [sink for sink in sinks if isinstance(sink, NoticeSink)]
        self.tellers = [*services, *told]
        if self._shared is not None:
            self._ours = Ours(twinned.estimators, self._hand_overs)
        if told:
            announcer = Announcer(
                twinned.topology,
                told,
                current=self._update,
                telemetry=self.telemetry,
                repeat_s=self.settings.log.repeat_s,
                ours=(lambda: None) if self._ours is None else self._ours,
            )

            def note_shown(update: Update) -> None:
                twinned.traces.show(update)
                announcer.note_update(update)

            twinned.publisher.on_shown = note_shown
            if twinned.publisher.current is not None:
                announcer.note_update(twinned.publisher.current)
            self.telemetry.listener = announcer.note_event
        for sink in told:
            if isinstance(sink, Delivery):
                self.telemetry.metrics.watched.outboxes[sink.name] = sink.outbox.__len__
            self._supervisor.supervise(f"sink {sink.name}", sink.run, policy=aside)
            if sink.settings.state_hz:
                self._supervisor.supervise(f"states to {sink.name}", partial(announcer.tell_states, sink), policy=aside)

    async def _open_sources(self, twinned: Twinned) -> None:
        registry, settings, metrics = self._loaded.registry, self.settings, self.telemetry.metrics
        pumps: dict[str, tuple[LossySource, Pump]] = {}
        self._saver = saver = Saver(
            settings.state_dir,
            instance=settings.instance,
            generation=twinned.stage.holder.generation,
            estimators=twinned.estimators,
            pumps=pumps,
            hand_overs=self._hand_overs,
            log=twinned.log,
            gate=self._gate,
            interval_s=settings.restart.snapshot_s,
            telemetry=self.telemetry,
        )
        metrics.watched.snapshot_age_s = lambda: None if saver.written_s is None else time.monotonic() - saver.written_s

        def on_report(report: BatchReport) -> None:
            twinned.publisher.note_used(report.used_ns)

        for name, of_source in settings.sources.items():
            adapter = registry.sources.load(of_source.type)
            source = adapter.open(name, of_source, instance=settings.instance, telemetry=self.telemetry)
            pump = Pump(
                source,
                Feed(twinned.bindings[name], twinned.estimators, on_refused=partial(self._keep, name)),
                batch_s=settings.estimation.batch_ms / 1e3,
                telemetry=self.telemetry,
                on_report=on_report,
                recorders=self.recorders,
                gate=self._gate,
            )
            if name in twinned.recovered.watermarks:
                pump.watermark = twinned.recovered.watermarks[name]
            if isinstance(source, ResumableSource):
                chosen = settings.restart.hand_over
                if self._shared is not None and chosen is not None:
                    self._hand_overs[name] = HandOver(
                        name,
                        self._shared,
                        instance=settings.instance,
                        estimators=twinned.estimators,
                        bindings=twinned.bindings[name],
                        gate=self._gate,
                        on_taken=twinned.publisher.note_restored,
                        telemetry=self.telemetry,
                        look_s=chosen.look_s,
                        moved_s=chosen.moved_s,
                    )
                    self._supervisor.supervise(f"rosters of {name}", self._hand_overs[name].run)
                source.keep_with(Streams(pump, saver, hand_over=self._hand_overs.get(name)))
            self.telemetry.declare_source(name)
            self.inlets[name] = Inlet(of_source.type, source, pump)
            pumps[name] = (source, pump)
            metrics.watch_queue(name, source.intake)
            metrics.watch_connection(name, partial(_connected, source))
        # Before anything is acknowledged: from now on what is recorded lies beyond a snapshot, in whatever file it begins.
        await self._save_within(saver)
        self._supervisor.supervise("state snapshots", saver.run)
        retries = Retries(
            RetryFolder(settings.state_dir / "dead-letters" / RETRY),
            {name: pump for name, (_, pump) in pumps.items()},
            telemetry=self.telemetry,
        )
        self._supervisor.supervise("dead letters to retry", retries.run)
        for name, inlet in self.inlets.items():
            self._supervisor.supervise(f"pump {name}", inlet.pump.run)
            self._supervisor.supervise(f"source {name}", inlet.source.run)

    def _tell(self, happening: Happening) -> None:
        self.telemetry.emit(
            events.EntityEvent(
                source=happening.source, entity=happening.entity, happened=happening.name, stamp_ns=happening.stamp_ns
            )
        )

    def _keep(self, source: str, message: RawMessage, refusal: RefusedInput) -> None:
        if refusal.reason is Refusal.OTHER_SHARD:
            return
        self._dead_letters.offer(message, source=source, reason=refusal.reason, detail=str(refusal))

    async def start_unless_stopped(self) -> bool:
        """Start everything, or give it up when the daemon has to stop before it is ready; return whether it has started.

        Raises:
            TwindError: As `start` does.
        """
        waiting = asyncio.create_task(self.wait(), name="wait for the end")
        starting = asyncio.create_task(self.start(), name="start the daemon")
        try:
            await asyncio.wait({waiting, starting}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                await starting
            return starting.done()
        finally:
            for task in (waiting, starting):
                task.cancel()
            await asyncio.gather(waiting, starting, return_exceptions=True)

    # Running.

    async def wait(self) -> None:
        """Wait until the daemon has to stop: it was asked to, or a component failed for good."""
        failed = asyncio.create_task(self._supervisor.wait_given_up(), name="wait for a component to fail for good")
        asked = asyncio.create_task(self.shutdown.wait(), name="wait for shutdown")
        try:
            await asyncio.wait({failed, asked}, return_when=asyncio.FIRST_COMPLETED)
            if failed.done():
                component = failed.result()
                self.shutdown.request(f"component {component.name!r} failed for good: {component.error}", exit_code=1)
        finally:
            for task in (failed, asked):
                task.cancel()
            await asyncio.gather(failed, asked, return_exceptions=True)

    def health(self) -> Health:
        """Answer the three probes, now."""
        twinned, stage_ok_s = self.twinned, None
        if twinned is not None:
            stage_ok_s = twinned.publisher.last_ok_monotonic_s
            if twinned.snapshots is not None:
                stage_ok_s = min(stage_ok_s, twinned.snapshots.last_ok_monotonic_s)
        facts = Facts(
            now_s=time.monotonic(),
            started=self._started,
            draining=self.shutdown.requested,
            starting=self._starting,
            heartbeat_s=self._lag.heartbeat_monotonic_s,
            stage_ok_s=stage_ok_s,
            sources={name: inlet.source.health() for name, inlet in self.inlets.items()},
            recordings={
                log.name: (log.held_since_s, log.trouble)
                for log in self.recorders
                if isinstance(log, LogSink) and log.held_since_s is not None
            },
            components=self._supervisor.status(),
        )
        return judge(facts, self.settings.health)

    def _status(self) -> object:
        twinned = self.twinned
        return status_document(
            self.settings,
            health=self.health(),
            uptime_s=time.monotonic() - self._born_s,
            seq=self._seq(),
            written_values=0 if twinned is None else twinned.publisher.written_values,
            url=None if twinned is None else twinned.files.url,
            inlets=self.inlets,
            components=self._supervisor.status(),
        )

    def _update(self) -> Update | None:
        return None if self.twinned is None else self.twinned.publisher.current

    def _seq(self) -> int:
        update = self._update()
        return 0 if update is None else update.seq

    def entities(self) -> list[dict[str, object]]:
        """Return `id`, `kind`, `prim`, `status` and `age_ms` of every entity, now."""
        update = self._update()
        return [] if self.twinned is None or update is None else entity_list(self.twinned.topology, update, time.time_ns())

    def _entity(self, entity_id: str) -> Mapping[str, object] | None:
        update = self._update()
        if self.twinned is None or update is None:
            return None
        return entity_document(self.twinned.topology, update, time.time_ns(), entity_id, events=self._journal.of(entity_id))

    def _trace(self, entity_id: str, joint: str, after: int) -> Mapping[str, object] | None:
        return None if self.twinned is None else self.twinned.traces.document(entity_id, joint, after)

    def _streams(self, begin: int) -> Mapping[str, object]:
        return {} if self.twinned is None else stream_list(self.twinned.estimators, begin)

    # Stopping.

    async def drain(self) -> int:
        """Stop in order, under one deadline: sources, what they had received, the stage, the listener. Return the exit code."""
        self._notifier.stopping(self.shutdown.reason)
        started_s = time.monotonic()
        self.telemetry.emit(events.DaemonStopping(instance=self.settings.instance, reason=self.shutdown.reason))
        code = await self.shutdown.drain(
            [
                Step("process what the sources had received", self._finish_pumps),
                Step("write the state down", self._save_state),
                Step("disconnect the sources", self._close_sources),
                Step("finish the recordings", self._close_recorders, reserve_s=_CLOSE_RESERVE_S),
                Step("write the last state", self._write_last, reserve_s=_CLOSE_RESERVE_S),
                Step("tell what is left", self._close_tellers, reserve_s=1.0),
                Step("stop the components", self._supervisor.aclose),
                Step("say goodbye to the viewers", self._close_viewers),
                Step("close the stage", self._close_stage, reserve_s=1.0),
                Step("close the listener", self.http.aclose, reserve_s=1.0),
            ]
        )
        seconds, unfinished = round(time.monotonic() - started_s, 3), ", ".join(self.shutdown.unfinished)
        self.telemetry.emit(events.DaemonStopped(instance=self.settings.instance, seconds=seconds, unfinished=unfinished))
        return code

    async def _finish_pumps(self) -> None:
        if not self._started:  # asked to stop before the first of them ran
            return
        for name, inlet in self.inlets.items():
            self._supervisor.release(f"source {name}")
            self._supervisor.release(f"pump {name}")
            inlet.source.stop()
        for name in self.inlets:
            await self._supervisor.finish(f"pump {name}")

    async def _save_state(self) -> None:
        if self._saver is not None and self._started:
            await self._supervisor.stop("state snapshots")
            await self._save_within(self._saver)

    async def _save_within(self, saver: Saver) -> None:
        try:
            async with asyncio.timeout(_SNAPSHOT_S):
                await saver.save()
        except TimeoutError:
            self.telemetry.emit(events.SnapshotFailed(error="the recording that it belongs to cannot be written"))

    async def _close_sources(self) -> None:
        for name, inlet in self.inlets.items():
            await inlet.source.aclose()
            if self._started:
                await self._supervisor.finish(f"source {name}")

    async def _close_recorders(self) -> None:
        for recorder in self.recorders:
            await self._supervisor.stop(f"sink {recorder.name}")
            await recorder.aclose()

    async def _write_last(self) -> None:
        await self._dead_letters.flush()
        if self.twinned is None or not self._started:
            return
        await self._supervisor.stop("publisher")
        await self.twinned.publisher.publish()
        if self.twinned.snapshots is not None:
            await self._supervisor.stop("snapshots")
            await self.twinned.snapshots.write()
            self.twinned.snapshots.close()

    async def _close_tellers(self) -> None:
        self.telemetry.listener = None
        for sink in self.tellers:
            await self._supervisor.stop(f"sink {sink.name}")
        await asyncio.gather(*[sink.aclose() for sink in self.tellers])

    async def _close_viewers(self) -> None:
        if self.twinned is not None:
            await self.twinned.scene.aclose()
            await self.twinned.viewers.aclose(f"{self.settings.instance} stops: {self.shutdown.reason}")

    async def _close_stage(self) -> None:
        if self.twinned is not None:
            await self._thread.call(self.twinned.stage.close)
        if self._shared is not None:
            await asyncio.to_thread(self._shared.close)
        await self._thread.aclose()


def _connected(source: LossySource) -> bool:
    return source.health().connected


async def serve(loaded: Loaded, *, telemetry: Telemetry) -> int:
    """Run one daemon until it has to stop, and return its exit code.

    Raises:
        TwindError: It could not start; everything that was started has been stopped.
    """
    daemon = Daemon(loaded, telemetry=telemetry)
    with daemon.shutdown.signals():
        try:
            if await daemon.start_unless_stopped():
                await daemon.wait()
        except Exception as error:
            daemon.shutdown.request(f"start-up failed: {error}", exit_code=1)
            raise
        finally:
            code = await daemon.drain()
    return code


def run(loaded: Loaded) -> int:
    """Run one daemon in this process, on this thread."""
    sys.setswitchinterval(SWITCH_S)
    with Telemetry(loaded.settings.log) as telemetry:
        return run_on_loop(serve(loaded, telemetry=telemetry))
