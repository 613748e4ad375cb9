"""A blob storage on this machine: azurite, from npm."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # azurite's own, public
MISSING = "azurite-blob is not here: npm install azurite, and point TWIND_AZURITE at it"


def program() -> str | None:
    """Return where azurite is; TWIND_AZURITE may name it."""
    return os.environ.get("TWIND_AZURITE") or shutil.which("azurite-blob")


@contextlib.contextmanager
def azurite() -> Iterator[str]:
    """Give the connection string of one that runs."""
    found = program()
    assert found is not None
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    options = ["--silent", "--disableTelemetry", "--inMemoryPersistence", "--skipApiVersionCheck"]
    process = subprocess.Popen([found, *options, "--blobHost", "127.0.0.1", "--blobPort", str(port)], stdout=subprocess.DEVNULL)
    try:
        name = "devstoreaccount1"
        yield f"DefaultEndpointsProtocol=http;AccountName={name};AccountKey={_KEY};BlobEndpoint=http://127.0.0.1:{port}/{name};"
    finally:
        process.kill()
        process.wait()


async def create_container(connection_string: str, container: str) -> None:
    """Make a container, as soon as azurite answers."""
    from azure.eventhub.extensions.checkpointstoreblobaio import BlobCheckpointStore

    async with BlobCheckpointStore.from_connection_string(connection_string, container) as store, asyncio.timeout(60):
        while True:
            with contextlib.suppress(AzureError):
                await store._container_client.create_container()
                return
            await asyncio.sleep(0.2)
