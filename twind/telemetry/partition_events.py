"""Events of hubs whose events come in partitions."""

from __future__ import annotations

from dataclasses import dataclass

from twind.telemetry.event import Event


@dataclass(frozen=True, slots=True)
class PartitionAssigned(Event):
    """A partition is read from now on; `position` is the number to begin with, or a word."""

    limited = False
    counter = "partitions_assigned"
    labels = ("source",)
    source: str
    partition: str
    position: str


@dataclass(frozen=True, slots=True)
class PartitionReleased(Event):
    """A partition is not read any more: this daemon stops, or it failed and is opened anew, or somebody else has it."""

    limited = False
    counter = "partitions_released"
    labels = ("source", "reason")
    source: str
    partition: str
    reason: str
    """shutdown | failed | lost | stolen"""
    contained: bool = False
    """Whether all that was taken of it is in a snapshot."""


@dataclass(frozen=True, slots=True)
class PartitionFailed(Event):
    """A partition cannot be read now; trying goes on."""

    level = "warning"
    counter = "partition_failures"
    labels = ("source",)
    source: str
    partition: str
    reason: str


@dataclass(frozen=True, slots=True)
class PartitionStalled(Event):
    """A partition has events but gives none; the connection is made anew."""

    level = "warning"
    counter = "partition_stalls"
    labels = ("source",)
    source: str
    partition: str
    events_waiting: int
    seconds: float


@dataclass(frozen=True, slots=True)
class CheckpointFailed(Event):
    """A position could not be noted for others to see; nothing is lost, the snapshot has it too."""

    level = "warning"
    counter = "checkpoint_failures"
    labels = ("source",)
    source: str
    partition: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClocksDisagree(Event):
    """The clock of a hub and this machine's differ, so all ages are wrong by as much."""

    level = "warning"
    counter = "hub_clocks_disagree"
    labels = ("source",)
    source: str
    seconds: float
    """This machine's clock less the hub's, as far as arrivals show it."""
