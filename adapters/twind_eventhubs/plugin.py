"""What the entry point `eventhubs` names."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from twind_eventhubs import reasons
from twind_eventhubs.checkpoints import open_store
from twind_eventhubs.client import consumer, identity, trust
from twind_eventhubs.settings import EventHubsSettings
from twind_eventhubs.source import EventHubsSource

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.eventhub import EventData
    from azure.eventhub.aio import EventHubConsumerClient, PartitionContext

    from twind.api import ResumableSource, SourceAdapter, Telemetry

_PROBE_S = 12.0
"""How long one partition is read to see whether the consumer group is there, where it has an event that shows it [s]."""
_SAMPLED = 8
"""Partitions that are looked at for an event."""
_EMPTY_PROBE_S = 6.0
"""The same where there is no event: no error for so long."""


class EventHubsAdapter:
    """Opens and probes Event Hubs sources."""

    settings = EventHubsSettings

    def open(self, name: str, settings: EventHubsSettings, *, instance: str, telemetry: Telemetry) -> ResumableSource:
        """Make a source, not yet connected."""
        del instance  # positions are kept by consumer group, and by the daemon's snapshot
        return EventHubsSource(name, settings, telemetry=telemetry)

    def acknowledges(self, settings: EventHubsSettings) -> bool:
        """Whether a source with these settings repeats what was not contained: always."""
        del settings
        return True

    async def probe(self, name: str, settings: EventHubsSettings, *, instance: str) -> str:
        """Ask for the partitions, look into the first one as nobody's rival, and say what was found.

        Raises:
            RetryableError: The hub or the checkpoint store cannot be reached now.
            PermanentError: It refuses the key or the identity, or the hub, the group or the container is not there.
        """
        del name, instance
        try:
            async with (
                identity(settings, store_url=settings.store_url) as credential,
                consumer(settings, credential, tls=await trust(settings), retries=0) as client,
            ):
                async with asyncio.timeout(settings.connect_timeout_s):
                    partitions = (await client.get_eventhub_properties())["partition_ids"]
                    properties = [await client.get_partition_properties(partition) for partition in partitions[:_SAMPLED]]
                await _look_into(client, min(properties, key=lambda one: bool(one["is_empty"])))
                note = await _look_at_checkpoints(settings, credential)
        except Exception as error:
            raise reasons.why(error, settings) from error
        count = "1 partition" if len(partitions) == 1 else f"{len(partitions)} partitions"
        return f"connected to {settings.address}; {count}, consumer group {settings.consumer_group!r}{note}"


async def _look_into(client: EventHubConsumerClient, partition: dict[str, Any]) -> None:
    """Read a partition without an owner level, which takes it from nobody, until an event comes or it fails.

    Raises:
        EventHubError: It cannot be read, for another reason than that somebody reads it.
    """
    seen: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def see(outcome: Exception | None) -> None:
        if not seen.done():
            seen.set_result(outcome)

    async def on_error(_: PartitionContext | None, error: Exception) -> None:
        see(error)

    async def on_events(_: PartitionContext, __: list[EventData]) -> None:
        see(None)

    reading = asyncio.create_task(
        client.receive_batch(on_events, partition_id=partition["id"], starting_position="-1", prefetch=1, on_error=on_error),
        name="eventhubs probe",
    )
    try:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EMPTY_PROBE_S if partition["is_empty"] else _PROBE_S):
                await asyncio.shield(seen)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
    outcome = seen.result() if seen.done() else None
    seen.cancel()
    if outcome is not None and not reasons.stolen(outcome):  # stolen says: the group is there, and a daemon reads it
        raise outcome


async def _look_at_checkpoints(settings: EventHubsSettings, credential: AsyncTokenCredential | None) -> str:
    """Read the checkpoint store, if there is one, and say what is in it.

    Raises:
        TwindError: It cannot be read.
    """
    if settings.checkpoints is None:
        return ""
    host = settings.address.removeprefix("sb://").partition("/")[0]
    try:
        async with open_store(settings, credential) as store, asyncio.timeout(settings.connect_timeout_s):
            found = list(await store.list_checkpoints(host, settings.hub, settings.consumer_group))
    except Exception as error:
        raise reasons.store_error(error, settings) from error
    return f"; {len(found)} checkpoints"


adapter: SourceAdapter[EventHubsSettings] = EventHubsAdapter()
