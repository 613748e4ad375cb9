"""One replay in memory with given settings: what was measured, and what would have been predicted."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from twind.model.errors import RefusedInput
from twind.model.time import NS_PER_MS, NS_PER_S
from twind.model.topology import JointKind
from twind.runtime.bindings import JointBinding, bindings_of
from twind.runtime.estimators import Estimators
from twind.runtime.pipeline import Feed
from twind.runtime.replay.routing import RecordedRoutes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twind.config.load import Loaded
    from twind.config.settings import EstimationSettings
    from twind.model.messages import RawMessage
    from twind.model.topology import Topology

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

HORIZONS_MS = (20, 50, 100, 200)
_MAX_GAP_NS = 50 * NS_PER_MS
"""Between measurements further apart than this the truth is not known well enough to judge by."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What one joint reported, in order of the stamps."""

    stamp_ns: Ints
    """In the daemon's clock [ns]."""
    receive_ns: Ints
    """When each had arrived [ns]."""
    position: Floats
    """[rad or m], unwrapped where the joint is continuous."""

    def at(self, target_ns: Ints) -> Floats:
        """Return the position at some instants, NaN where it is not known."""
        after = np.searchsorted(self.stamp_ns, target_ns)
        inside = (after > 0) & (after < len(self.stamp_ns))
        after = np.clip(after, 1, len(self.stamp_ns) - 1)
        near = self.stamp_ns[after] - self.stamp_ns[after - 1] <= _MAX_GAP_NS
        origin = self.stamp_ns[0]
        found: Floats = np.interp(target_ns - origin, self.stamp_ns - origin, self.position)
        return np.where(inside & near, found, np.nan)

    def held_at(self, instant_ns: Ints) -> Floats:
        """Return the last position that had arrived by some instants, NaN before the first."""
        index = np.searchsorted(self.receive_ns, instant_ns, side="right") - 1
        return np.where(index >= 0, self.position[np.maximum(index, 0)], np.nan)


class Trials:
    """Replays one list of messages with any settings.

    Args:
        messages: In order of arrival.
        routes: What gave them their topics; says which source and topic a key stands for.
    """

    def __init__(
        self, loaded: Loaded, topology: Topology, messages: Sequence[RawMessage], streams: RecordedRoutes, *, rate_hz: float
    ) -> None:
        self._loaded = loaded
        self._topology = topology
        self._messages = list(messages)
        self._streams = streams
        period_ns = round(NS_PER_S / rate_hz)
        first, last = (self._messages[0].receive_ns, self._messages[-1].receive_ns) if self._messages else (0, 0)
        self.instants_ns: Ints = np.arange(first, last, period_ns, dtype=np.int64)

    def measured(self) -> dict[int, Measured]:
        """Return what each joint reported, by its row; only samples that the present settings used."""
        feed, routes = self._pipeline(self._loaded.settings.estimation)
        rows = [{joint.name: first + i for i, joint in enumerate(robot.joints) if joint.movable}
                for robot, first in zip(self._topology.robots, self._topology.first_joint, strict=False)]  # fmt: skip
        found: dict[int, list[tuple[int, int, float]]] = {}
        for message in self._messages:
            report = feed.process([message])
            binding = routes.known.get(message.topic)
            if not report.used_ns.size or not isinstance(binding, JointBinding):
                continue
            try:
                sample = binding.decode(message.payload)
            except RefusedInput:
                continue
            robot = binding.entity
            names = sample.names or self._driven(robot, len(sample.position))
            for name, value in zip(names, sample.position, strict=False):
                entry = (int(report.used_ns[0]), message.receive_ns, value)
                found.setdefault(rows[robot][name], []).append(entry)
        return {row: self._series(row, entries) for row, entries in found.items()}

    def _driven(self, robot: int, count: int) -> tuple[str, ...]:
        movable = [joint for joint in self._topology.robots[robot].joints if joint.movable]
        driven = [joint for joint in movable if joint.mimic is None]
        return tuple(joint.name for joint in (driven if len(driven) == count else movable))

    def _series(self, row: int, entries: list[tuple[int, int, float]]) -> Measured:
        order = sorted(entries)
        stamps, arrivals = (np.array([entry[i] for entry in order], np.int64) for i in (0, 1))
        position = np.array([value for _, _, value in order])
        joints = [joint for robot in self._topology.robots for joint in robot.joints]
        if joints[row].kind is JointKind.CONTINUOUS:
            position = np.unwrap(position)
        return Measured(stamps, np.maximum.accumulate(arrivals), position)

    def predicted(self, settings: EstimationSettings) -> Floats:
        """Return what these settings predict, (horizons, instants, J) [rad or m]; each from only what had arrived by then."""
        feed, _ = self._pipeline(settings)
        predict = feed.estimators.predict_to
        found = np.empty((len(HORIZONS_MS), len(self.instants_ns), self._topology.n_joints))
        start = 0
        for index, instant in enumerate(self.instants_ns.tolist()):
            end = bisect_right(self._messages, instant, start, key=attrgetter("receive_ns"))
            if end > start:
                feed.process(self._messages[start:end])
            start = end
            for place, horizon in enumerate(HORIZONS_MS):
                found[place, index] = predict(instant + horizon * NS_PER_MS).joint_position
        return found

    def _pipeline(self, settings: EstimationSettings) -> tuple[_Pipeline, RecordedRoutes]:
        estimators = Estimators(self._topology, settings)
        sources = {
            name: bindings_of(name, source, self._loaded.registry, self._topology, estimators)
            for name, source in self._loaded.settings.sources.items()
        }
        routes = RecordedRoutes(sources)
        routes.streams = self._streams.streams
        return _Pipeline(routes, estimators), routes


class _Pipeline(Feed):
    """A feed that shows its estimators and keeps no refused input."""

    def __init__(self, routes: RecordedRoutes, estimators: Estimators) -> None:
        super().__init__(routes, estimators, on_refused=lambda *_: None)
        self.estimators = estimators
