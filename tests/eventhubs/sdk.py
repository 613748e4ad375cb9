"""An emulator in the test's own loop, and what the SDK receives from it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from azure.eventhub.aio import EventHubConsumerClient, EventHubProducerClient

from twind_eventhubs.emulator import Emulator, HubSettings, Rule

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from azure.eventhub import EventData, PartitionContext

RULE = Rule("policy", "a key that is only for tests")


def emulator(*, partitions: int = 1, **options: Any) -> Emulator:
    return Emulator([HubSettings("hub", partitions=partitions, groups=("other",))], rules=(RULE,), **options)


def producer(running: Any, **options: Any) -> EventHubProducerClient:
    return EventHubProducerClient.from_connection_string(running.connection_string, eventhub_name="hub", **options)


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for something of which the SDK gives no notice."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


class Reading:
    """A consumer of the SDK that runs, and what it got."""

    def __init__(self, client: EventHubConsumerClient, options: dict[str, Any]) -> None:
        self.events: list[EventData] = []
        self.by_partition: dict[str, list[EventData]] = {}
        self.errors: list[Exception] = []
        self._news = asyncio.Event()
        options.setdefault("starting_position", "-1")
        self._task = asyncio.create_task(
            client.receive_batch(self._on_batch, on_error=self._on_error, max_wait_time=0.2, **options)  # type: ignore[call-overload]
        )

    async def _on_batch(self, context: PartitionContext, events: list[EventData]) -> None:
        self.events += events
        self.by_partition.setdefault(context.partition_id, []).extend(events)
        self._news.set()

    async def _on_error(self, _: PartitionContext | None, error: Exception) -> None:
        self.errors.append(error)
        self._news.set()

    async def until(self, condition: Any, *, within_s: float = 30.0) -> None:
        async with asyncio.timeout(within_s):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def take(self, count: int) -> list[EventData]:
        await self.until(lambda: len(self.events) >= count)
        return self.events

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@contextlib.asynccontextmanager
async def reading(
    running: Any, *, group: str = "$Default", client_options: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Reading]:
    client = EventHubConsumerClient.from_connection_string(
        running.connection_string, consumer_group=group, eventhub_name="hub", **(client_options or {})
    )
    async with client:
        got = Reading(client, options)
        try:
            yield got
        finally:
            await got.close()
