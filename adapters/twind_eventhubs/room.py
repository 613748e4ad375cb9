"""Room in the intake, waited for by whoever fills it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twind.api import Intake


class Room:
    """The intake's back-pressure as something to wait for.

    Args:
        intake: What is filled.
    """

    def __init__(self, intake: Intake) -> None:
        self.put = intake.put_kept
        self._intake = intake
        self._news = asyncio.Event()
        self._closed = False

    @property
    def full(self) -> bool:
        """Whether there is none now."""
        return self._closed or self._intake.full

    async def wait(self) -> None:
        """Wait until there is room: once closed, for ever."""
        while self.full:
            self._news.clear()
            await self._news.wait()

    def look(self) -> None:
        """Look again: something was taken."""
        if not self._intake.full:
            self._news.set()

    def close(self) -> None:
        """Let nobody through any more."""
        self._closed = True
