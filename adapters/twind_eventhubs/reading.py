"""One connection to a hub: the SDK's event processor, what it reports, and what has to be asked besides."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

from azure.eventhub import CloseReason

from twind.api import NS_PER_S, Backoff, PartitionFigures, events
from twind_eventhubs import reasons
from twind_eventhubs.checkpoints import open_store
from twind_eventhubs.client import consumer, identity, trust
from twind_eventhubs.contact import HUB
from twind_eventhubs.partition import Partition
from twind_eventhubs.positions import Positions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure.eventhub import EventData
    from azure.eventhub.aio import CheckpointStore, EventHubConsumerClient, PartitionContext

    from twind.api import StreamKeeper, Telemetry, TwindError
    from twind_eventhubs.contact import Contact
    from twind_eventhubs.room import Room
    from twind_eventhubs.settings import EventHubsSettings

_AT_ONCE = 128
"""Events that are handed over before others on the event loop have their turn: one to eight milliseconds."""
_QUESTIONS = 8
"""Partitions that the hub is asked about at the same time."""
_QUIET_S = 10.0
"""A partition that was opened and then did not fail for so long works, though it may have no events [s]."""
_AHEAD_S, _BEHIND_S = 1.0, 5.0
"""By how much this machine's clock may seem to be behind the hub's, and before it: the way here takes time too [s]."""
_STOLEN_BASE_S, _STOLEN_CAP_S = 2.0, 300.0
"""How long a partition is left to who took it, at first and at most [s]."""


class Reading:
    """Reads until it fails; then another one is made. `aclose` must be called in any case.

    Args:
        name: Name of the source.
        settings: Of the source.
        room: Where messages go.
        contact: Told what works and what does not.
        keeper: Knows what is contained in the daemon's state.
        patience: How long to leave a partition to who took it; outlives this connection.
        telemetry: Of the daemon.
    """

    def __init__(
        self,
        name: str,
        settings: EventHubsSettings,
        *,
        room: Room,
        contact: Contact,
        keeper: StreamKeeper | None,
        patience: dict[str, Backoff],
        telemetry: Telemetry,
    ) -> None:
        self.partitions: dict[str, Partition] = {}
        """Those that are ours, by their id."""
        self._name = name
        self._settings = settings
        self._room = room
        self._contact = contact
        self._keeper = keeper
        self._patience = patience
        self._telemetry = telemetry
        self._client: EventHubConsumerClient | None = None
        self._store: CheckpointStore | None = None
        self._positions: Positions | None = None
        self._processing: asyncio.Task[None] | None = None
        self._resources = contextlib.AsyncExitStack()
        self._faults: dict[str, TwindError] = {}
        """Why a partition is about to be closed, by its id."""
        self._stolen: set[str] = set()
        self._created = ""
        self._checkpoint_s: dict[str, float] = {}
        self._ending = asyncio.Event()

    def end(self) -> None:
        """Let `run` return soon. It is asked rather than cancelled, as the SDK leaves connections open when it is cancelled."""
        self._ending.set()

    async def run(self) -> None:
        """Connect and read; returns when the connection has to be made anew.

        Raises:
            Exception: Whatever the SDK raises; it cannot connect.
        """
        settings = self._settings
        credential = await self._resources.enter_async_context(identity(settings, store_url=settings.store_url))
        self._store = await self._resources.enter_async_context(open_store(settings, credential))
        self._positions = positions = Positions(
            settings,
            self._store,
            number_of=self._number_of,
            properties_of=self._properties_of,
            is_open=self.partitions.__contains__,
            begun=self._begun,
        )
        self._client = client = consumer(settings, credential, tls=await trust(settings), store=positions)
        async with asyncio.timeout(settings.connect_timeout_s):
            hub = await client.get_eventhub_properties()
        self._created = str(int(hub["created_at"].timestamp()))
        self._contact.works(HUB)
        self._processing = asyncio.create_task(
            client.receive_batch(
                self._on_events,
                max_batch_size=settings.batch,
                prefetch=settings.prefetch,
                owner_level=settings.epoch,
                starting_position=positions.starting,
                starting_position_inclusive=positions.inclusive,
                on_error=self._on_error,
                on_partition_initialize=self._on_open,
                on_partition_close=self._on_close,
            ),
            name=f"eventhubs {self._name}: event processor",
        )
        await self._watch()

    async def aclose(self) -> None:
        """Give up the partitions in good order and disconnect."""
        try:
            if self._client is not None:
                await self._client.close()  # the processor closes what it has open
            if self._processing is not None:
                self._processing.cancel()
                await asyncio.gather(self._processing, return_exceptions=True)
        finally:
            await self._resources.aclose()

    # Where to begin.

    def _stream(self, partition: str) -> str:
        """Name what numbers a partition's events. With the hub's age: one that was made anew begins at 0 again."""
        return f"{partition}@{self._created}"

    async def _number_of(self, partition: str) -> int | None:
        return None if self._keeper is None else await self._keeper.assigned(self._stream(partition))

    async def _properties_of(self, partition: str) -> dict[str, Any]:
        assert self._client is not None  # noqa: S101  (made before anything can ask)
        async with asyncio.timeout(self._settings.connect_timeout_s):
            return await self._client.get_partition_properties(partition)

    def _begun(self, partition: str, number: int | None) -> None:
        one = Partition(partition, stream=self._stream(partition), settings=self._settings, on_gap=self._on_gap)
        one.start_at(number)
        self.partitions[partition] = one
        self._faults.pop(partition, None)
        position = str(self._settings.start) if number is None else str(number)
        self._telemetry.emit(events.PartitionAssigned(source=self._name, partition=partition, position=position))

    # What the processor reports.

    async def _on_open(self, context: PartitionContext) -> None:
        partition = self.partitions.get(context.partition_id)
        if partition is not None:
            partition.opened_s = partition.moved_s = time.monotonic()

    async def _on_events(self, context: PartitionContext, batch: list[EventData]) -> None:
        if not batch:
            return
        partition = self.partitions[context.partition_id]
        room = self._room
        for begin in range(0, len(batch), _AT_ONCE):
            if room.full:
                await room.wait()
            partition.take(batch[begin : begin + _AT_ONCE], room.put)
            if begin + _AT_ONCE < len(batch):
                await asyncio.sleep(0)
        partition.mark(batch[-1])
        self._contact.works(partition.ident)
        self._patience.pop(partition.ident, None)

    def _on_gap(self, count: int) -> None:
        self._telemetry.emit(events.MessagesDropped(source=self._name, reason="retention", count=count))

    async def _on_error(self, context: PartitionContext | None, error: Exception) -> None:
        fault = reasons.why(error, self._settings)
        if context is None:
            self._contact.failed(HUB, fault)
            return
        partition = context.partition_id
        self._faults[partition] = fault
        if reasons.stolen(error):
            self._stolen.add(partition)
            if not self._settings.shared and self._positions is not None:
                patience = self._patience.setdefault(partition, Backoff(base_s=_STOLEN_BASE_S, cap_s=_STOLEN_CAP_S))
                self._positions.hold_back(partition, patience.next_delay_s())
        self._contact.failed(partition, fault)

    async def _on_close(self, context: PartitionContext, reason: CloseReason) -> None:
        ident = context.partition_id
        partition = self.partitions.pop(ident, None)
        fault = self._faults.pop(ident, None)
        if partition is None:
            return
        stolen = ident in self._stolen
        self._stolen.discard(ident)
        # The SDK calls it lost, too, when reading failed and the partition is ours as before.
        word = "stolen" if stolen else "shutdown" if reason is CloseReason.SHUTDOWN else "failed" if fault else "lost"
        contained = False
        if word in {"stolen", "lost"}:
            if self._keeper is not None:
                self._keeper.lost(partition.stream)
        elif self._keeper is not None:
            self.partitions[ident] = partition  # for the checkpoint
            try:
                contained = await self._keeper.revoked(partition.stream, budget_s=self._settings.release_s)
            finally:
                self.partitions.pop(ident, None)
        if word in {"lost", "shutdown"}:
            self._contact.forget(ident)
        self._telemetry.emit(events.PartitionReleased(source=self._name, partition=ident, reason=word, contained=contained))

    # What has to be asked.

    async def _watch(self) -> None:
        """Ask the hub for the end of each partition now and then; return when the connection has to be made anew."""
        assert self._processing is not None  # noqa: S101
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._settings.watch_s):
                    await self._ending.wait()
            if self._processing.done():
                self._processing.result()
            if self._processing.done() or self._ending.is_set():
                return
            try:
                await self._ask_all()
            except Exception as error:  # noqa: BLE001  (whatever the SDK raises is told, and asked again)
                self._contact.failed(HUB, reasons.why(error, self._settings))
                if self._stalled():
                    return
                continue
            self._contact.works(HUB)
            self._clear()
            self._compare_clocks()
            if self._stalled() or any(
                one.end is not None and one.last is not None and one.last > one.end for one in self.partitions.values()
            ):
                return

    async def _ask_all(self) -> None:
        gate = asyncio.Semaphore(_QUESTIONS)

        async def ask(partition: Partition) -> None:
            async with gate:
                properties = await self._properties_of(partition.ident)
                partition.end = properties["last_enqueued_sequence_number"]
                partition.begin = properties["beginning_sequence_number"]

        found = list(self.partitions.values())
        if not found:
            assert self._client is not None  # noqa: S101
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await self._client.get_eventhub_properties()
        results = await asyncio.gather(*[ask(one) for one in found], return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def _clear(self) -> None:
        """Forget faults of partitions that were opened again and did not fail since."""
        now_s = time.monotonic()
        for one in list(self.partitions.values()):
            if one.ident not in self._faults and now_s - one.opened_s > _QUIET_S and one.lag == 0:
                self._contact.works(one.ident)

    def _stalled(self) -> bool:
        """Tell of partitions that have events and give none; return whether there are any."""
        now_s = time.monotonic()
        found = False
        for one in self.partitions.values():
            still_s = now_s - one.moved_s
            if one.lag and not self._room.full and still_s > self._settings.stall_s:
                found = True
                text = f"it stands still: {one.lag} events wait in the hub, and none came for {still_s:.0f} s"
                self._contact.failed(one.ident, reasons.standstill(text))
                self._telemetry.emit(
                    events.PartitionStalled(
                        source=self._name, partition=one.ident, events_waiting=one.lag, seconds=round(still_s, 1)
                    )
                )
        return found

    def _compare_clocks(self) -> None:
        """Compare this machine's clock with the hub's by the events that came soonest."""
        delays = [one.delay_ns for one in self.partitions.values() if one.delay_ns is not None and not one.lag]
        for one in self.partitions.values():
            one.delay_ns = None
        if delays:
            seconds = min(delays) / NS_PER_S
            if not -_AHEAD_S <= seconds <= _BEHIND_S:
                self._telemetry.emit(events.ClocksDisagree(source=self._name, seconds=round(seconds, 3)))

    # What others may see.

    def figures(self) -> list[PartitionFigures]:
        """Say how far each partition is."""
        now_ns = time.time_ns()
        return [
            PartitionFigures(
                partition=one.ident,
                lag_events=one.lag,
                lag_s=one.lag_s(now_ns),
                position=-1 if one.last is None else one.last,
                events=one.events,
                repeated=one.repeated,
            )
            for one in list(self.partitions.values())
        ]

    async def contained(self, numbers: Mapping[str, int]) -> None:
        """Move the checkpoints to what survives a restart."""
        due = [(one, numbers[one.stream]) for one in self.partitions.values() if one.stream in numbers]
        await asyncio.gather(*[self._checkpoint(one, number) for one, number in due])

    async def _checkpoint(self, partition: Partition, number: int) -> None:
        final = number == partition.last
        if self._settings.checkpoints is None or self._store is None or self._positions is None:
            return
        now_s = time.monotonic()
        if not final and now_s < self._checkpoint_s.get(partition.ident, 0.0):
            return
        found = partition.checkpoint(number)
        if found is None:
            return
        self._checkpoint_s[partition.ident] = now_s + self._settings.checkpoint_s
        record: dict[str, str | int | None] = {
            **self._positions.scope,
            "partition_id": partition.ident,
            "sequence_number": found[0],
            "offset": found[1],
        }
        try:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await self._store.update_checkpoint(record)
        except Exception as error:  # noqa: BLE001  (a hint: told, and written with the next)
            why = reasons.store_failed(error)
            self._telemetry.emit(events.CheckpointFailed(source=self._name, partition=partition.ident, reason=why))
