"""Where ownership and checkpoints are kept: for daemons that share a hub, and for one that has it to itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from typing import TYPE_CHECKING, Any

from azure.eventhub.aio import CheckpointStore

from twind.api import replacing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable
    from pathlib import Path

    from azure.core.credentials_async import AsyncTokenCredential

    from twind_eventhubs.settings import EventHubsSettings

Record = dict[str, Any]
"""An ownership or a checkpoint, as the SDK writes them."""


class SoleStore(CheckpointStore):
    """All partitions are ours. Checkpoints go to a file, if there is one.

    Args:
        path: The file.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._checkpoints: dict[str, Record] = {}
        self._owned: dict[str, Record] = {}
        self._writing = asyncio.Lock()

    async def open(self) -> None:
        """Read the file, if it is there.

        Raises:
            OSError: It cannot be read.
            ValueError: It is not what this class writes.
        """
        if self._path is None:
            return
        with contextlib.suppress(FileNotFoundError):
            text = await asyncio.to_thread(self._path.read_text, encoding="utf-8")
            found = json.loads(text)
            if not isinstance(found, dict) or not all(isinstance(record, dict) for record in found.values()):
                raise ValueError(f"{self._path} holds no checkpoints")
            self._checkpoints = found

    async def list_ownership(  # noqa: D102
        self, fully_qualified_namespace: str, eventhub_name: str, consumer_group: str, **_: Any
    ) -> Iterable[Record]:
        del fully_qualified_namespace, eventhub_name, consumer_group
        # As of now, always: nobody else renews them, and a clock that was set must not make them look expired.
        return [record | {"last_modified_time": time.time()} for record in self._owned.values()]

    async def claim_ownership(self, ownership_list: Iterable[Record], **_: Any) -> Iterable[Record]:  # noqa: D102
        claimed = [record | {"last_modified_time": time.time(), "etag": str(uuid.uuid4())} for record in ownership_list]
        self._owned |= {record["partition_id"]: record for record in claimed}
        return claimed

    async def list_checkpoints(  # noqa: D102
        self, fully_qualified_namespace: str, eventhub_name: str, consumer_group: str, **_: Any
    ) -> Iterable[Record]:
        wanted = (fully_qualified_namespace, eventhub_name, consumer_group)
        names = ("fully_qualified_namespace", "eventhub_name", "consumer_group")
        return [record for record in self._checkpoints.values() if tuple(record.get(name) for name in names) == wanted]

    async def update_checkpoint(self, checkpoint: Record, **_: Any) -> None:  # noqa: D102
        self._checkpoints[f"{checkpoint['eventhub_name']}/{checkpoint['partition_id']}"] = dict(checkpoint)
        if self._path is not None:
            async with self._writing:
                await asyncio.to_thread(_write, self._path, json.dumps(self._checkpoints, indent=1))


class BlobStore(CheckpointStore):
    """A blob container that several daemons share.

    When an ownership expires, the SDK decides by comparing the storage's clock with this machine's. A machine whose clock is
    set would take everything from everybody; so times are told here as this machine's clock had shown them.

    Args:
        store: The SDK's own store.
    """

    def __init__(self, store: CheckpointStore) -> None:
        self._store = store
        self._ahead_s: float | None = None
        """This machine's clock less the storage's [s]; None before anything was written."""

    async def list_ownership(  # noqa: D102
        self, fully_qualified_namespace: str, eventhub_name: str, consumer_group: str, **kwargs: Any
    ) -> Iterable[Record]:
        found = await self._store.list_ownership(fully_qualified_namespace, eventhub_name, consumer_group, **kwargs)
        return [self._here(record) for record in found]

    async def claim_ownership(self, ownership_list: Iterable[Record], **kwargs: Any) -> Iterable[Record]:  # noqa: D102
        claimed = list(await self._store.claim_ownership(ownership_list, **kwargs))
        if claimed:
            self._ahead_s = time.time() - max(record["last_modified_time"] for record in claimed)
        return [self._here(record) for record in claimed]

    def _here(self, record: Record) -> Record:
        return record | {"last_modified_time": record["last_modified_time"] + (self._ahead_s or 0.0)}

    async def list_checkpoints(  # noqa: D102
        self, fully_qualified_namespace: str, eventhub_name: str, consumer_group: str, **kwargs: Any
    ) -> Iterable[Record]:
        return await self._store.list_checkpoints(fully_qualified_namespace, eventhub_name, consumer_group, **kwargs)

    async def update_checkpoint(self, checkpoint: Record, **kwargs: Any) -> None:  # noqa: D102
        await self._store.update_checkpoint(checkpoint, **kwargs)


@contextlib.asynccontextmanager
async def open_store(settings: EventHubsSettings, credential: AsyncTokenCredential | None) -> AsyncIterator[CheckpointStore]:
    """Give the store that the settings name.

    Raises:
        OSError: The file of checkpoints cannot be read.
        ValueError: It holds something else.
    """
    chosen = settings.checkpoints
    if chosen is None or chosen.container is None:
        store = SoleStore(None if chosen is None else chosen.file)
        await store.open()
        yield store
        return
    from azure.eventhub.extensions.checkpointstoreblobaio import BlobCheckpointStore

    if chosen.connection_string is not None:
        blob = BlobCheckpointStore.from_connection_string(chosen.connection_string.get_secret_value(), chosen.container)
    else:
        blob = BlobCheckpointStore(chosen.account_url or "", chosen.container, credential=credential)
    async with blob:
        yield BlobStore(blob)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path, locked=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
