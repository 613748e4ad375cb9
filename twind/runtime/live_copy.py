"""The live layer as text, for the snapshot and for viewers that fetch it, however many ask however often."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twind.model.digest import digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind.stage.live import LiveStage
    from twind.stage.thread import StageThread

_REST = 4.0
"""How much longer the stage's thread is left alone than a copy took: copies take a fifth of it at most.

One takes about 10 ms for 700 links.
"""


@dataclass(frozen=True, slots=True)
class LiveCopy:
    """The live layer at one moment."""

    seq: int
    """An update that it shows; a newer one may be in it."""
    data: bytes
    digest: str
    """Names the content."""


class LiveCopies:
    """Makes copies in the stage's thread. Those who ask at the same time share one; nobody gets one from before they asked."""

    def __init__(self, stage: LiveStage, thread: StageThread, *, seq: Callable[[], int]) -> None:
        self._stage = stage
        self._thread = thread
        self._seq = seq
        """Number of the newest update that stands in the stage."""
        self._newest: LiveCopy | None = None
        self._begun_s = 0.0
        self._next_s = 0.0
        self._making = asyncio.Lock()

    async def newest(self) -> LiveCopy:
        """Return the live layer as it is now, or a moment later.

        Raises:
            RuntimeError: The stage is closed.
        """
        asked_s = time.monotonic()
        async with self._making:
            if self._newest is not None and (self._newest.seq == self._seq() or self._begun_s >= asked_s):
                return self._newest
            await asyncio.sleep(max(0.0, self._next_s - time.monotonic()))
            self._begun_s = time.monotonic()
            self._newest = await self._thread.call(self._copy, self._seq())
            return self._newest

    def _copy(self, seq: int) -> LiveCopy:
        started_s = time.monotonic()
        data = self._stage.layer_text().encode()
        ended_s = time.monotonic()
        self._next_s = ended_s + _REST * (ended_s - started_s)
        return LiveCopy(seq, data, digest(data))
