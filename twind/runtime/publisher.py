"""The publish tick: predict, advance the twin, write the stage, all from one estimate."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import numpy as np

from twind.model.errors import StageError
from twind.model.estimates import Status
from twind.model.time import NS_PER_S, ms_to_ns
from twind.runtime.advance import advance
from twind.runtime.estimation_watch import EstimationWatch
from twind.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from twind.config.settings import StageSettings
    from twind.model.state import Update
    from twind.runtime.estimators import Estimators
    from twind.stage.live import LiveStage
    from twind.stage.thread import StageThread
    from twind.telemetry import Telemetry
    from twind.twin import Twin

_MAX_WAITING = 1_000_000
"""Stamps kept between two writes for the latency metric; beyond it they are not measured, only counted elsewhere."""


class Publisher:
    """Writes what changed into the live stage, `rate_hz` times a second."""

    def __init__(
        self,
        settings: StageSettings,
        *,
        estimators: Estimators,
        twin: Twin,
        stage: LiveStage,
        thread: StageThread,
        telemetry: Telemetry,
    ) -> None:
        self._period_s = 1.0 / settings.rate_hz
        self._predict_after_ns = ms_to_ns(settings.predict_after_ms)
        self._estimators = estimators
        self._watch = EstimationWatch(estimators)
        self._twin = twin
        self._stage = stage
        self._thread = thread
        self._telemetry = telemetry
        self._waiting: list[NDArray[np.int64]] = []
        self._n_waiting = 0
        self.current: Update | None = None
        """What stands in the stage: of each entity the state that was last written there."""
        self.ticks = 0
        """How often the state was looked at, whether there was something to write or not."""
        self.written_values = 0
        """Attribute values written so far."""
        self.last_ok_monotonic_s = time.monotonic()
        """When the stage was last known to be writable."""
        self.on_failing: Callable[[str], None] = lambda _error: None
        """Told after each tick why the stage cannot be written; an empty text when it can."""
        self.on_shown: Callable[[Update], None] = lambda _update: None
        """Called on the loop with each update that stands in the stage."""
        self.on_written: Callable[[LiveStage, Update, NDArray[np.float64]], None] | None = None
        """Called in the stage's thread after each write, with the latencies [s] of the samples that it shows; for checks."""

    def note_used(self, stamps_ns: NDArray[np.int64]) -> None:
        """Remember samples that the next write will show, for the latency metric."""
        if self._n_waiting < _MAX_WAITING and len(stamps_ns):
            self._waiting.append(stamps_ns)
            self._n_waiting += len(stamps_ns)

    def note_restored(self) -> None:
        """Take what the banks hold as it is: it was put there, and did not happen just now."""
        self._watch = EstimationWatch(self._estimators)

    async def run(self) -> None:
        """Publish on a fixed grid of the monotonic clock, for ever; a tick that comes too late is skipped, not caught up."""
        loop = asyncio.get_running_loop()
        next_tick = loop.time()
        while True:
            next_tick = max(next_tick + self._period_s, loop.time())
            await asyncio.sleep(next_tick - loop.time())
            await self._publish_whole()

    async def _publish_whole(self) -> None:
        """Publish; when cancelled, only after the end: the twin would take for shown what the stage never got."""
        publishing = asyncio.create_task(self.publish(), name="publish one update")
        try:
            await asyncio.shield(publishing)
        except asyncio.CancelledError:
            await publishing
            raise

    async def publish(self) -> None:
        """Make one update from the present estimates and write it."""
        for event in self._watch.new_events():
            self._telemetry.emit(event)
        self.ticks += 1
        now_ns = time.time_ns()
        prediction = self._estimators.predict(now_ns, self._predict_after_ns)
        waiting, self._waiting, self._n_waiting = self._waiting, [], 0
        update = advance(self._twin, self._estimators, prediction, now_ns=now_ns)
        if update is None:
            self.last_ok_monotonic_s = time.monotonic()
            return
        started = time.perf_counter()
        try:
            values, latencies_s = await self._thread.call(self._write, update, waiting)
        except StageError as error:
            self._telemetry.emit(events.StageWriteFailed(what="live layer", error=str(error)))
            self.on_failing(str(error))
            return
        self.on_failing("")
        self.current = self._stage.shown
        if self.current is not None:
            self.on_shown(self.current)
        self.last_ok_monotonic_s = time.monotonic()
        metrics = self._telemetry.metrics
        metrics.stage_write_seconds.observe(time.perf_counter() - started)
        metrics.stage_values_written.inc(values)
        self.written_values += values
        metrics.source_to_stage_seconds.observe_many(latencies_s)
        metrics.set_entities(np.bincount(update.status, minlength=len(Status)).tolist())

    def _write(self, update: Update, waiting: list[NDArray[np.int64]]) -> tuple[int, NDArray[np.float64]]:
        """Write in the stage's thread; return the number of values and the age of each sample that now stands there."""
        values = self._stage.write(update)
        stamps_ns = np.concatenate(waiting) if waiting else np.empty(0, np.int64)
        latencies_s = (time.time_ns() - stamps_ns) / NS_PER_S
        if self.on_written is not None and self._stage.shown is not None:
            self.on_written(self._stage, self._stage.shown, latencies_s)
        return values, latencies_s
