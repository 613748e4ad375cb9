"""Events of those who watch the live stream."""

from __future__ import annotations

from dataclasses import dataclass

from twind.telemetry.event import Event


@dataclass(frozen=True, slots=True)
class ViewerConnected(Event):
    """Somebody watches the live stream."""

    counter = "viewer_connects"
    address: str


@dataclass(frozen=True, slots=True)
class ViewerGone(Event):
    """A viewer left, or was disconnected: `message` says why."""

    counter = "viewer_disconnects"
    labels = ("reason",)
    address: str
    client: str
    """Who it said it is."""
    reason: str
    """left | lost | shutdown | bad_message | too_many_messages | silent | overflow"""
    message: str


@dataclass(frozen=True, slots=True)
class ViewerRefused(Event):
    """Somebody who wanted to watch was not let in."""

    level = "warning"
    counter = "viewers_refused"
    labels = ("reason",)
    address: str
    reason: str
    """origin | full | version"""
    message: str
