"""Two sources share the partitions of a hub through a blob container (azurite): join, read, leave; every event once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import AzureError

from tests.eventhubs.opened import Keeper, Opened
from tests.eventhubs.sdk import emulator
from tests.eventhubs.together import Together
from twind.model.errors import PermanentError
from twind_eventhubs.emulator import device_event
from twind_eventhubs.plugin import adapter

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # azurite's own, public
_CONTAINER = "checkpoints"


@pytest.fixture
def storage() -> Iterator[str]:
    """The connection string of an azurite; TWIND_AZURITE may name its program."""
    program = os.environ.get("TWIND_AZURITE") or shutil.which("azurite-blob")
    if program is None:
        pytest.skip("azurite-blob is not here: npm install azurite, and point TWIND_AZURITE at it")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = ["--silent", "--disableTelemetry", "--inMemoryPersistence", "--skipApiVersionCheck"]
    process = subprocess.Popen(
        [program, *options, "--blobHost", "127.0.0.1", "--blobPort", str(port)], stdout=subprocess.DEVNULL
    )
    name = "devstoreaccount1"
    yield (f"DefaultEndpointsProtocol=http;AccountName={name};AccountKey={_KEY};BlobEndpoint=http://127.0.0.1:{port}/{name};")
    process.kill()
    process.wait()


async def _create_container(connection_string: str) -> None:
    from azure.eventhub.extensions.checkpointstoreblobaio import BlobCheckpointStore

    async with BlobCheckpointStore.from_connection_string(connection_string, _CONTAINER) as store, asyncio.timeout(60):
        while True:
            with contextlib.suppress(AzureError):
                await store._container_client.create_container()
                return
            await asyncio.sleep(0.2)


async def _two_share(storage: str) -> None:
    await _create_container(storage)
    options: dict[str, Any] = {
        "checkpoints": {"container": _CONTAINER, "connection_string": storage},
        "balance_s": 1,
        "ownership_s": 6,
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
                await leaves.source.aclose()
                await leaving
            assert sorted(what for _, what in leaver.given_up) == ["revoked"] * 4
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
