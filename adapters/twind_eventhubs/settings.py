"""What can be configured about an Event Hubs source."""

from __future__ import annotations

import datetime as dt
from pathlib import Path  # noqa: TC003  (pydantic reads the annotations)
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from twind.api import RouteSettings, SettingsModel, SourceSettings, TopicPattern
from twind_eventhubs.connection import HubConnection
from twind_eventhubs.storage_account import StorageConnectionString  # noqa: TC001  (pydantic reads the annotations)
from twind_eventhubs.topics import Template, TopicTemplate

DEVICE_EVENTS = "$iothub/{event}/{entity}"
"""Topics of what IoT Hub says of a device beside its telemetry."""

_Seconds = Annotated[float, Field(gt=0, le=3600)]


class CheckpointSettings(SettingsModel):
    """Where positions are noted beside the daemon's own snapshot. One of `container` (shared by several daemons) and `file`."""

    container: Annotated[str, Field(min_length=3, max_length=63)] | None = None
    """Blob container. Daemons that name the same one share the hub: each partition has one reader at a time, and when a daemon
    joins or leaves they divide the partitions anew. It must exist."""
    connection_string: StorageConnectionString | None = None
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


class EventHubsSettings(HubConnection, SourceSettings):
    """Events from Azure Event Hubs, or from the Event Hubs endpoint of an IoT Hub."""

    type: Literal["eventhubs"]
    """Name of the adapter."""
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

    @field_validator("start")
    @classmethod
    def _has_a_zone(cls, value: object) -> object:
        if isinstance(value, dt.datetime):
            return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value
        return value

    @model_validator(mode="after")
    def _sees_to_everything(self) -> Self:
        if self.ownership_s < 2 * self.balance_s:
            msg = "`ownership_s` must be at least twice `balance_s`, or daemons take each other's partitions"
            raise ValueError(msg)
        if not any(route.topic.text == DEVICE_EVENTS for route in self.routes):
            route = RouteSettings(topic=TopicPattern(DEVICE_EVENTS), codec="event", max_bytes=1_048_576)
            object.__setattr__(self, "routes", (*self.routes, route))
        return self

    @property
    def shared(self) -> bool:
        """Whether other daemons read the same hub with us."""
        return self.checkpoints is not None and self.checkpoints.container is not None

    @property
    def store_url(self) -> str | None:
        """Storage account of the checkpoints, where no key is given for it."""
        return None if self.checkpoints is None else self.checkpoints.account_url
