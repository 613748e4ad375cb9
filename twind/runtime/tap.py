"""Takes messages from one source into recorders, past everything else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from twind.flow.watermark import Watermark
from twind.sources.protocol import AcknowledgingSource, ResumableSource
from twind.telemetry import events

if TYPE_CHECKING:
    from twind.flow.sinks import RawSink
    from twind.model.messages import RawMessage
    from twind.sources.protocol import LossySource
    from twind.telemetry import Telemetry

_MAX_BATCH = 512
_MAX_DUE = 20_000
"""Messages that may wait to be durable; with more the source is not asked for new ones."""


class Tap:
    """Moves one source's messages into the recorders, each once, and acknowledges what is durable in all of them.

    It is the `StreamKeeper` of a source that can be read again from any number: that goes on where the recordings end.
    """

    def __init__(self, source: LossySource, recorders: list[RawSink], telemetry: Telemetry) -> None:
        self.source = source
        self.received = 0
        """Messages taken from the source."""
        self._recorders = {recorder.name: (recorder, Watermark()) for recorder in recorders}
        self._telemetry = telemetry
        self._metrics = telemetry.metrics.source(source.name)
        self._acknowledge = source.acknowledge if isinstance(source, AcknowledgingSource) else None
        self._durably = self._acknowledge is not None or isinstance(source, ResumableSource)
        self._due: asyncio.Queue[tuple[list[asyncio.Future[bool]], int]] = asyncio.Queue()
        self._due_messages = 0
        self._settled = asyncio.Event()
        if isinstance(source, ResumableSource):
            source.keep_with(self)

    def know(self, recorder: RawSink, held: Watermark | None) -> None:
        """Take note of what a recorder holds of the source already; before `run`."""
        if held is not None:
            self._recorders[recorder.name] = (recorder, held)

    async def run(self) -> None:
        """Record until the source is stopped and everything that it had received was taken."""
        source = self.source
        while messages := await source.receive(_MAX_BATCH):
            self.received += len(messages)
            self._metrics.received.inc(len(messages))
            durable = self._record(messages)
            if self._durably:
                self._due.put_nowait((durable, len(messages)))
                self._due_messages += len(messages)
            while self._due_messages > _MAX_DUE:
                self._settled.clear()
                await self._settled.wait()
            await asyncio.sleep(0)

    def _record(self, messages: list[RawMessage]) -> list[asyncio.Future[bool]]:
        """Offer to each recorder what it does not hold; return what tells that it is durable."""
        durable, most = [], 0
        for recorder, held in self._recorders.values():
            fresh = held.fresh(messages)
            most = max(most, len(fresh))
            if not fresh:
                continue
            if self._durably:
                durable.append(recorder.offer_durably(self.source.name, fresh))
            else:
                recorder.offer(self.source.name, fresh)
        if most < len(messages):
            count = len(messages) - most
            self._telemetry.emit(events.MessagesPassedOver(source=self.source.name, reason="repeated", count=count))
        return durable

    async def acknowledge(self) -> None:
        """Acknowledge in order of receipt, for ever, each batch once it is durable; nothing after one that never will be.

        What there was no room for in a recording (counted, and logged as an error) is acknowledged too: it would be so again,
        and unacknowledged messages stop the stream.
        """
        while True:
            durable, count = await self._due.get()
            if not all(await asyncio.gather(*durable)):
                await asyncio.Event().wait()
            if self._acknowledge is not None:
                self._acknowledge(count)
            self._due_messages -= count
            self._settled.set()
            self._due.task_done()

    async def settled(self) -> None:
        """Wait until everything received was acknowledged."""
        await self._due.join()

    # As the keeper of streams.

    async def assigned(self, stream: str) -> int | None:
        """Return the number to read from: that of the newest event which every recording holds; None where one holds none."""
        numbers = [held.streams[stream][0] if stream in held.streams else None for _, held in self._recorders.values()]
        return None if None in numbers else min(number for number in numbers if number is not None)

    async def revoked(self, stream: str, *, budget_s: float) -> bool:
        """Wait until everything that was received is on the disk; return whether it was in time."""
        del stream
        try:
            async with asyncio.timeout(budget_s):
                await self.settled()
        except TimeoutError:
            return False
        return True

    def lost(self, stream: str) -> None:
        """Do nothing: what was received may be recorded, whoever reads on."""
