"""What happened in the banks since somebody last looked, as events: one for each entity or stream, however many its joints."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.telemetry import estimate_events as events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from twind.runtime.estimators import Estimators
    from twind.telemetry.event import Event

_CLOCK_EVENTS: dict[str, Callable[..., Event]] = {
    "steps_ahead": partial(events.ClockStepped, direction="ahead"),
    "steps_back": partial(events.ClockStepped, direction="back"),
    "freezes": events.StampsFrozen,
    "trust_lost": events.ClockNotShared,
}
"""What the clock bank counts that is worth an event."""
_DISABLED = 3
"""State of a joint's velocity channel."""
_EFFORT_DISABLED = 2
"""State of a joint's effort channel."""


class EstimationWatch:
    """Compares the banks with what they were. Costs a few comparisons of bytes when nothing happened."""

    def __init__(self, estimators: Estimators) -> None:
        self._estimators = estimators
        self._entities = estimators.topology.entities
        self._joints = [joint.name for robot in estimators.topology.robots for joint in robot.joints]
        self._joint_resets = estimators.joints.resets.copy()
        self._pose_resets = estimators.poses.resets.copy()
        self._lying = estimators.joints.channels == _DISABLED
        self._effort_off = self._efforts_off()
        self._twist_off = estimators.poses.twist_off == 1
        self._frozen = estimators.joints.frozen == 1
        self._frozen_poses = estimators.poses.frozen == 1
        self._clock_counts: dict[str, NDArray[np.int64]] = {}
        self._columns = self._changing()
        self._seen = self._state()

    def new_events(self) -> list[Event]:
        """Return what happened since the last call."""
        return [*self.of_entities(), *self._clocks()]

    def of_entities(self) -> list[Event]:
        """Return what happened to entities since the last call, clocks left out."""
        before, self._seen = self._seen, self._state()
        if self._seen == before:
            return []
        return [*self._resets(), *self._velocities(), *self._efforts(), *self._twists(), *self._freezes()]

    def _state(self) -> tuple[bytes, ...]:
        """Return all that can change when something happens; bytes are compared in a tenth of the time that arrays need."""
        return tuple([column.tobytes() for column in self._columns])

    def _changing(self) -> list[NDArray[Any]]:
        """Return the views of it; banks never move."""
        joints, poses, efforts = self._estimators.joints, self._estimators.poses, self._estimators.efforts
        columns: list[NDArray[Any]] = [
            joints.resets,
            joints.channels,
            joints.frozen,
            poses.resets,
            poses.twist_off,
            poses.frozen,
        ]
        return columns if efforts is None else [*columns, efforts.channels]

    def _resets(self) -> Iterator[Event]:
        joints, poses = self._estimators.joints, self._estimators.poses
        since = joints.resets - self._joint_resets
        if since.any():
            self._joint_resets = joints.resets.copy()
            moved = np.abs(joints.reset_delta)
            for entity, rows in self._by_entity(since != 0):
                furthest = rows[int(np.argmax(moved[rows]))]
                yield events.EstimateReset(
                    kind="joint",
                    entity=entity,
                    count=int(since[rows].sum()),
                    joint=self._joints[furthest],
                    distance=float(moved[furthest]),
                )
        since = poses.resets - self._pose_resets
        if since.any():
            self._pose_resets = poses.resets.copy()
            shift, turn = poses.reset_delta
            for row in np.flatnonzero(since):
                yield events.EstimateReset(
                    kind="pose",
                    entity=self._entities[row].id,
                    count=int(since[row]),
                    distance=float(np.linalg.norm(shift[row])),
                    angle_rad=2.0 * math.atan2(float(np.linalg.norm(turn[row, 1:])), abs(float(turn[row, 0]))),
                )

    def _velocities(self) -> Iterator[Event]:
        lying = self._estimators.joints.channels == _DISABLED
        before, self._lying = self._lying, lying
        yield from self._switched("velocity", before, lying)

    def _efforts(self) -> Iterator[Event]:
        off = self._efforts_off()
        before, self._effort_off = self._effort_off, off
        yield from self._switched("effort", before, off)

    def _efforts_off(self) -> NDArray[np.bool_]:
        efforts = self._estimators.efforts
        return np.zeros(0, np.bool_) if efforts is None else efforts.channels == _EFFORT_DISABLED

    def _switched(self, channel: str, before: NDArray[np.bool_], lying: NDArray[np.bool_]) -> Iterator[Event]:
        if (lying == before).all():
            return
        for make, changed in ((events.ChannelDisabled, lying & ~before), (events.ChannelRestored, before & ~lying)):
            for entity, rows in self._by_entity(changed):
                yield make(channel=channel, entity=entity, count=len(rows), joint=self._joints[rows[0]])

    def _twists(self) -> Iterator[Event]:
        off = self._estimators.poses.twist_off == 1
        before, self._twist_off = self._twist_off, off
        for row in np.flatnonzero(off != before):
            make = events.ChannelDisabled if off[row] else events.ChannelRestored
            yield make(channel="twist", entity=self._entities[row].id, count=1)

    def _freezes(self) -> Iterator[Event]:
        frozen = self._estimators.joints.frozen == 1
        before, self._frozen = self._frozen, frozen
        if (frozen != before).any():
            for make, changed in ((events.SourceFrozen, frozen & ~before), (events.SourceMoving, before & ~frozen)):
                for entity, rows in self._by_entity(changed):
                    yield make(entity=entity, joints=len(rows))
        frozen = self._estimators.poses.frozen == 1
        before, self._frozen_poses = self._frozen_poses, frozen
        for row in np.flatnonzero(frozen != before):
            yield (events.SourceFrozen if frozen[row] else events.SourceMoving)(entity=self._entities[row].id, joints=0)

    def _clocks(self) -> Iterator[Event]:
        counts = self._estimators.clocks.counts(_CLOCK_EVENTS, streams=len(self._estimators.streams))
        before, self._clock_counts = self._clock_counts, counts
        for name, make in _CLOCK_EVENTS.items():
            since = counts[name].copy()
            if name in before:  # streams come, and never go
                since[: len(before[name])] -= before[name]
            for row in np.flatnonzero(since):
                yield make(topic=self._estimators.streams[row].topic, count=int(since[row]))

    def _by_entity(self, changed: NDArray[np.bool_]) -> Iterator[tuple[str, NDArray[np.int64]]]:
        """Yield the entities with changed joints, each with the rows of these."""
        rows = np.flatnonzero(changed)
        owners, first = np.unique(self._estimators.owner[rows], return_index=True)
        for owner, group in zip(owners, np.split(rows, first[1:]), strict=False):
            yield self._entities[owner].id, group
