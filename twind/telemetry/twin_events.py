"""Events of device twins: what robots shall be, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass

from twind.telemetry.event import Event


@dataclass(frozen=True, slots=True)
class DesiredSent(Event):
    """Desired properties were sent to robots that have not answered them."""

    level = "debug"
    counter = "desired_sent"
    labels = ("sink",)
    sink: str
    count: int


@dataclass(frozen=True, slots=True)
class DesiredAccepted(Event):
    """A robot took over its desired properties."""

    counter = "desired_accepted"
    labels = ("sink",)
    sink: str
    entity: str
    version: int


@dataclass(frozen=True, slots=True)
class DesiredRefused(Event):
    """A robot answered that it cannot be what it shall."""

    level = "error"
    counter = "desired_refused"
    labels = ("sink",)
    sink: str
    entity: str
    version: int


@dataclass(frozen=True, slots=True)
class DesiredUnanswered(Event):
    """A robot has not answered its desired properties for long; they are sent on."""

    level = "warning"
    counter = "desired_unanswered"
    labels = ("sink",)
    sink: str
    entity: str
    version: int


@dataclass(frozen=True, slots=True)
class TwinReportRefused(Event):
    """What a robot wanted of its device twin could not be done."""

    level = "warning"
    counter = "twin_reports_refused"
    labels = ("sink",)
    sink: str
    entity: str
    error: str
