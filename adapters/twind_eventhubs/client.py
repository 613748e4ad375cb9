"""The SDK's client, set up the way the source and the sink need it, and who we are."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING, Any

import certifi
from azure.eventhub import TransportType
from azure.eventhub.aio import EventHubConsumerClient, EventHubProducerClient

from twind.api import PermanentError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from azure.core.credentials_async import AsyncTokenCredential
    from azure.eventhub.aio import CheckpointStore

    from twind_eventhubs.connection import HubConnection
    from twind_eventhubs.settings import EventHubsSettings

SOLE_BALANCE_S = 1.0
"""How often a sole reader looks for partitions of its own that nobody reads: it costs no request."""
_RETRIES, _BACKOFF_S, _BACKOFF_CAP_S = 2, 0.2, 5.0
"""The SDK's own: few and short, because what goes on after that is told, and tried again all the same."""


@contextlib.asynccontextmanager
async def identity(settings: HubConnection, *, store_url: str | None = None) -> AsyncIterator[AsyncTokenCredential | None]:
    """Give the credential that stands for this process; None where keys do.

    Args:
        settings: Where the hub is.
        store_url: Of a storage account that is reached without a key as well.
    """
    if settings.namespace is None and store_url is None:
        yield None
        return
    from azure.identity.aio import DefaultAzureCredential  # half a second, and only some need it

    options: dict[str, Any] = {} if settings.client_id is None else {"managed_identity_client_id": settings.client_id}
    async with DefaultAzureCredential(**options) as credential:
        yield credential


async def trust(hub: HubConnection) -> ssl.SSLContext:
    """Load the authorities that may have signed the hub's certificate.

    Reading them takes 30 ms of CPU. Left to itself the SDK reads them in the event loop, anew for every connection, and each
    question to the hub is a connection of its own.

    Raises:
        PermanentError: The file with the hub's own authorities cannot be read.
    """
    return await asyncio.to_thread(_load, hub)


def _load(hub: HubConnection) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if hub.ca is None:
        context.load_default_certs()
        context.load_verify_locations(certifi.where())  # those that the SDK itself would trust
        return context
    try:
        context.load_verify_locations(hub.ca)
    except OSError as error:  # ssl.SSLError is one
        raise PermanentError(f"`ca`: {hub.ca} cannot be read as certificates: {error.strerror or error}") from error
    return context


def consumer(
    settings: EventHubsSettings,
    credential: AsyncTokenCredential | None,
    *,
    tls: ssl.SSLContext,
    store: CheckpointStore | None = None,
    retries: int = _RETRIES,
) -> EventHubConsumerClient:
    """Make a client; nothing is sent yet.

    Args:
        settings: Of the source.
        credential: Who we are, where no key says so.
        tls: What `trust` returned.
        store: Who owns what; None for a client that only looks.
        retries: How often one request is repeated.
    """
    options = {
        "consumer_group": settings.consumer_group,
        "checkpoint_store": store,
        "load_balancing_interval": settings.balance_s if settings.shared else SOLE_BALANCE_S,
        "partition_ownership_expiration_interval": settings.ownership_s,
        **_options(settings, tls, retries),
    }
    if settings.connection_string is not None:
        return EventHubConsumerClient.from_connection_string(settings.connection_string.get_secret_value(), **options)
    return EventHubConsumerClient(settings.namespace, credential=credential, **options)  # type: ignore[arg-type]


def producer(
    settings: HubConnection, credential: AsyncTokenCredential | None, *, tls: ssl.SSLContext
) -> EventHubProducerClient:
    """Make a client that sends; nothing is sent yet."""
    options = _options(settings, tls, _RETRIES)
    if settings.connection_string is not None:
        return EventHubProducerClient.from_connection_string(settings.connection_string.get_secret_value(), **options)
    return EventHubProducerClient(settings.namespace, credential=credential, **options)  # type: ignore[arg-type]


def _options(settings: HubConnection, tls: ssl.SSLContext, retries: int) -> dict[str, Any]:
    options: dict[str, Any] = {
        "eventhub_name": settings.hub,
        "ssl_context": tls,
        "retry_total": retries,
        "retry_backoff_factor": _BACKOFF_S,
        "retry_backoff_max": _BACKOFF_CAP_S,
        # Written out: with a credential and an endpoint of its own the SDK would switch to WebSockets.
        "transport_type": TransportType.AmqpOverWebsocket if settings.transport == "websocket" else TransportType.Amqp,
    }
    if settings.endpoint is not None:
        options["custom_endpoint_address"] = settings.endpoint
    return options
