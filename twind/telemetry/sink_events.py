"""Events of sinks that tell others what happens."""

from __future__ import annotations

from dataclasses import dataclass

from twind.telemetry.event import Event


@dataclass(frozen=True, slots=True)
class SinkConnected(Event):
    """What a sink sends arrives, again or for the first time."""

    limited = False
    told = False
    counter = "sink_connects"
    labels = ("sink",)
    sink: str
    address: str


@dataclass(frozen=True, slots=True)
class SinkDisconnected(Event):
    """What a sink sends does not arrive; it waits, and trying goes on."""

    level = "warning"
    told = False
    counter = "sink_disconnects"
    labels = ("sink",)
    sink: str
    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class NoticesSent(Event):
    """Events that the far side of a sink has confirmed."""

    level = "debug"
    told = False
    counter = "notices_sent"
    labels = ("sink",)
    sink: str
    count: int


@dataclass(frozen=True, slots=True)
class NoticesReplaced(Event):
    """States that were not sent because a newer one of the same entity took their place."""

    level = "debug"
    told = False
    counter = "notices_replaced"
    labels = ("sink",)
    sink: str
    count: int


@dataclass(frozen=True, slots=True)
class NoticesLost(Event):
    """Events that could not be sent."""

    level = "error"
    told = False
    counter = "notices_lost"
    labels = ("sink", "reason")
    sink: str
    reason: str
    """queue_full | oversize | shutdown"""
    count: int
    error: str = ""
