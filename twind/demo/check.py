"""Compares the live stage with the truth, which the demo knows: the motion is a function of time.

At every write some entities are read back from the stage, as any USD tool would read them, and compared with the truth at the
instant that the stage states for itself. Beside it stands what a twin that copies messages would have shown at that moment: the
newest message.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from twind.codecs.joint_state import JointStateCodec
from twind.codecs.pose import PoseCodec
from twind.model.time import NS_PER_S
from twind.model.topology import JointKind, Robot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twind.model.messages import RawMessage
    from twind.model.state import Update
    from twind.model.topology import Joint, Pose
    from twind.sources.synthetic import SyntheticMotion
    from twind.stage.live import LiveStage, Reading

    Floats = NDArray[np.float64]

_SETTLE_S = 2.0
"""Motion that is not judged: filters and clocks start from nothing."""
_MAX_LATENCIES = 2_000_000
_PER_WRITE = 3
"""Entities read back at each write, in turn: reading costs more than writing, and must not slow what it measures."""


@dataclass(slots=True)
class Error:
    """Root mean square of an error, gathered bit by bit."""

    total: float = 0.0
    count: int = 0

    def add(self, *errors: float) -> None:
        """Add errors, each on its own."""
        self.total += sum(error * error for error in errors)
        self.count += len(errors)

    def join(self, other: Error) -> None:
        """Add what another one gathered."""
        self.total += other.total
        self.count += other.count

    @property
    def rms(self) -> float:
        """NaN before the first."""
        return math.sqrt(self.total / self.count) if self.count else math.nan


@dataclass(slots=True)
class Errors:
    """Of one way to show the cell."""

    joint_rad: Error = field(default_factory=Error)
    joint_m: Error = field(default_factory=Error)
    position_m: Error = field(default_factory=Error)
    rotation_rad: Error = field(default_factory=Error)

    def join(self, other: Errors) -> None:
        """Add what another one gathered."""
        self.joint_rad.join(other.joint_rad)
        self.joint_m.join(other.joint_m)
        self.position_m.join(other.position_m)
        self.rotation_rad.join(other.rotation_rad)

    def as_dict(self) -> dict[str, float]:
        """Return each root mean square."""
        return {
            "joint_rmse_rad": self.joint_rad.rms,
            "joint_rmse_m": self.joint_m.rms,
            "position_rmse_m": self.position_m.rms,
            "rotation_rmse_rad": self.rotation_rad.rms,
        }


class Check:
    """Watches one daemon. `note_batch` runs on the event loop, `note_written` on the stage's thread."""

    def __init__(self, motion: SyntheticMotion, *, start_ns: int, prefix: str) -> None:
        self.writes = 0
        self._seconds: dict[int, tuple[Errors, Errors]] = {}
        """Errors of the stage and of copying, by whole seconds of the motion."""
        self._motion = motion
        self._start_ns = start_ns
        self._newest: dict[str, bytes] = {}
        self._latencies: list[Floats] = []
        self._n_latencies = 0
        self._lock = threading.Lock()
        self._topics = {
            entity.id: (f"{prefix}/{entity.id}/joint_state", f"{prefix}/{entity.id}/pose")
            for entity in motion.topology.entities
        }
        self._joint_codec, self._pose_codec = JointStateCodec(), PoseCodec()

    def note_batch(self, messages: Sequence[RawMessage]) -> None:
        """Remember the newest message of each topic, as a twin that copies messages would."""
        newest = self._newest
        for message in messages:
            newest[message.topic] = message.payload

    def note_written(self, stage: LiveStage, update: Update, latencies_s: Floats) -> None:
        """Read the stage back and compare it with the truth."""
        self.writes += 1
        with self._lock:
            if len(latencies_s) and self._n_latencies < _MAX_LATENCIES:
                self._latencies.append(latencies_s)
                self._n_latencies += len(latencies_s)
        if update.made_ns < self._start_ns + _SETTLE_S * NS_PER_S:
            return
        changed = set(update.changed.tolist())
        entities = self._motion.topology.entities
        for index in {(_PER_WRITE * self.writes + place) % len(entities) for place in range(_PER_WRITE)} & changed:
            reading = stage.read_back(entities[index].id)
            if reading.quality in ("ok", "coasting"):
                self._compare(index, reading)

    def errors(self, *, until_s: float = math.inf) -> tuple[Errors, Errors]:
        """Return the errors of the stage and of copying, up to the last whole second of a motion that ended at `until_s`."""
        estimated, raw = Errors(), Errors()
        for second, (of_stage, of_copying) in list(self._seconds.items()):
            if second + 1 <= until_s:
                estimated.join(of_stage)
                raw.join(of_copying)
        return estimated, raw

    def latencies_ms(self) -> tuple[float, float]:
        """Return the median and the 99th percentile of source-to-stage latency [ms]."""
        with self._lock:
            if not self._latencies:
                return math.nan, math.nan
            joined = np.concatenate(self._latencies)
        median, high = np.quantile(joined, (0.5, 0.99)) * 1e3
        return float(median), float(high)

    def _compare(self, index: int, reading: Reading) -> None:
        topology = self._motion.topology
        entity = topology.entities[index]
        # The stamp stands in the stage as float seconds, which resolve 0.24 us here.
        at = np.array([reading.time_s - self._start_ns / NS_PER_S])
        estimated, raw = self._seconds.setdefault(int(at[0]), (Errors(), Errors()))
        joint_topic, pose_topic = self._topics[entity.id]
        if isinstance(entity, Robot):
            truth, _ = self._motion.joints(index, at)
            shown = dict(zip((joint.name for joint in entity.joints), map(float, truth[0]), strict=True))
            for joint in entity.joints:
                if joint.movable:
                    _add(estimated, joint, reading.positions[joint.name] - shown[joint.name])
            if joint_topic in self._newest:
                sample = self._joint_codec.decode(self._newest[joint_topic])
                kinds = {joint.name: joint for joint in entity.joints}
                for name, copied in zip(sample.names or (), sample.position, strict=True):
                    _add(raw, kinds[name], copied - shown[name])
        if self._motion.has_body(index):
            position, orientation = self._motion.body(index, at)
            prim = entity.links[entity.base].prim if isinstance(entity, Robot) else entity.prim
            pose: Pose = reading.poses[prim]
            _add_pose(estimated, position[0], orientation[0], pose.position, pose.orientation)
            if pose_topic in self._newest:
                seen = self._pose_codec.decode(self._newest[pose_topic])
                _add_pose(raw, position[0], orientation[0], seen.position, seen.orientation)


def _add(errors: Errors, joint: Joint, error: float) -> None:
    if joint.kind is JointKind.PRISMATIC:
        errors.joint_m.add(error)
    elif joint.kind is JointKind.CONTINUOUS:
        errors.joint_rad.add(math.remainder(error, 2 * math.pi))
    else:
        errors.joint_rad.add(error)


def _add_pose(
    errors: Errors, true_position: Floats, true_orientation: Floats, position: Sequence[float], orientation: Sequence[float]
) -> None:
    errors.position_m.add(math.dist(true_position.tolist(), position))
    shown = np.asarray(orientation) / np.linalg.norm(orientation)
    # The sine of the half angle: an arc cosine near 1 would not resolve small angles.
    half = min(1.0, 0.5 * min(float(np.linalg.norm(shown - true_orientation)), float(np.linalg.norm(shown + true_orientation))))
    errors.rotation_rad.add(4.0 * math.asin(half))
