"""The banks of one daemon, laid out as the stage's topology says, and the rows they hand out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from twind.config.base import SettingsModel
from twind.estimation import ClockBank, JointBank, PoseBank
from twind.model.errors import RefusedInput
from twind.model.estimates import Verdict
from twind.model.messages import Channel
from twind.model.refusals import Refusal
from twind.model.time import NO_STAMP, ms_to_ns, s_to_ns
from twind.model.topology import JointKind
from twind.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from twind.config.settings import EstimationSettings, JointNoise
    from twind.model.topology import Topology
    from twind.runtime.columns import BodyColumns, JointColumns
    from twind.telemetry.events import Event

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bytes = NDArray[np.uint8]

_CLOCK_EVENTS: dict[str, Callable[..., Event]] = {
    "steps_ahead": partial(events.ClockStepped, direction="ahead"),
    "steps_back": partial(events.ClockStepped, direction="back"),
    "freezes": events.StampsFrozen,
    "trust_lost": events.ClockNotShared,
}
"""What the clock bank counts that is worth an event."""
_CHANNELS = {
    Channel.POSE: ("pose", 6),
    Channel.TWIST_BODY: ("twist", 6),
    Channel.TWIST_WORLD: ("world_twist", 6),
    Channel.IMU: ("imu", 3),
}
"""Name and degrees of freedom of what bodies show."""
_STREAMS_PER_ENTITY = 8
_MIN_STREAMS = 64
_HISTORY = 256  # samples per joint kept to put late ones in order; 6 kB of samples and 9 kB of states per joint
_FEW_JOINTS = 10_000
_CHANGES = np.isin(np.arange(256), (Verdict.ACCEPTED, Verdict.RESET))
"""Whether each verdict changes an estimate: a table, as asking for each batch would cost more than its filters do."""


@dataclass(frozen=True, slots=True)
class Samples:
    """One batch, sample by sample, for those who count: M messages with K samples in all."""

    channel: str
    """What was measured: `position` of joints, or `pose`, `twist`, `world_twist` or `imu` of bodies."""
    freedom: int
    """Degrees of freedom of each `nis`."""
    stream: NDArray[np.int32]
    """(M,) clock row of each message's stream."""
    receive_ns: Ints
    """(M,) arrivals [ns]."""
    offset: Ints | None
    """(M + 1,) where each message's samples begin; None where every message is one sample."""
    nis: Floats
    """(K,) normalised innovation squared, NaN where there was nothing to compare with."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one batch."""

    verdicts: Bytes
    """Verdict of each joint value or pose."""
    used_ns: Ints
    """Stamps, in the daemon's clock, of the messages whose samples changed an estimate [ns]."""
    samples: Samples | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """The state of every row at its entity's instant. E entities, J joints, as in `twind.model.topology`."""

    target_ns: Ints
    sample_ns: Ints
    joint_position: Floats
    joint_velocity: Floats
    joint_std: Floats
    body_position: Floats
    body_orientation: Floats
    position_std: Floats
    rotation_std: Floats
    posed: Bytes


class Estimators:
    """Clocks, joints and poses, with the estimate of every entity. Belongs to one thread."""

    def __init__(self, topology: Topology, settings: EstimationSettings) -> None:
        self._topology = topology
        self._n_entities = len(topology.entities)
        self._max_streams = max(_MIN_STREAMS, _STREAMS_PER_ENTITY * self._n_entities)
        self._topics: list[str] = []
        """Topic of each stream."""
        self.clocks = ClockBank(
            self._max_streams,
            trust_within_ns=ms_to_ns(settings.clock.trust_within_ms),
            window_ns=s_to_ns(settings.clock.window_s),
            max_skew=settings.clock.max_skew_ppm * 1e-6,
            future_ns=ms_to_ns(settings.clock.future_ms),
        )
        self.joints = JointBank(
            topology.n_joints,
            gate=settings.gate,
            coast_ns=ms_to_ns(settings.coast_ms),
            lag_ns=ms_to_ns(settings.lag_ms),
            history=_HISTORY if topology.n_joints <= _FEW_JOINTS else _HISTORY // 2,
        )
        self.poses = PoseBank(
            self._n_entities,
            gate=settings.gate,
            coast_ns=ms_to_ns(settings.coast_ms),
            lag_ns=ms_to_ns(settings.lag_ms),
        )
        self._configure(settings)
        owner = np.repeat(np.arange(len(topology.robots)), np.diff(topology.first_joint))
        self._owner: Ints = owner.astype(np.int64)
        """(J,) entity of each joint."""
        self._clock_counts = self.clocks.counts()
        self._resets = {"joint": self.joints.resets.copy(), "pose": self.poses.resets.copy()}

    def _configure(self, settings: EstimationSettings) -> None:
        for index, entity in enumerate(self._topology.entities):
            own = settings.overrides.get(entity.id)
            poses = over(settings.poses, None if own is None else own.poses)
            self.poses.configure(
                index,
                position_std=poses.position_std_m,
                rotation_std=poses.rotation_std_rad,
                acceleration_noise=poses.acceleration_noise,
                angular_acceleration_noise=poses.angular_acceleration_noise,
                velocity_std=poses.velocity_std_m_s,
                rate_std=poses.rate_std_rad_s,
                gyro_std=poses.gyro_std_rad_s,
            )
        for robot, first in zip(self._topology.robots, self._topology.first_joint, strict=False):
            own = settings.overrides.get(robot.id)
            of_robot = over(settings.joints, None if own is None else own.joints)
            for offset, joint in enumerate(robot.joints):
                linear = joint.kind is JointKind.PRISMATIC
                turn = math.tau if joint.kind is JointKind.CONTINUOUS else 0.0
                noise: JointNoise = of_robot
                for names in (settings.joints.names, of_robot.names):
                    noise = over(noise, names.get(joint.name))
                self.joints.configure(
                    first + offset,
                    position_std=noise.position_std_m if linear else noise.position_std_rad,
                    jerk_noise=noise.jerk_noise_m if linear else noise.jerk_noise,
                    adapt=noise.adapt,
                    model=noise.model,
                    tau_s=noise.acceleration_tau_s,
                    stamp_std_s=noise.stamp_std_ms * 1e-3,
                    modulus=turn if noise.wraps_rad is None else noise.wraps_rad,
                    velocity_limit=joint.velocity_limit,
                    velocity_std=noise.velocity_std if noise.use_velocity else math.nan,
                    rest=joint.rest,
                )

    def warm_up(self) -> None:
        """Compile every kernel, so that the first message does not wait for it."""
        self.clocks.warm_up()
        self.joints.warm_up()
        self.poses.warm_up()

    def new_stream(self, topic: str, *, latency_floor_ns: int = 0, period_ns: int = 0) -> int:
        """Return the clock row of a new stream.

        Raises:
            RefusedInput: All rows are taken.
        """
        if len(self._topics) == self._max_streams:
            raise RefusedInput(
                Refusal.TOO_MANY_TOPICS,
                f"{self._max_streams} topics already lead to this stage's entities; use fewer placeholders in the routes",
            )
        row = len(self._topics)
        self.clocks.configure(row, latency_floor_ns=latency_floor_ns, period_ns=period_ns)
        self._topics.append(topic)
        return row

    def new_layout(self, joints: Sequence[int]) -> int:
        """Return the id of an order of joint rows."""
        return self.joints.add_layout(joints)

    def ingest_joints(self, columns: JointColumns) -> Outcome:
        """Update the joints from one batch of messages."""
        batch = columns.arrays()
        mapped, sigma, skip = self._map(batch.stream, batch.device_ns, batch.receive_ns, batch.number)
        verdicts = np.empty(len(batch.position), np.uint8)
        nis = np.empty(len(batch.position))
        self.joints.ingest(batch.layout, mapped, sigma, skip, batch.offset, batch.position, verdicts, nis, rates=batch.velocity)
        samples = Samples("position", 1, batch.stream, batch.receive_ns, batch.offset, nis)
        return Outcome(verdicts, mapped[_CHANGES[verdicts[batch.offset[:-1]]]], samples)

    def ingest_bodies(self, columns: BodyColumns) -> list[Outcome]:
        """Update the bodies from one batch of poses, velocities and inertial readings; return one outcome for each channel."""
        channel = np.array(columns.channel, np.uint8)
        stream, receive_ns = np.array(columns.stream, np.int32), np.array(columns.receive_ns, np.int64)
        device_ns, number = np.array(columns.device_ns, np.int64), np.array(columns.number, np.int64)
        mapped, sigma, skip = self._map(stream, device_ns, receive_ns, number)
        verdicts = np.empty(len(mapped), np.uint8)
        nis = np.empty(len(mapped))
        self.poses.ingest(
            np.array(columns.entity, np.int32),
            mapped,
            sigma,
            skip,
            np.array(columns.linear),
            np.array(columns.angular),
            np.array(columns.linear_var),
            np.array(columns.angular_var),
            verdicts,
            nis,
            channel=channel,
        )
        changed = _CHANGES[verdicts]
        outcomes = []
        for one in sorted(set(columns.channel)):
            of = channel == one
            samples = Samples(*_CHANNELS[Channel(one)], stream[of], receive_ns[of], None, nis[of])
            outcomes.append(Outcome(verdicts[of], mapped[of & changed], samples))
        return outcomes

    def _map(
        self, stream: NDArray[np.int32], device_ns: Ints, receive_ns: Ints, number: Ints | None
    ) -> tuple[Ints, Floats, Bytes]:
        count = len(stream)
        mapped = np.empty(count, np.int64)
        sigma = np.empty(count)
        skip = np.empty(count, np.uint8)
        self.clocks.map(stream, device_ns, receive_ns, mapped, sigma, skip, number=number)
        return mapped, sigma, skip

    def new_resets(self) -> list[tuple[str, str, int]]:
        """Return (kind, entity id, how many) for estimates that were started anew since the last call."""
        found = []
        for kind, bank, owner in (("joint", self.joints, self._owner), ("pose", self.poses, None)):
            since = bank.resets - self._resets[kind]
            if since.any():
                self._resets[kind] = bank.resets.copy()
                for row in np.flatnonzero(since):
                    entity = self._topology.entities[row if owner is None else owner[row]]
                    found.append((kind, entity.id, int(since[row])))
        return found

    def new_clock_events(self) -> list[Event]:
        """Return what happened to the streams' clocks since the last call."""
        counts, before = self.clocks.counts(), self._clock_counts
        self._clock_counts = counts
        found: list[Event] = []
        for name, make in _CLOCK_EVENTS.items():
            since = counts[name] - before[name]
            found += [make(topic=self._topics[row], count=int(since[row])) for row in np.flatnonzero(since)]
        return found

    def predict(self, now_ns: int, predict_after_ns: int) -> Prediction:
        """Predict every entity to the stamp of its newest sample, or to `now - predict_after` where that is later.

        All joints of a robot, and its base, share one instant. Read-only.
        """
        sample_ns = self._newest_ns()
        known = sample_ns != NO_STAMP
        target_ns = np.where(known, np.maximum(sample_ns, now_ns - predict_after_ns), 0)
        return self._predict_to(target_ns, sample_ns)

    def predict_to(self, instant_ns: int) -> Prediction:
        """Predict everything to one instant, whatever the age of its samples. Read-only."""
        return self._predict_to(np.full(self._n_entities, instant_ns, np.int64), self._newest_ns())

    def _newest_ns(self) -> Ints:
        """Return the stamp of each entity's newest sample [ns], `NO_STAMP` before the first."""
        sample_ns = self.poses.last_ns.copy()
        np.maximum.at(sample_ns, self._owner, self.joints.live_ns)
        return sample_ns

    def _predict_to(self, target_ns: Ints, sample_ns: Ints) -> Prediction:
        topology, entities = self._topology, self._n_entities
        joint_position, joint_velocity, joint_std = (np.empty(topology.n_joints) for _ in range(3))
        self.joints.predict(target_ns[self._owner], joint_position, joint_velocity, joint_std)
        body_position, body_orientation = np.empty((entities, 3)), np.empty((entities, 4))
        position_std, rotation_std = np.empty(entities), np.empty(entities)
        self.poses.predict(target_ns, body_position, body_orientation, position_std, rotation_std)
        return Prediction(
            target_ns=target_ns,
            sample_ns=sample_ns,
            joint_position=joint_position,
            joint_velocity=joint_velocity,
            joint_std=joint_std,
            body_position=body_position,
            body_orientation=body_orientation,
            position_std=position_std,
            rotation_std=rotation_std,
            posed=self.poses.posed.astype(np.uint8),
        )


_S = TypeVar("_S", bound=SettingsModel)


def over(base: _S, own: SettingsModel | None) -> _S:
    """Return what is set for all, with what one entity sets for itself in its place."""
    return base if own is None else base.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})
