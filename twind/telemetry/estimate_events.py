"""Events of estimates and clocks: those that a replay knows too."""

from __future__ import annotations

from dataclasses import dataclass

from twind.telemetry.event import Event


@dataclass(frozen=True, slots=True)
class EstimateReset(Event):
    """An estimate was started anew after consistent rejections or a time jump."""

    level = "warning"
    counter = "estimate_resets"
    labels = ("kind",)
    kind: str
    """joint | pose"""
    entity: str
    count: int
    joint: str = ""
    """The joint that was moved furthest."""
    distance: float = 0.0
    """How far the newest reset moved it, or the body [rad or m]."""
    angle_rad: float = 0.0
    """By how much it turned the body [rad]."""


@dataclass(frozen=True, slots=True)
class ChannelDisabled(Event):
    """Reported velocities or efforts contradict the measured motion, so they are left out until they agree again."""

    level = "warning"
    counter = "channels_disabled"
    labels = ("channel",)
    channel: str
    """velocity | effort (of joints) | twist (of a body)"""
    entity: str
    count: int
    joint: str = ""
    """The first of the joints."""


@dataclass(frozen=True, slots=True)
class ChannelRestored(Event):
    """Reported velocities or efforts agree with the measured motion again, and are used."""

    counter = "channels_restored"
    labels = ("channel",)
    channel: str
    entity: str
    count: int
    joint: str = ""


@dataclass(frozen=True, slots=True)
class SourceFrozen(Event):
    """A source repeats the same numbers under new stamps although it did not stand still; it is shown stale."""

    level = "warning"
    counter = "sources_frozen"
    entity: str
    joints: int
    """How many of its joints; 0 where it is the pose."""


@dataclass(frozen=True, slots=True)
class SourceMoving(Event):
    """A source that repeated the same numbers sends new ones."""

    counter = "sources_moving_again"
    entity: str
    joints: int


@dataclass(frozen=True, slots=True)
class ClockStepped(Event):
    """A device's clock was set; its stamps are followed from there."""

    level = "warning"
    counter = "clock_steps"
    labels = ("direction",)
    topic: str
    direction: str
    """ahead | back"""
    count: int


@dataclass(frozen=True, slots=True)
class StampsFrozen(Event):
    """A device's stamps stand still while its messages arrive."""

    level = "warning"
    counter = "stamps_frozen"
    topic: str
    count: int


@dataclass(frozen=True, slots=True)
class ClockNotShared(Event):
    """A device that seemed to share the daemon's clock does not; its offset is estimated from now on."""

    counter = "clocks_not_shared"
    topic: str
    count: int
