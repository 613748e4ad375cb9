"""Takes messages from one source into recorders, past everything else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from twind.sources.protocol import AcknowledgingSource

if TYPE_CHECKING:
    from twind.flow.sinks import RawSink
    from twind.sources.protocol import LossySource
    from twind.telemetry import Telemetry

_MAX_BATCH = 512


class Tap:
    """Moves one source's messages into the recorders, and acknowledges what is durable in all of them."""

    def __init__(self, source: LossySource | AcknowledgingSource, recorders: list[RawSink], telemetry: Telemetry) -> None:
        self.source = source
        self.received = 0
        """Messages taken from the source."""
        self._recorders = recorders
        self._metrics = telemetry.metrics.source(source.name)
        self._due: asyncio.Queue[tuple[list[asyncio.Future[bool]], int]] = asyncio.Queue()

    async def run(self) -> None:
        """Record until the source is stopped and everything that it had received was taken."""
        source = self.source
        while messages := await source.receive(_MAX_BATCH):
            self.received += len(messages)
            self._metrics.received.inc(len(messages))
            if isinstance(source, AcknowledgingSource):
                durable = [recorder.offer_durably(source.name, messages) for recorder in self._recorders]
                self._due.put_nowait((durable, len(messages)))
            else:
                for recorder in self._recorders:
                    recorder.offer(source.name, messages)
            await asyncio.sleep(0)

    async def acknowledge(self) -> None:
        """Acknowledge in order of receipt, for ever, each batch once its fate is known.

        A batch that is lost (which was counted, and logged as an error) is acknowledged too: the same disk would lose it again,
        and unacknowledged messages stop the stream.
        """
        if not isinstance(self.source, AcknowledgingSource):
            await asyncio.Event().wait()
            return
        while True:
            durable, count = await self._due.get()
            await asyncio.gather(*durable)
            self.source.acknowledge(count)
            self._due.task_done()

    async def settled(self) -> None:
        """Wait until everything received was acknowledged."""
        await self._due.join()
