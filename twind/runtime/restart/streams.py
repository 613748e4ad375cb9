"""Keeps the streams of one resumable source: where each goes on, and what must happen before it is given up."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from twind.model.errors import FencedError

if TYPE_CHECKING:
    from twind.runtime.pump import Pump
    from twind.runtime.restart.hand_over import HandOver
    from twind.runtime.restart.saver import Saver


class Streams:
    """The `StreamKeeper` of one source."""

    def __init__(self, pump: Pump, saver: Saver, *, hand_over: HandOver | None = None) -> None:
        self._pump = pump
        self._saver = saver
        self._hand_over = hand_over
        pump.owned = set()
        if hand_over is not None:
            pump.owned = hand_over.claims
            pump.topics = hand_over.topics
            pump.elsewhere = hand_over.elsewhere

    def __repr__(self) -> str:
        return f"<Streams {sorted(self._pump.owned or ())}>"

    async def assigned(self, stream: str) -> int | None:
        """Begin a stream; return the number to read from, None where the source's own settings decide.

        Raises:
            RetryableError: The folder in which daemons hand over streams cannot be used; nothing was begun.
        """
        if self._hand_over is not None:
            await self._hand_over.take(stream, self._pump.watermark)
        elif isinstance(self._pump.owned, set):
            self._pump.owned.add(stream)
        place = self._pump.watermark.streams.get(stream)
        return None if place is None else place[0]

    async def revoked(self, stream: str, *, budget_s: float) -> bool:
        """Process what is there of a stream, write it down, and give the stream up; return whether it was done in time."""
        try:
            async with asyncio.timeout(budget_s):
                await self._pump.catch_up()
                return await self._saver.save()
        except (TimeoutError, FencedError):
            return False
        finally:
            self.lost(stream)

    def lost(self, stream: str) -> None:
        """Give up a stream that belongs to somebody else already."""
        if self._hand_over is not None:
            self._hand_over.leave(stream)
        elif isinstance(self._pump.owned, set):
            self._pump.owned.discard(stream)
