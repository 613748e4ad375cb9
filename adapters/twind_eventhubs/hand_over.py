"""The hand-over `blob`: daemons that share no volume leave for each other what they know of a partition in a blob container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from twind.api import HandOverSettings, SharedStreams, SharingAdapter, SharingContext
from twind_eventhubs.shared_blobs import SharedBlobs
from twind_eventhubs.storage_account import StorageConnectionString  # noqa: TC001  (pydantic reads the annotations)

if TYPE_CHECKING:
    from azure.storage.blob import ContainerClient

_CONNECT_S, _READ_S = 5, 20
"""How long one request may take to connect, and between two answers [s]."""


class BlobHandOverSettings(HandOverSettings):
    """A blob container in which daemons that share the partitions of a hub leave for each other what came on each partition.

    Each daemon keeps copies of the live layers of all of them, in `streams` below `stage.snapshot.path`, and composes them for
    itself: `stage.snapshot.composed` must be a file of its own.
    """

    type: Literal["blob"]
    """Name of the adapter."""
    container: Annotated[str, Field(min_length=3, max_length=63)]
    """Blob container. It must exist; the one of the checkpoints will do."""
    connection_string: StorageConnectionString | None = None
    """Of the storage account. Or `account_url`."""
    account_url: str | None = None
    """Such as `https://NAME.blob.core.windows.net`; who we are is found out by DefaultAzureCredential (workload identity, ...).
    It needs the role Storage Blob Data Contributor."""
    client_id: str | None = None
    """Which user-assigned managed identity to be, where there are several; only without keys."""
    prefix: Annotated[str, Field(pattern=r"^([A-Za-z0-9_-]+/)*$")] = "streams/"
    """What the names of all blobs begin with: empty, or ending with a slash."""

    @model_validator(mode="after")
    def _names_an_account(self) -> Self:
        if (self.connection_string is None) == (self.account_url is None):
            msg = "give `connection_string` or `account_url`"
            raise ValueError(msg)
        if self.client_id is not None and self.account_url is None:
            msg = "`client_id` goes with `account_url`: a connection string says who we are"
            raise ValueError(msg)
        return self


class BlobHandOver:
    """What the entry point `blob` of the group `twind.hand_overs` names."""

    settings = BlobHandOverSettings

    def open(self, settings: BlobHandOverSettings, context: SharingContext) -> SharedStreams:
        """Make it, not yet connected."""
        return SharedBlobs(_container(settings), prefix=settings.prefix, context=context)


def _container(settings: BlobHandOverSettings) -> ContainerClient:
    from azure.storage.blob import ContainerClient

    # Repeated by ourselves: what is repeated here must know that its first try may have passed.
    options: dict[str, Any] = {"retry_total": 0, "connection_timeout": _CONNECT_S, "read_timeout": _READ_S}
    if settings.connection_string is not None:
        return ContainerClient.from_connection_string(
            settings.connection_string.get_secret_value(), settings.container, **options
        )
    from azure.identity import DefaultAzureCredential  # half a second, and only some need it

    who = {} if settings.client_id is None else {"managed_identity_client_id": settings.client_id}
    return ContainerClient(settings.account_url or "", settings.container, credential=DefaultAzureCredential(**who), **options)


adapter: SharingAdapter[BlobHandOverSettings] = BlobHandOver()
