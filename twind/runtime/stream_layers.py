"""Shows what comes on each stream of this daemon in a live layer of its own, in the folder that the stream goes with.

The layer of a stream goes from owner to owner like its state: it is replaced only under the newest claim, so an entity has one
writer; and until the new owner has something to show, it shows what the old one did.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from twind.flow.shared_streams import LAYER
from twind.model.errors import FencedError, StageError
from twind.stage.fence import Holder
from twind.stage.part import LivePart

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from concurrent.futures import Executor
    from pathlib import Path

    from twind.flow.shared_streams import Claim, SharedStreams
    from twind.runtime.restart.hand_over import HandOver
    from twind.stage.live import LiveStage
    from twind.stage.part import Beneath
    from twind.stage.thread import StageThread


_TICKS = 2
"""One that was under way when a state was taken over may show what was before it; the next one has begun after it, and ended
when another one begins."""


class StreamLayers:
    """Writes them all, when told to.

    Args:
        beneath: What lies beneath them.
        shared: What they go through.
        composed: File that shows the layers of all daemons as one stage; None for none.
        hand_overs: Whose streams they are; may be filled later.
        ticks: Returns how often the live stage was brought up to the estimates, or that was begun.
        disk: Where files are written.
    """

    def __init__(
        self,
        stage: LiveStage,
        thread: StageThread,
        *,
        beneath: Beneath,
        shared: SharedStreams,
        composed: Path | None,
        hand_overs: Mapping[str, HandOver],
        ticks: Callable[[], int],
        disk: Executor,
    ) -> None:
        self._stage = stage
        self._thread = thread
        self._beneath = beneath
        self._shared = shared
        self._composed = composed
        self._hand_overs = hand_overs
        self._ticks = ticks
        self._disk = disk
        self._since: dict[tuple[str, str], tuple[Claim, int]] = {}
        """At which tick each claim was first seen."""
        self._parts: dict[tuple[str, str], tuple[Claim, frozenset[str], LivePart]] = {}
        self.owed = False
        """Whether something was put off until the live stage shows it."""
        self._written: dict[tuple[str, str], bytes] = {}
        self._joined: set[Path] = set()
        """Layers of others that are in the stage of all."""

    async def open(self) -> None:
        """See to it that there is a stage of all daemons.

        Raises:
            StageError: It cannot be written.
        """
        if self._composed is not None:
            await self._thread.call(self._beneath.join, None, self._composed)

    async def write(self) -> None:
        """Replace the layers of streams that have something new.

        Raises:
            StageError: One cannot be written.
        """
        self.owed = False
        for hand_over in self._hand_overs.values():
            about = hand_over.about()
            for stream, (claim, entities) in about.items():
                shows = entities or hand_over.yields(stream)
                if shows and hand_over.living and self._is_shown((hand_over.source, stream), claim):
                    await self._write_one(hand_over, stream, claim, entities)
            for key in [key for key in self._parts if key[0] == hand_over.source and key[1] not in about]:
                del self._parts[key]
                self._written.pop(key, None)

    async def follow(self) -> None:
        """See to it that the layers of other daemons are here, and in the stage of all of them.

        Raises:
            StageError: They cannot be had.
        """
        if self._composed is None:
            return
        try:
            replaced = await asyncio.get_running_loop().run_in_executor(self._disk, self._shared.follow, LAYER)
        except OSError as error:
            raise StageError(f"cannot follow the layers of other daemons: {error.strerror or error}") from error
        for path in replaced:
            if path not in self._joined:
                await self._thread.call(self._beneath.join, path, self._composed)
                self._joined.add(path)

    def _is_shown(self, key: tuple[str, str], claim: Claim) -> bool:
        """Return whether the live stage shows what came with a claim: what it had before is older than what others see."""
        known = self._since.get(key)
        if known is None or known[0] != claim:
            self._since[key] = known = claim, self._ticks()
        shown = self._ticks() > known[1] + _TICKS
        self.owed |= not shown
        return shown

    async def _write_one(self, hand_over: HandOver, stream: str, claim: Claim, entities: frozenset[str]) -> None:
        key = hand_over.source, stream
        known = self._parts.get(key)
        if known is None or known[:2] != (claim, entities):
            holder = Holder(claim.instance, claim.epoch, claim.session)
            part = await self._thread.call(LivePart, self._stage, entities, holder)
            self._parts[key] = known = (claim, entities, part)
            self._written.pop(key, None)
        data = await self._thread.call(known[2].data)
        first = key not in self._written
        if self._written.get(key) == data:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._disk, self._shared.write, claim, LAYER, data)
        except FencedError as error:
            hand_over.fenced(claim, error)
            return
        except OSError as error:
            raise StageError(f"cannot write the live layer of {stream}: {error.strerror or error}") from error
        self._written[key] = data
        if first and self._composed is not None:
            path = self._shared.folder(hand_over.source, stream) / LAYER
            await self._thread.call(self._beneath.join, path, self._composed)
