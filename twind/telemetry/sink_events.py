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


@dataclass(frozen=True, slots=True)
class NoticesKept(Event):
    """A stopping daemon could not send some events in time; the next start does."""

    told = False
    sink: str
    count: int


@dataclass(frozen=True, slots=True)
class NoticesRestored(Event):
    """Events that an earlier start could not send are sent now, before any other."""

    told = False
    counter = "notices_restored"
    labels = ("sink",)
    sink: str
    count: int


@dataclass(frozen=True, slots=True)
class OutboxUnwritten(Event):
    """Events that wait cannot be written to the disk, so a kill would lose them; they are sent all the same."""

    level = "error"
    told = False
    counter = "outbox_write_failures"
    labels = ("sink",)
    sink: str
    error: str


@dataclass(frozen=True, slots=True)
class OutboxSetAside(Event):
    """The file with events that an earlier start could not send cannot be used: it was renamed, and another one begun."""

    level = "error"
    limited = False
    told = False
    counter = "outboxes_set_aside"
    labels = ("sink",)
    sink: str
    error: str
