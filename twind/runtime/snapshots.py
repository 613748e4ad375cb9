"""Keeps the snapshot on disk in step with the live layer."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType
from typing import TYPE_CHECKING

from twind.model.errors import FencedError, StageError
from twind.runtime.stream_layers import StreamLayers
from twind.stage.shared_root import join_shards
from twind.stage.snapshot import LIVE, Snapshot
from twind.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twind.config.settings import SnapshotSettings
    from twind.flow.shared_streams import SharedStreams
    from twind.runtime.live_copy import LiveCopies
    from twind.runtime.publisher import Publisher
    from twind.runtime.restart.hand_over import HandOver
    from twind.stage.live import LiveStage
    from twind.stage.part import Beneath
    from twind.stage.thread import StageThread
    from twind.telemetry import Telemetry


class SnapshotWriter:
    """Replaces the snapshot `rate_hz` times a second while something changes."""

    def __init__(
        self,
        settings: SnapshotSettings,
        *,
        stage: LiveStage,
        thread: StageThread,
        copies: LiveCopies,
        publisher: Publisher,
        telemetry: Telemetry,
        beneath: Beneath | None = None,
        shared: SharedStreams | None = None,
        hand_overs: Mapping[str, HandOver] = MappingProxyType({}),
    ) -> None:
        self.folder = settings.path
        """Where it writes."""
        self._settings = settings
        self._stage = stage
        self._thread = thread
        self._copies = copies
        self._publisher = publisher
        self._telemetry = telemetry
        # A thread of its own: a disk that hangs must hold up neither the live layer nor what shares the loop's pool.
        self._disk = ThreadPoolExecutor(1, thread_name_prefix="twind-snapshot")
        self._layers = (
            None
            if beneath is None or shared is None
            else StreamLayers(
                stage,
                thread,
                beneath=beneath,
                shared=shared,
                composed=settings.composed,
                hand_overs=hand_overs,
                ticks=lambda: publisher.ticks,
                disk=self._disk,
            )
        )
        """Where entities go from daemon to daemon, it is their streams' layers that others compose, not this daemon's."""
        self._snapshot: Snapshot | None = None
        self._fenced = False
        self._written_seq = -1
        self.last_ok_monotonic_s = time.monotonic()
        """When the snapshot was last known to be writable."""

    async def open(self) -> None:
        """Write both files, and add this shard to the stage of all of them where there is to be one.

        Raises:
            StageError: The folder cannot be written.
            FencedError: Somebody newer writes there.
        """
        self._snapshot = await self._thread.call(self._make)
        if self._layers is not None:
            await self._layers.open()

    def _make(self) -> Snapshot:
        snapshot = Snapshot(self._stage, self._settings.path)
        if self._settings.composed is not None and self._layers is None:
            join_shards(self._stage.stage.GetRootLayer(), self._settings.path / LIVE, self._settings.composed)
        return snapshot

    async def run(self) -> None:
        """Write for ever; a folder that cannot be written is tried again, and made anew when it is gone."""
        loop = asyncio.get_running_loop()
        next_tick = loop.time()
        while True:
            next_tick = max(next_tick + 1.0 / self._settings.rate_hz, loop.time())
            await asyncio.sleep(next_tick - loop.time())
            writing = asyncio.create_task(self.write(), name="write one snapshot")
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await writing  # two writes at once would share the temporary file
                raise

    async def write(self) -> None:
        """Write the snapshot if the stage changed since the last one; not at all after somebody newer has taken over.

        Raises:
            FencedError: Somebody newer has just been found to write there.
        """
        if self._fenced:
            return
        update = self._publisher.current
        seq = 0 if update is None else update.seq
        try:
            if self._snapshot is None:
                await self.open()
            elif seq == self._written_seq:
                await asyncio.get_running_loop().run_in_executor(self._disk, self._snapshot.check)
            else:
                copy = await self._copies.newest()
                await asyncio.get_running_loop().run_in_executor(self._disk, self._snapshot.replace, copy.data)
            if self._layers is not None:
                if self._layers.owed or seq != self._written_seq:
                    await self._layers.write()
                await self._layers.follow()
        except FencedError as error:
            self._fenced = True
            holder = self._stage.holder
            self._telemetry.emit(events.StageFenced(instance=holder.instance, generation=holder.generation, error=str(error)))
            raise
        except StageError as error:
            self._snapshot = None
            self._telemetry.emit(events.StageWriteFailed(what="snapshot", error=str(error)))
            return
        self._written_seq = seq
        self.last_ok_monotonic_s = time.monotonic()

    def close(self) -> None:
        """Let its thread end; nothing is written after that."""
        self._disk.shutdown(wait=False)
