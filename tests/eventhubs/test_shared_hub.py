"""Two sources share the partitions of a hub through a blob container (azurite): join, read, leave; every event once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.eventhubs.azurite import azurite, create_container
from tests.eventhubs.opened import Keeper, Opened
from tests.eventhubs.sdk import emulator
from tests.eventhubs.together import Together
from twind.model.errors import PermanentError
from twind_eventhubs.emulator import device_event
from twind_eventhubs.plugin import adapter

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONTAINER = "checkpoints"


@pytest.fixture
def storage() -> Iterator[str]:
    """The connection string of an azurite."""
    with azurite() as connection_string:
        yield connection_string


async def _two_share(storage: str) -> None:
    await create_container(storage, _CONTAINER)
    options: dict[str, Any] = {
        "checkpoints": {"container": _CONTAINER, "connection_string": storage},
        "balance_s": 0.5,
        "ownership_s": 30,  # nobody dies here, and a slow machine is no dead one
        "checkpoint_s": 0.5,
    }
    taken: dict[tuple[str, int], int] = {}

    async def drain(one: Opened) -> None:
        while messages := await one.source.receive(500):
            for message in messages:
                taken[message.stream, message.number] = taken.get((message.stream, message.number), 0) + 1
            await one.source.contained({message.stream: message.number for message in messages})

    async with emulator(partitions=8) as running:
        hub = running.namespace.hub("hub")

        def send(count: int) -> None:
            for number in range(count):
                made = device_event("arm-1", b"{}", enqueued_ms=int(time.time() * 1000))
                hub.append([made], partition=str(number % 8))

        leaver = Keeper()
        async with Opened(running, keeper=Keeper(), **options) as stays:
            staying = asyncio.create_task(drain(stays))
            send(400)
            await stays.until(lambda: len(taken) == 400)
            async with Opened(running, keeper=leaver, **options) as leaves:
                leaving = asyncio.create_task(drain(leaves))
                await stays.until(lambda: len(leaves.source.figures()) == len(stays.source.figures()) == 4)
                send(800)
                await stays.until(lambda: len(taken) == 1200)
                before = len(leaver.given_up)  # on a slow machine some may have gone to and fro
                await leaves.source.aclose()
                await leaving
            assert {what for _, what in leaver.given_up[before:]} == {"revoked"}
            send(80)
            await stays.until(lambda: len(taken) == 1280 and len(stays.source.figures()) == 8)
            assert "8 checkpoints" in await adapter.probe("hub", stays.settings, instance="cell-7")
            await stays.source.aclose()
            await staying
        missing = stays.settings.checkpoints.model_copy(update={"container": "nobody"})
        with pytest.raises(PermanentError, match="there is no blob container 'nobody'"):
            await adapter.probe("hub", stays.settings.model_copy(update={"checkpoints": missing}), instance="cell-7")


def test_two_readers_divide_a_hub_and_no_event_is_missed_when_one_leaves(storage: str) -> None:
    scenario = Together()
    scenario((storage,))(_two_share)
    scenario.check(scenario.names[0])
