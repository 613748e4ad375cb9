"""A run that does nothing but record: sources and recorders, no stage. What a run before it recorded is not recorded again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from twind.flow.sinks import LogSink
from twind.model.errors import PermanentError
from twind.runtime.held import held_at_end
from twind.runtime.shutdown import Shutdown, Step
from twind.runtime.sinks import open_recorders
from twind.runtime.supervisor import Supervisor
from twind.runtime.tap import Tap
from twind.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind.config.load import Loaded
    from twind.telemetry import Telemetry


class RecordOnly:
    """One run, from the configuration to the exit code. Used once.

    Raises:
        PermanentError: The configuration names nothing to record from or to.
        MissingExtraError: An adapter is not installed.
    """

    def __init__(self, loaded: Loaded, *, telemetry: Telemetry) -> None:
        settings = loaded.settings
        self._settings = settings
        self._telemetry = telemetry
        self._shutdown = Shutdown(telemetry, deadline_s=settings.shutdown_s)
        self._supervisor = Supervisor(telemetry)
        instance = f"{settings.instance}-recorder"
        """A daemon with this configuration may run: its session at a broker, its files and their quota are its own."""
        self._recorders = open_recorders(loaded, telemetry, instance=instance)
        if not self._recorders or not settings.sources:
            missing = "source to record from" if self._recorders else "sink of type mcap to record to"
            raise PermanentError(f"the configuration has no {missing}")
        self._taps: list[Tap] = []
        for name, of_source in settings.sources.items():
            adapter = loaded.registry.sources.load(of_source.type)
            source = adapter.open(name, of_source, instance=instance, telemetry=telemetry)
            self._taps.append(Tap(source, self._recorders, telemetry))

    @property
    def received(self) -> int:
        """Messages taken from the sources."""
        return sum(tap.received for tap in self._taps)

    def stop(self, reason: str) -> None:
        """End the run in good order."""
        self._shutdown.request(reason)

    async def run(self, *, duration_s: float | None = None, on_second: Callable[[float], None] | None = None) -> int:
        """Record until a signal, or for `duration_s`, or until a component fails for good; return the exit code.

        Args:
            duration_s: How long [s]; None: until SIGTERM or SIGINT.
            on_second: Called once a second with the seconds since the start.
        """
        with self._shutdown.signals():
            await asyncio.to_thread(self._read_back)
            self._start()
            await self._until_asked(duration_s, on_second)
            self._telemetry.emit(events.DaemonStopping(instance=self._settings.instance, reason=self._shutdown.reason))
            return await self._shutdown.drain(
                [
                    Step("record what the sources had received", self._finish),
                    Step("disconnect the sources", self._disconnect),
                    Step("finish the recordings", self._close, reserve_s=3.0),
                ]
            )

    def _read_back(self) -> None:
        """Learn what each recording holds already: a run that was killed had not acknowledged all of it."""
        for recorder in self._recorders:
            if isinstance(recorder, LogSink):
                held = held_at_end(recorder)
                for tap in self._taps:
                    tap.know(recorder, held.get(tap.source.name))

    def _start(self) -> None:
        for recorder in self._recorders:
            self._supervisor.supervise(f"sink {recorder.name}", recorder.run)
        for tap in self._taps:
            name = tap.source.name
            self._telemetry.declare_source(name)
            self._supervisor.supervise(f"acknowledge {name}", tap.acknowledge)
            self._supervisor.supervise(f"tap {name}", tap.run)
            self._supervisor.supervise(f"source {name}", tap.source.run)

    async def _finish(self) -> None:
        for tap in self._taps:
            self._supervisor.release(f"source {tap.source.name}")
            self._supervisor.release(f"tap {tap.source.name}")
            tap.source.stop()
        for tap in self._taps:
            await self._supervisor.finish(f"tap {tap.source.name}")
            await tap.settled()

    async def _disconnect(self) -> None:
        for tap in self._taps:
            await tap.source.aclose()
        await self._supervisor.aclose()

    async def _close(self) -> None:
        for recorder in self._recorders:
            await recorder.aclose()

    async def _until_asked(self, duration_s: float | None, on_second: Callable[[float], None] | None) -> None:
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        end_s = None if duration_s is None else started_s + duration_s
        failed = asyncio.create_task(self._supervisor.wait_given_up(), name="wait for a component to fail for good")
        asked = asyncio.create_task(self._shutdown.wait(), name="wait for the end")
        try:
            while not failed.done() and not asked.done():
                if end_s is not None and loop.time() >= end_s:
                    self._shutdown.request("the time is over")
                wait_s = 1.0 if end_s is None else max(0.0, min(1.0, end_s - loop.time()))
                await asyncio.wait({failed, asked}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
                if on_second is not None:
                    on_second(loop.time() - started_s)
            if failed.done():
                component = failed.result()
                self._shutdown.request(f"component {component.name!r} failed for good: {component.error}", exit_code=1)
        finally:
            for task in (failed, asked):
                task.cancel()
            await asyncio.gather(failed, asked, return_exceptions=True)
