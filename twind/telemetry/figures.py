"""Figures as metrics, status and replay show them: of streams, of their channels, of entities, of partitions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OTHER = "other"
"""In the place of a name: what all further streams or entities have together."""


@dataclass(frozen=True, slots=True)
class ChannelFigures:
    """What became of the samples of one channel of a stream."""

    samples: int
    verdicts: Mapping[str, int]
    """Samples by verdict."""
    mean_nis: float
    """Mean normalised innovation squared of accepted samples; NaN before the first."""
    nis_samples: int
    """How many that is the mean of."""
    nis_expected: int
    """What an honest filter shows: the degrees of freedom."""
    nis_band_95: tuple[float, float] | None
    """Where the mean of so many lies with 95 % probability if the filter is honest."""
    noise_found: Mapping[str, float] | None = None
    """Of poses: one sigma of their `position` and `rotation` as found, over what is stated or configured; 1 until known."""


@dataclass(frozen=True, slots=True)
class ClockFigures:
    """The clock of a stream's device, as estimated. NaN where it is not known."""

    offset_s: float
    """What is added to the newest device stamp [s]."""
    skew_ppm: float
    jitter_ms: float
    """One sigma of arrival [ms]."""
    steps: int
    """How often it was set."""
    shares_the_daemons_clock: bool
    two_ways: int = 0
    """How many offsets were taken in that the source measured both ways."""
    two_way_std_ms: float = math.nan
    """One sigma, by now, of the offset that they show [ms]; above 2 it no longer places stamps, but still shows the floor."""


@dataclass(frozen=True, slots=True)
class StreamFigures:
    """One topic of one source."""

    source: str
    topic: str
    entity: str
    """Id of the entity that it is about."""
    messages: int
    """Messages that were decoded, whatever number of samples each held."""
    resets: int
    """Samples that re-initialised an estimate."""
    clock: ClockFigures | None
    """None for several streams together."""
    channels: Mapping[str, ChannelFigures]
    """By name: position, pose, twist or imu; those that it carried."""
    skipped: int = 0
    """Sequence numbers that were passed over: messages that never came, or came late. 0 where messages have no number."""


@dataclass(frozen=True, slots=True)
class EntityFigures:
    """One robot or object."""

    entity: str
    age_s: float
    """Age of its newest sample that tells of the present [s]; NaN before the first."""
    std: Mapping[str, float]
    """Largest standard deviation by quantity: `joint_rad`, `joint_m`, `position_m`, `rotation_rad`."""
    joints_limited: int
    """Joints held at a limit because their estimate is beyond it."""
    resets: int
    """How often estimates of it were started anew."""


class Figures(Protocol):
    """Who knows the figures."""

    def streams(self, begin: int, end: int) -> Sequence[StreamFigures]:
        """Return those of some streams, in the order of their first messages."""

    def other_streams(self, begin: int) -> StreamFigures | None:
        """Return those of all further streams together; None when there are none."""

    def entities(self, begin: int, end: int) -> Sequence[EntityFigures]:
        """Return those of some entities, in discovery order."""

    def other_entities(self, begin: int) -> EntityFigures | None:
        """Return those of all further entities together; None when there are none."""


@dataclass(frozen=True, slots=True)
class PartitionFigures:
    """How far one partition is, that is read here."""

    partition: str
    lag_events: int
    """Events that wait in the hub, when it was last asked."""
    lag_s: float
    """How long ago the hub got what was read last, while more waits there [s]."""
    position: int
    """Number of the newest event that was read; -1 before the first."""
    events: int
    """Events read since it was assigned."""
    repeated: int
    """Events among them that had been read before, and were passed over."""
