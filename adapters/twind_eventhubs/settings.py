"""What can be configured about an Event Hubs source."""

from __future__ import annotations

import datetime as dt
from pathlib import Path  # noqa: TC003  (pydantic reads the annotations)
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from twind.api import RouteSettings, Secret, SettingsModel, SourceSettings, TopicPattern
from twind_eventhubs.topics import Template, TopicTemplate

DEVICE_EVENTS = "$iothub/{event}/{entity}"
"""Topics of what IoT Hub says of a device beside its telemetry."""

_Seconds = Annotated[float, Field(gt=0, le=3600)]


class CheckpointSettings(SettingsModel):
    """Where positions are noted beside the daemon's own snapshot. One of `container` (shared by several daemons) and `file`."""

    container: Annotated[str, Field(min_length=3, max_length=63)] | None = None
    """Blob container. Daemons that name the same one share the hub: each partition has one reader at a time, and when a daemon
    joins or leaves they divide the partitions anew. It must exist."""
    connection_string: Secret | None = None
    """Of the storage account. Or `account_url`."""
    account_url: str | None = None
    """Such as `https://NAME.blob.core.windows.net`; who we are is found out as for the hub (workload identity, ...). It needs
    the role Storage Blob Data Contributor."""
    file: Path | None = None
    """File on this machine, for the only reader of its consumer group."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.container is None) == (self.file is None):
            msg = "name either `container` (for several daemons) or `file` (for one)"
            raise ValueError(msg)
        if (self.container is None) != (self.connection_string is None and self.account_url is None):
            msg = "`container` goes with `connection_string` or `account_url`"
            raise ValueError(msg)
        if self.connection_string is not None and self.account_url is not None:
            msg = "give `connection_string` or `account_url`, not both"
            raise ValueError(msg)
        return self


class EventHubsSettings(SourceSettings):
    """Events from Azure Event Hubs, or from the Event Hubs endpoint of an IoT Hub."""

    type: Literal["eventhubs"]
    """Name of the adapter."""
    connection_string: Secret | None = None
    """`Endpoint=sb://...;SharedAccessKeyName=...;SharedAccessKey=...[;EntityPath=HUB]`, from `${env:...}` or `${file:...}`. Of
    an IoT Hub: the *Event Hub-compatible* one, under "Built-in endpoints". Or `namespace`."""
    namespace: str | None = None
    """Such as `NAME.servicebus.windows.net`, without a key: who we are is found out by DefaultAzureCredential (workload
    identity on Kubernetes, managed identity, environment, `az login`). It needs the role Azure Event Hubs Data Receiver."""
    client_id: str | None = None
    """Which user-assigned managed identity to be, where there are several; only with `namespace` or `account_url`."""
    event_hub: str | None = None
    """Name of the hub. Not needed where the connection string holds it (`EntityPath`)."""
    consumer_group: Annotated[str, Field(min_length=1)] = "$Default"
    """Consumer group. Nobody else should read with it but daemons that share `checkpoints.container`."""
    checkpoints: CheckpointSettings | None = None
    """Where positions are noted for others to see, and who reads what. Default: the daemon's own snapshot alone, and all
    partitions are this daemon's."""
    checkpoint_s: _Seconds = 10.0
    """How often checkpoints are moved, at most [s]. They are a hint: after a restart the snapshot's own position counts."""
    start: Literal["earliest", "latest"] | dt.datetime | dict[str, Annotated[int, Field(ge=0)]] = "earliest"
    """Where to begin a partition that no snapshot and no checkpoint knows: `earliest` (all that the hub still keeps), `latest`
    (only what comes from now on), a time (`2026-11-01T06:00:00Z`), or sequence numbers by partition (`{"0": 1200}`; others:
    earliest)."""
    topics: Annotated[tuple[TopicTemplate, ...], Field(min_length=1)] = (
        Template("{device_id}"),
        Template("{property.topic}"),
        Template("{partition_key}"),
    )
    """What routes see as the topic of an event: the first of these of which the event has everything. `{device_id}` and
    `{module_id}` (IoT Hub), `{partition_key}`, `{partition}`, `{property.NAME}` (application property); other text stays, such
    as `plant/{device_id}/{property.kind}`."""
    messages: Literal["auto", "one", "array", "lines"] = "auto"
    """How many messages an event holds. `one`; `array`: a JSON array of them; `lines`: JSON separated by line feeds; `auto`:
    whichever of these the event looks like."""
    prefetch: Annotated[int, Field(ge=1, le=100_000)] = 3000
    """Events that may be under way to us, for each partition. The SDK takes up to so many every 50 ms, so this
    bounds the rate."""
    batch: Annotated[int, Field(ge=1, le=100_000)] = 3000
    """Events that the SDK hands over at a time, at most."""
    epoch: Annotated[int, Field(ge=0)] = 0
    """Owner level: a reader with a higher one, or a later one with the same, takes a partition from an earlier reader."""
    balance_s: _Seconds = 10.0
    """How often daemons that share `checkpoints.container` look whether the partitions are divided fairly [s]."""
    ownership_s: _Seconds = 60.0
    """After which silence a daemon's partitions are taken over by the others [s]; several times `balance_s`."""
    release_s: _Seconds = 5.0
    """How long a partition is held back when this daemon stops, so that the snapshot that contains it can be written [s]."""
    watch_s: _Seconds = 10.0
    """How often the hub is asked for the end of each partition, for lag and stalls [s]."""
    stall_s: _Seconds = 60.0
    """A partition that has events but gave none for so long stands still: `/readyz` says so, and the connection is made anew
    [s]."""
    max_messages: Annotated[int, Field(ge=1)] = 20_000
    """Messages that may wait to be processed. Beyond that, nothing is read from the hub."""
    max_bytes: Annotated[int, Field(ge=1)] = 67_108_864
    """The same bound in bytes of payload [bytes]."""
    connect_timeout_s: _Seconds = 30.0
    """How long one question to the hub may take [s]."""
    transport: Literal["amqp", "websocket"] = "amqp"
    """`websocket` where only port 443 is open."""
    endpoint: str | None = None
    """Address to connect to in place of the one in the connection string, such as `sb://localhost:5671`: private endpoints,
    gateways, the emulator with TLS."""
    ca: Path | None = None
    """File of CA certificates (PEM) that may have signed the endpoint's certificate. Default: those the system trusts."""

    @field_validator("connection_string")
    @classmethod
    def _is_event_hub_compatible(cls, value: Secret | None) -> Secret | None:
        if value is None:
            return None
        parts = _parts(value)
        if "hostname" in parts and "endpoint" not in parts:
            msg = "is that of an IoT Hub itself: take the Event Hub-compatible one, under 'Built-in endpoints'"
            raise ValueError(msg)
        if not parts.get("endpoint", "").lower().startswith("sb://"):
            msg = "must begin with Endpoint=sb://HOST"
            raise ValueError(msg)
        if "sharedaccesssignature" not in parts and not parts.keys() >= {"sharedaccesskeyname", "sharedaccesskey"}:
            msg = "needs SharedAccessKeyName and SharedAccessKey, or SharedAccessSignature"
            raise ValueError(msg)
        return value

    @field_validator("namespace")
    @classmethod
    def _is_host(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value or "/" in value or " " in value:
            msg = "must be a host name such as NAME.servicebus.windows.net"
            raise ValueError(msg)
        return value if "." in value else f"{value}.servicebus.windows.net"

    @field_validator("start")
    @classmethod
    def _has_a_zone(cls, value: object) -> object:
        if isinstance(value, dt.datetime):
            return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.connection_string is None) == (self.namespace is None):
            msg = "give `connection_string` or `namespace`"
            raise ValueError(msg)
        if self.event_hub is None and "entitypath" not in self._connection:
            msg = "`event_hub` is missing: the connection string names no hub (EntityPath)"
            raise ValueError(msg)
        if self.ownership_s < 2 * self.balance_s:
            msg = "`ownership_s` must be at least twice `balance_s`, or daemons take each other's partitions"
            raise ValueError(msg)
        if not any(route.topic.text == DEVICE_EVENTS for route in self.routes):
            route = RouteSettings(topic=TopicPattern(DEVICE_EVENTS), codec="event", max_bytes=1_048_576)
            object.__setattr__(self, "routes", (*self.routes, route))
        return self

    @property
    def hub(self) -> str:
        """Name of the hub."""
        return self.event_hub or self._connection.get("entitypath", "")

    @property
    def address(self) -> str:
        """Where it is, without any secret."""
        if self.namespace is not None:
            return f"sb://{self.namespace}/{self.hub}"
        return f"{self._connection.get('endpoint', 'sb://').rstrip('/')}/{self.hub}"

    @property
    def policy(self) -> str:
        """Name of the shared access policy, if one is used."""
        return self._connection.get("sharedaccesskeyname", "")

    @property
    def shared(self) -> bool:
        """Whether other daemons read the same hub with us."""
        return self.checkpoints is not None and self.checkpoints.container is not None

    @property
    def _connection(self) -> dict[str, str]:
        return {} if self.connection_string is None else _parts(self.connection_string)


def _parts(connection_string: Secret) -> dict[str, str]:
    pairs = (part.partition("=") for part in connection_string.get_secret_value().split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}
