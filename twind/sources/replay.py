"""The source `replay`: plays recordings into the running daemon, in the time in which they were received."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack
from pathlib import Path  # noqa: TC003  (pydantic reads the annotations)
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from twind.config.base import SourceSettings
from twind.flow.queues import Intake
from twind.model.messages import RawMessage
from twind.sources.protocol import SourceHealth
from twind.sources.recording import Recording, in_order, recorded_files
from twind.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twind.telemetry import Telemetry

_TICK_S = 0.001
"""Messages due within this time are handed over together."""
_FULL_S = 0.01
"""How long to wait before looking again whether a full intake has room."""


class ReplaySettings(SourceSettings):
    """Plays recordings as if their messages arrived now."""

    type: Literal["replay"]
    """Name of the adapter."""
    paths: tuple[Path, ...] = Field(min_length=1)
    """MCAP files, merged by receive stamp; a folder stands for the files in it."""
    speed: Annotated[float, Field(gt=0, le=1000)] = 1.0
    """Times real time. Device stamps in the payloads stay as they are: at any speed but 1 they run fast or slow against the
    daemon's clock, which the clock mapping takes for steps. Good for load tests; for estimates use `twind replay --out`."""
    repeat: bool = False
    """Begin again at the end, for ever."""
    max_messages: Annotated[int, Field(ge=1)] = 10_000
    """Messages that may wait to be processed; playing pauses while there are as many."""
    max_bytes: Annotated[int, Field(ge=65_536)] = 67_108_864
    """Payload bytes that may wait to be processed [bytes]."""


class ReplaySource:
    """A `LossySource` that loses nothing: it waits while the intake is full."""

    def __init__(self, name: str, settings: ReplaySettings, *, telemetry: Telemetry) -> None:
        self.name = name
        self.intake = Intake(max_messages=settings.max_messages, max_bytes=settings.max_bytes)
        self.played = 0
        """Messages handed over."""
        self._settings = settings
        self._telemetry = telemetry
        self._stopped = asyncio.Event()
        self._health = SourceHealth(connected=False, since_monotonic_s=time.monotonic(), detail="not begun yet")

    def __repr__(self) -> str:
        return f"<ReplaySource {self.name!r} {self.played} played, {self._health.detail}>"

    async def run(self) -> None:
        """Play, once or for ever, then wait for `stop`.

        Raises:
            PermanentError: A recording cannot be read.
        """
        while not self._stopped.is_set():
            with ExitStack() as stack:
                paths = recorded_files(self._settings.paths)
                recordings = [stack.enter_context(await asyncio.to_thread(Recording, path)) for path in paths]
                self._note(f"playing {len(paths)} files at {self._settings.speed:g} times real time")
                await self._play(in_order(recordings))
            if not self._settings.repeat:
                self._note("the recording is over")
                await self._stopped.wait()

    def _note(self, detail: str) -> None:
        if not self._health.connected:
            where = str(self._settings.paths[0])
            self._telemetry.emit(events.SourceConnected(source=self.name, address=where))
        self._health = SourceHealth(connected=True, since_monotonic_s=time.monotonic(), detail=detail)

    async def _play(self, lists: Iterator[list[RawMessage]]) -> None:
        loop = asyncio.get_running_loop()
        began_s, began_ns, first_ns = loop.time(), time.time_ns(), None
        while (messages := await asyncio.to_thread(next, lists, None)) is not None:
            for message in messages:
                if first_ns is None:
                    first_ns = message.receive_ns
                after_ns = (message.receive_ns - first_ns) / self._settings.speed
                wait_s = began_s + after_ns * 1e-9 - loop.time()
                if wait_s > _TICK_S and await self._stops_within(wait_s):
                    return
                while self.intake.full:
                    if await self._stops_within(_FULL_S):
                        return
                # As received when it was due, not when this loop came round to it; the token keeps it from being dropped.
                self.intake.put(RawMessage(message.topic, message.payload, began_ns + round(after_ns), 1))
                self.played += 1
            if await self._stops_within(0.0):
                return

    async def _stops_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            return False
        return True

    async def receive(self, max_messages: int) -> list[RawMessage]:
        """Wait for a message, then return at most `max_messages`; an empty list means stopped and everything taken."""
        return await self.intake.take(max_messages)

    def health(self) -> SourceHealth:
        """Say what is being played."""
        return self._health

    def stop(self) -> None:
        """Play no more."""
        self._stopped.set()
        self.intake.close()

    async def aclose(self) -> None:
        """Stop; there is nothing else to close."""
        self.stop()


class ReplayAdapter:
    """Opens and probes recordings."""

    settings = ReplaySettings

    def open(self, name: str, settings: ReplaySettings, *, instance: str, telemetry: Telemetry) -> ReplaySource:
        """Make a source; files are opened when it runs."""
        del instance
        return ReplaySource(name, settings, telemetry=telemetry)

    def acknowledges(self, settings: ReplaySettings) -> bool:
        """Recordings take no acknowledgements."""
        del settings
        return False

    async def probe(self, name: str, settings: ReplaySettings, *, instance: str) -> str:
        """Look at the files and say what is in them.

        Raises:
            PermanentError: One cannot be read, or there is none.
        """
        del name, instance
        blocks = []
        paths = recorded_files(settings.paths)
        for path in paths:
            with await asyncio.to_thread(Recording, path) as recording:
                blocks += recording.blocks
        if not blocks:
            return f"{len(paths)} files without messages"
        span_s = (max(block.end_ns for block in blocks) - min(block.start_ns for block in blocks)) / 1e9
        return f"{len(paths)} files, {span_s:.1f} s"


adapter = ReplayAdapter()
