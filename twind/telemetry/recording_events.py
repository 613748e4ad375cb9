"""Events of what is kept on the disk to be read again: recordings and dead letters."""

from __future__ import annotations

from dataclasses import dataclass

from twind.telemetry.event import Event


@dataclass(frozen=True, slots=True)
class DeadLettersRetried(Event):
    """Messages that had been refused were given to the daemon again by `twind dead-letters retry`."""

    counter = "dead_letters_retried"
    labels = ("source",)
    source: str
    count: int


@dataclass(frozen=True, slots=True)
class DeadLettersLost(Event):
    """Refused inputs could not be kept as dead letters; they were counted as refused all the same."""

    level = "error"
    counter = "dead_letters_lost"
    labels = ("reason",)
    reason: str
    """queue_full | write_failed"""
    count: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class RecordingLost(Event):
    """Messages could not be recorded; they were processed all the same."""

    level = "error"
    counter = "recording_messages_lost"
    labels = ("sink", "reason")
    sink: str
    reason: str
    """queue_full | write_failed | too_many_topics"""
    count: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class RecordingHeld(Event):
    """The recording cannot be written: nothing of it is acknowledged, and it is tried again. Make room, or repair the disk."""

    level = "error"
    counter = "recording_write_failures"
    labels = ("sink",)
    sink: str
    waiting: int
    """Messages that are held and not acknowledged; when there are as many as may be, their source waits."""
    error: str


@dataclass(frozen=True, slots=True)
class RecordingSegmentDeleted(Event):
    """The oldest segment of a recording was deleted to keep its quota."""

    counter = "recording_segments_deleted"
    labels = ("sink",)
    sink: str
    file: str
    bytes: int
