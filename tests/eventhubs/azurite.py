"""A blob storage on this machine: azurite, from npm."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from azure.core.exceptions import AzureError

if TYPE_CHECKING:
    from collections.abc import Iterator

_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # azurite's own, public
_START_S = 180.0
_ROOT = Path(__file__).parents[2]


@functools.cache
def program() -> str | None:
    """Return where azurite is, None where it is not and cannot be installed either; TWIND_AZURITE may name it."""
    found = os.environ.get("TWIND_AZURITE") or shutil.which("azurite-blob")
    if found is not None:
        return found
    folder = _ROOT / ".azurite"
    if subprocess.run([_ROOT / ".ci" / "azurite", folder], check=False, timeout=600).returncode:
        return None
    return str(folder / "node_modules" / ".bin" / "azurite-blob")


@contextlib.contextmanager
def azurite() -> Iterator[str]:
    """Give the connection string of one that runs; skip the test where there is none."""
    found = program()
    if found is None:
        pytest.skip("azurite is not here and cannot be installed; point TWIND_AZURITE at an azurite-blob")
    options = ["--silent", "--disableTelemetry", "--inMemoryPersistence", "--skipApiVersionCheck"]
    process = subprocess.Popen(
        [found, *options, "--blobHost", "127.0.0.1", "--blobPort", "0"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    patience = threading.Timer(_START_S, process.kill)
    patience.start()
    try:
        assert process.stdout is not None
        said = next((line for line in process.stdout if b"listens on" in line), b"")  # ends when azurite does
        port = re.search(rb":(\d+)\s*$", said)
        patience.cancel()
        assert port is not None, f"azurite says {said!r}"
        name, number = "devstoreaccount1", int(port[1])
        yield f"DefaultEndpointsProtocol=http;AccountName={name};AccountKey={_KEY};BlobEndpoint=http://127.0.0.1:{number}/{name};"
    finally:
        patience.cancel()
        process.kill()
        process.communicate()


async def create_container(connection_string: str, container: str) -> None:
    """Make a container, as soon as azurite answers."""
    from azure.eventhub.extensions.checkpointstoreblobaio import BlobCheckpointStore

    async with BlobCheckpointStore.from_connection_string(connection_string, container) as store, asyncio.timeout(60):
        while True:
            with contextlib.suppress(AzureError):
                await store._container_client.create_container()
                return
            await asyncio.sleep(0.2)
