"""The source: reads the partitions of a hub that are this daemon's, each event once, from where its snapshot says."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from twind.api import Backoff, Intake, PartitionFigures
from twind_eventhubs import reasons
from twind_eventhubs.contact import HUB, Contact
from twind_eventhubs.reading import Reading
from twind_eventhubs.room import Room

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from twind.api import RawMessage, SourceHealth, StreamKeeper, Telemetry
    from twind_eventhubs.settings import EventHubsSettings


_GRACE_S = 2.0
"""How long a question to the hub may take after `stop` [s]."""


class EventHubsSource:
    """A `ResumableSource`. See `twind.sources.protocol` for what each method promises."""

    def __init__(self, name: str, settings: EventHubsSettings, *, telemetry: Telemetry) -> None:
        self.name = name
        self.intake = Intake(max_messages=settings.max_messages, max_bytes=settings.max_bytes)
        """Messages that were read and not taken by `receive` yet."""
        self._settings = settings
        self._telemetry = telemetry
        self._contact = Contact(name, settings.address, telemetry)
        self._room = Room(self.intake)
        self._keeper: StreamKeeper | None = None
        self._backoff = Backoff(base_s=1.0, cap_s=30.0)
        self._patience: dict[str, Backoff] = {}
        """How long a partition is left to who took it, by partition."""
        self._reading: Reading | None = None
        self._stopped = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        telemetry.metrics.watch_partitions(name, self.figures)

    def __repr__(self) -> str:
        """Show the state of the connection, what is read and what waits."""
        state = "stopped" if self._stopped.is_set() else "connected" if self._contact.health.connected else "away"
        partitions = [] if self._reading is None else sorted(self._reading.partitions)
        return f"<EventHubsSource {self.name!r} {state} partitions={partitions} {self.intake!r}>"

    def keep_with(self, keeper: StreamKeeper) -> None:
        """Take the keeper of the streams."""
        self._keeper = keeper

    async def run(self) -> None:
        """Read until cancelled, or until `stop`; `aclose` must be called in any case.

        Partitions stay ours after `stop`, until `aclose` has given them up.
        """
        self._idle.clear()
        try:
            while not self._stopped.is_set():
                await self._hang_up()
                await self._unless_stopped(self._read(), "reading", grace_s=_GRACE_S)
                await self._unless_stopped(asyncio.sleep(self._backoff.next_delay_s()), "back-off")
        finally:
            self._idle.set()

    async def _read(self) -> None:
        """Connect, and read until the connection has to be made anew."""
        started_s = time.monotonic()
        self._reading = Reading(
            self.name,
            self._settings,
            room=self._room,
            contact=self._contact,
            keeper=self._keeper,
            patience=self._patience,
            telemetry=self._telemetry,
        )
        try:
            await self._reading.run()
        except Exception as error:  # noqa: BLE001  (whatever the SDK raises is told, and tried again)
            self._contact.failed(HUB, reasons.why(error, self._settings))
        if time.monotonic() - started_s > self._backoff.cap_s:
            self._backoff.reset()

    async def _unless_stopped(self, work: Coroutine[Any, Any, None], what: str, *, grace_s: float = 0.0) -> None:
        """Wait for some work, or abandon it when `stop` is called: some time after, if it ends by itself then."""
        working = asyncio.create_task(work, name=f"eventhubs {self.name}: {what}")
        stopping = asyncio.create_task(self._stopped.wait(), name=f"eventhubs {self.name}: wait for stop")
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done() and grace_s:
                await asyncio.wait({working}, timeout=grace_s)
            if working.done():
                working.result()
        finally:
            working.cancel()
            stopping.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)

    async def receive(self, max_messages: int) -> list[RawMessage]:
        """Wait for a message, then return at most `max_messages`; an empty list means stopped and everything taken."""
        batch = await self.intake.take(max_messages)
        self._room.look()
        return batch

    def health(self) -> SourceHealth:
        """Say whether all partitions that are ours can be read, and if not, why."""
        return self._contact.health

    def stop(self) -> None:
        """Take no more events; `receive` returns what has arrived, then empty lists."""
        self._stopped.set()
        if self._reading is not None:
            self._reading.end()
        self._room.close()
        self.intake.close()

    async def aclose(self) -> None:
        """Stop, give up the partitions in good order (what was taken is in a snapshot then), and disconnect."""
        self.stop()
        await self._idle.wait()
        await self._hang_up()
        self._contact.over("closed")

    async def _hang_up(self) -> None:
        reading, self._reading = self._reading, None
        if reading is not None:
            await reading.aclose()

    def figures(self) -> list[PartitionFigures]:
        """Say how far each partition is that is read now."""
        return [] if self._reading is None else self._reading.figures()

    async def contained(self, numbers: Mapping[str, int]) -> None:
        """Move the checkpoints to what survives a restart."""
        if self._reading is not None:
            await self._reading.contained(numbers)
