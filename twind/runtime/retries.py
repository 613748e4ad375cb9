"""Takes dead letters that somebody wants to try again, and gives them to their source's pump as if they came now."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from twind.model.messages import RawMessage
from twind.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twind.flow.dead_letters import RetryFolder
    from twind.runtime.pump import Pump
    from twind.telemetry import Telemetry

_LOOK_S = 1.0
_BATCH = 256


class Retries:
    """Looks into the folder once a second. What is refused again becomes a dead letter again.

    Args:
        folder: Where `twind dead-letters retry` puts them.
        pumps: By the name of the source.
        telemetry: Is told how many came.
    """

    def __init__(self, folder: RetryFolder, pumps: Mapping[str, Pump], *, telemetry: Telemetry) -> None:
        self._folder = folder
        self._pumps = pumps
        self._telemetry = telemetry

    async def run(self) -> None:
        """Take what is there, for ever."""
        while True:
            for path in await asyncio.to_thread(self._folder.waiting):
                letters = await asyncio.to_thread(self._folder.read, path)
                for source, pump in self._pumps.items():
                    own = [letter for letter in letters if letter.source == source]
                    for begin in range(0, len(own), _BATCH):
                        part = own[begin : begin + _BATCH]
                        await pump.inject([RawMessage(letter.topic, letter.payload, time.time_ns()) for letter in part])
                    if own:
                        self._telemetry.emit(events.DeadLettersRetried(source=source, count=len(own)))
                # After, not before: a daemon that is killed meanwhile takes them again, and stamps tell what came twice.
                await asyncio.to_thread(self._folder.done, path)
            await asyncio.sleep(_LOOK_S)
