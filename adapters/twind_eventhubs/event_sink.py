"""The sink `eventhubs`: CloudEvents to a hub."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from typing import TYPE_CHECKING, Annotated, Any, Literal

from azure.eventhub import EventData
from pydantic import Field

from twind.api import CONTENT_TYPE, Delivery, DeliverySettings
from twind_eventhubs import reasons
from twind_eventhubs.client import identity, producer, trust
from twind_eventhubs.connection import HubConnection

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from azure.eventhub import EventDataBatch
    from azure.eventhub.aio import EventHubProducerClient

    from twind.api import Outgoing, SinkContext


class EventHubsEventSettings(HubConnection, DeliverySettings):
    """Tells states of entities, their changes of status, and incidents to a hub, as CloudEvents 1.0 in JSON."""

    type: Literal["eventhubs"]
    """Name of the adapter."""
    max_event_bytes: Annotated[int, Field(ge=1024, le=1_044_480)] = 258_048
    """Largest event that the hub takes [bytes]: the default fits every tier; all but Basic take 1,044,480."""


class EventHubsCarrier:
    """A `Carrier` that fills batches, one after the other for each partition. Use `adapter`.

    What is about one subject goes to one partition, which keeps it in order. Which one is ours to say: a partition key would
    have the hub choose, but then a batch holds the events of one key only.
    """

    def __init__(self, settings: EventHubsEventSettings) -> None:
        self.address = settings.address
        self.max_event_bytes = settings.max_event_bytes
        self._settings = settings
        self._resources = contextlib.AsyncExitStack()
        self._client: EventHubProducerClient | None = None
        self._partitions: list[str] = []
        self._sound = True
        """Whether the connection may be used: after a failure, or a send that was broken off, another one is made."""

    async def send(self, batch: Sequence[Outgoing]) -> Sequence[tuple[Outgoing, str]]:
        """Send some events, those of each partition in order, and wait until the hub has taken all of them.

        Returns:
            Those that are too large for the hub.
        """
        if not self._sound:
            await self._hang_up()
        self._sound = False
        try:
            client = await self._connected()
            by_partition: dict[str, list[Outgoing]] = {}
            for one in batch:
                by_partition.setdefault(partition_of(one.notice.subject, self._partitions), []).append(one)
            refused: list[tuple[Outgoing, str]] = []
            await _all([self._send_to(client, partition, events, refused) for partition, events in by_partition.items()])
        except Exception as error:
            raise reasons.why_not_sent(error, self._settings) from error
        self._sound = True
        return refused

    async def _connected(self) -> EventHubProducerClient:
        if self._client is None:
            credential = await self._resources.enter_async_context(identity(self._settings))
            made = producer(self._settings, credential, tls=await trust(self._settings))
            self._client = await self._resources.enter_async_context(made)
        if not self._partitions:
            async with asyncio.timeout(self._settings.connect_timeout_s):
                self._partitions = sorted(await self._client.get_partition_ids())
        return self._client

    async def _send_to(
        self,
        client: EventHubProducerClient,
        partition: str,
        events: Sequence[Outgoing],
        refused: list[tuple[Outgoing, str]],
    ) -> None:
        """Send events to a partition; add those that no batch takes to `refused`."""
        filled: EventDataBatch | None = None
        for one in events:
            event = EventData(one.payload)
            event.content_type = CONTENT_TYPE
            if filled is not None and _fits(filled, event):
                continue
            if filled is not None and len(filled):
                await self._send_batch(client, filled)
            async with asyncio.timeout(self._settings.connect_timeout_s):
                filled = await client.create_batch(partition_id=partition)
            if not _fits(filled, event):
                refused.append((one, f"{self.address} takes {filled.max_size_in_bytes} at most"))
        if filled is not None and len(filled):
            await self._send_batch(client, filled)

    async def _send_batch(self, client: EventHubProducerClient, filled: EventDataBatch) -> None:
        # The SDK's own limit counts for each of its attempts, and knows nothing of connections that stay and are silent.
        async with asyncio.timeout(self._settings.connect_timeout_s):
            await client.send_batch(filled)

    async def aclose(self) -> None:
        """Disconnect in good order."""
        await self._hang_up()

    async def _hang_up(self) -> None:
        resources, self._resources = self._resources, contextlib.AsyncExitStack()
        self._client, self._partitions = None, []
        # What a connection says that is given up, or does not say, matters to nobody.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(self._settings.connect_timeout_s):
                await resources.aclose()


def _fits(filled: EventDataBatch, event: EventData) -> bool:
    """Add an event to a batch; return whether there was room."""
    try:
        filled.add(event)
    except ValueError:
        return False
    return True


def partition_of(subject: str, partitions: Sequence[str]) -> str:
    """Return the partition for what is about a subject: always the same, while there are as many."""
    return partitions[zlib.crc32(subject.encode()) % len(partitions)]


async def _all(sends: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Wait for all of them; when one fails, end the others and raise that."""
    tasks = [asyncio.create_task(send, name="eventhubs: send") for send in sends]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class EventHubsEventAdapter:
    """What the entry point `eventhubs` of the group `twind.sinks` names."""

    settings = EventHubsEventSettings

    def open(self, name: str, settings: EventHubsEventSettings, context: SinkContext) -> Delivery:
        """Make a sink, not yet connected."""
        return Delivery(name, settings, EventHubsCarrier(settings), context)


adapter = EventHubsEventAdapter()
