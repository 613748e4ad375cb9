"""Events of writing the live stage."""

from __future__ import annotations

from dataclasses import dataclass

from twind.telemetry.event import Event


@dataclass(frozen=True, slots=True)
class StageWriteFailed(Event):
    """State could not be written to the stage or its snapshot."""

    level = "error"
    counter = "stage_write_failures"
    labels = ("what",)
    what: str
    error: str


@dataclass(frozen=True, slots=True)
class StageFenced(Event):
    """A snapshot was not written because a daemon of a newer generation writes it; this one stops."""

    level = "error"
    limited = False
    counter = "stage_writes_fenced"
    instance: str
    generation: int
    error: str
