"""Events of sources and of the messages that they take in."""

from __future__ import annotations

from dataclasses import dataclass

from twind.telemetry.event import Event


@dataclass(frozen=True, slots=True)
class SourceConnected(Event):
    """A source is in touch again."""

    limited = False
    counter = "source_connects"
    labels = ("source",)
    source: str
    address: str
    session_present: bool = False


@dataclass(frozen=True, slots=True)
class SourceDisconnected(Event):
    """A source lost its connection; reconnecting goes on by itself."""

    level = "warning"
    counter = "source_disconnects"
    labels = ("source",)
    source: str
    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class SourceRefused(Event):
    """The far side refuses this client, for a reason that a human must cure; trying goes on."""

    level = "error"
    counter = "source_refusals"
    labels = ("source",)
    source: str
    address: str
    reason: str


@dataclass(frozen=True, slots=True)
class SubscriptionRefused(Event):
    """The far side does not grant a subscription, or grants less than was asked for."""

    level = "error"
    counter = "subscriptions_refused"
    labels = ("source",)
    source: str
    topic: str
    reason: str


@dataclass(frozen=True, slots=True)
class MessagesDropped(Event):
    """Messages were lost: a queue had no room, or a hub had deleted events before they were read."""

    level = "error"
    counter = "messages_dropped"
    labels = ("source", "reason")
    source: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class MessagesPassedOver(Event):
    """Messages came again that had been taken already, or are of a stream that belongs to another daemon by now."""

    level = "debug"
    counter = "messages_passed_over"
    labels = ("source", "reason")
    source: str
    reason: str
    """repeated | not_owned"""
    count: int


@dataclass(frozen=True, slots=True)
class MessagesRefused(Event):
    """Messages could not be used; `example` says what was wrong with the first of them."""

    level = "warning"
    counter = "messages_refused"
    labels = ("source", "reason")
    source: str
    reason: str
    count: int
    topic: str
    example: str


@dataclass(frozen=True, slots=True)
class MessagesOfOthers(Event):
    """Messages were about entities that other shards look after."""

    level = "debug"
    counter = "messages_refused"
    labels = ("source", "reason")
    source: str
    reason: str
    count: int
    topic: str
    example: str


@dataclass(frozen=True, slots=True)
class EntityEvent(Event):
    """Something happened to an entity, as it or its hub reported it."""

    counter = "entity_events"
    labels = ("source",)
    source: str
    entity: str
    happened: str
    """What: the word that was reported."""
    stamp_ns: int
