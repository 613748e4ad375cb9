"""The banks of one daemon, laid out as the stage's topology says, and the rows they hand out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from twind.config.base import SettingsModel
from twind.estimation import ClockBank, EffortBank, JointBank, PoseBank, Tally
from twind.estimation.tally import CHANNELS
from twind.estimation.velocities import judge_velocities
from twind.model.errors import RefusedInput
from twind.model.estimates import Verdict
from twind.model.messages import Channel
from twind.model.refusals import Refusal
from twind.model.time import NO_STAMP, ms_to_ns, s_to_ns
from twind.model.topology import JointKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from twind.config.settings import EstimationSettings, JointNoise
    from twind.model.messages import ClockSample
    from twind.model.topology import Joint, Topology
    from twind.runtime.columns import BodyColumns, JointArrays, JointColumns

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bytes = NDArray[np.uint8]

_STREAMS_PER_ENTITY = 8
_MIN_STREAMS = 64
_HISTORY = 256  # samples per joint kept to put late ones in order; 6 kB of samples and 9 kB of states per joint
_FEW_JOINTS = 10_000
_CHANGES = np.isin(np.arange(256), (Verdict.ACCEPTED, Verdict.RESET))
"""Whether each verdict changes an estimate: a table, as asking for each batch would cost more than its filters do."""


_SIGMA_OF_BOUND = 3.0**-0.5
"""Of an error that lies anywhere within its bound."""
_COUNTED_AS = np.array([CHANNELS.index(name) for name in ("pose", "twist", "world_twist", "imu")], np.uint8)
"""What each `twind.model.messages.Channel` of a body is counted as."""
_EFFORT, _VELOCITY = CHANNELS.index("effort"), CHANNELS.index("velocity")


@dataclass(frozen=True, slots=True)
class Stream:
    """One topic of one source."""

    source: str
    topic: str
    entity: str
    """Id of the entity that the topic is about."""
    latency_floor_ns: int = 0
    """What the soonest message takes, as set [ns]."""
    period_ns: int = 0
    """Time between two sequence numbers, as set [ns]; 0 unknown."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Where the samples of one batch came from: M messages with K samples in all."""

    channel: Bytes | None
    """(M,) what each is, as an index into `twind.estimation.tally.CHANNELS`; None where all are positions of joints."""
    stream: NDArray[np.int32]
    """(M,) clock row of each message's stream."""
    receive_ns: Ints
    """(M,) arrivals [ns]."""
    offset: Ints | None
    """(M + 1,) where each message's samples begin; None where every message is one sample."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one batch."""

    verdicts: Bytes
    """Verdict of each joint value or pose."""
    used_ns: Ints
    """Stamps, in the daemon's clock, of the messages whose samples changed an estimate [ns]."""
    samples: Samples | None = None
    resets: int = 0
    """Samples that re-initialised an estimate."""
    withdrawn: int = 0
    """Poses that were used after a silence, in this batch or an earlier one, and that the next of the same stream showed to be
    wrong: counted as accepted then, as gated from now on."""

    def counts(self) -> Ints:
        """Return by how much the number of samples of each `Verdict` changed."""
        counts = np.bincount(self.verdicts, minlength=len(Verdict))[: len(Verdict)]  # without joints that were passed over
        counts[Verdict.ACCEPTED] -= self.withdrawn  # never below zero: what shows one to be wrong is accepted itself
        counts[Verdict.GATED] += self.withdrawn
        return counts


@dataclass(frozen=True, slots=True)
class Prediction:
    """The state of every row at its entity's instant. E entities, J joints, as in `twind.model.topology`."""

    target_ns: Ints
    joint_position: Floats
    joint_velocity: Floats
    joint_std: Floats
    joint_effort: Floats | None
    """(J,) what was reported last, smoothed [N m or N]: NaN where none is known, None where no joint listens to efforts."""
    body_position: Floats
    body_orientation: Floats
    position_std: Floats
    rotation_std: Floats
    posed: Bytes


class Estimators:
    """Clocks, joints and poses, with the estimate of every entity. Belongs to one thread."""

    def __init__(self, topology: Topology, settings: EstimationSettings) -> None:
        self.topology = topology
        self._n_entities = len(topology.entities)
        self._max_streams = max(_MIN_STREAMS, _STREAMS_PER_ENTITY * self._n_entities)
        self.streams: list[Stream] = []
        """What each row of the clocks and of the tally stands for."""
        self._rows_about: dict[tuple[str, str], list[int]] = {}
        """Streams of a source that are about an entity."""
        self.clock_samples: dict[tuple[str, str], ClockSample] = {}
        """What was last said of the clock of an entity, by source."""
        self._expected: dict[tuple[str, str], int] = {}
        """Rows of streams that are known from an earlier life, and were not asked for in this one, by source and topic."""
        self.tally = Tally(self._max_streams)
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
        self.uses_velocity = False
        """Whether any joint listens to reported velocities; when none does, they are not judged."""
        self.on_joints: Callable[[JointArrays, Ints, Bytes], None] | None = None
        """Told of each batch of joint messages: stamps in the daemon's clock [ns], and the verdicts. None: nobody looks."""
        self.efforts: EffortBank | None = None
        """Efforts of joints, where any joint listens to them."""
        self._coast_ns = ms_to_ns(settings.coast_ms)
        self._configure(settings)
        owner = np.repeat(np.arange(len(topology.robots)), np.diff(topology.first_joint))
        self.owner: Ints = owner.astype(np.int64)
        """(J,) entity of each joint."""

    def _configure(self, settings: EstimationSettings) -> None:
        for index, entity in enumerate(self.topology.entities):
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
                inertial=poses.inertial,
            )
        for robot, first in zip(self.topology.robots, self.topology.first_joint, strict=False):
            own = settings.overrides.get(robot.id)
            of_robot = None if own is None else own.joints
            for offset, joint in enumerate(robot.joints):
                linear = joint.kind is JointKind.PRISMATIC
                turn = math.tau if joint.kind is JointKind.CONTINUOUS else 0.0
                of_joint = None if of_robot is None else of_robot.names.get(joint.name)
                noise: JointNoise = _hinted(settings.joints, joint)
                for own_noise in (of_robot, settings.joints.names.get(joint.name), of_joint):
                    noise = over(noise, own_noise)
                self.uses_velocity |= noise.use_velocity
                position_std = noise.position_std_m if linear else noise.position_std_rad
                modulus = turn if noise.wraps_rad is None else noise.wraps_rad
                if noise.use_effort:
                    self._listen(first + offset, joint, noise, position_std=position_std, modulus=modulus)
                self.joints.configure(
                    first + offset,
                    position_std=position_std,
                    jerk_noise=noise.jerk_noise_m if linear else noise.jerk_noise,
                    adapt=noise.adapt,
                    model=noise.model,
                    tau_s=noise.acceleration_tau_s,
                    stamp_std_s=noise.stamp_std_ms * 1e-3,
                    modulus=modulus,
                    velocity_limit=joint.velocity_limit,
                    velocity_std=noise.velocity_std if noise.use_velocity else math.nan,
                    rest=joint.rest,
                )

    def _listen(self, row: int, joint: Joint, noise: JointNoise, *, position_std: float, modulus: float) -> None:
        if self.efforts is None:
            self.efforts = EffortBank(self.topology.n_joints)
        self.efforts.configure(
            row, tau_s=noise.effort_tau_ms * 1e-3, limit=joint.effort_limit, position_std=position_std, modulus=modulus
        )

    def warm_up(self) -> None:
        """Compile every kernel, so that the first message does not wait for it."""
        self.clocks.warm_up()
        self.joints.warm_up()
        if self.efforts is not None:
            self.efforts.warm_up(self.joints)
        self.poses.warm_up()
        self.tally.warm_up()

    def new_stream(
        self, topic: str, *, source: str = "", entity: int = -1, latency_floor_ns: int = 0, period_ns: int = 0
    ) -> int:
        """Return the row of a new stream.

        Args:
            topic: Topic that it comes on.
            source: Name of the source that receives it.
            entity: Index of the entity that it is about; -1 for none.
            latency_floor_ns: What the soonest message takes [ns].
            period_ns: Time between two sequence numbers [ns]; 0 unknown.

        Raises:
            RefusedInput: All rows are taken.
        """
        about = "" if entity < 0 else self.topology.entities[entity].id
        stream = Stream(source, topic, about, latency_floor_ns, period_ns)
        expected = self._expected.pop((source, topic), None)
        if expected is not None and self.streams[expected] == stream:
            return expected
        if len(self.streams) == self._max_streams:
            raise RefusedInput(
                Refusal.TOO_MANY_TOPICS,
                f"{self._max_streams} topics already lead to this stage's entities; use fewer placeholders in the routes",
            )
        row = self._add_stream(stream)
        known = self.clock_samples.get((source, stream.entity))
        if known is not None:  # such as a retained message, which comes before the first sample
            self.clocks.set_two_way(row, known.offset_ns, known.error_ns * _SIGMA_OF_BOUND, at_ns=known.stamp_ns)
        return row

    def _add_stream(self, stream: Stream) -> int:
        row = len(self.streams)
        self.clocks.configure(row, latency_floor_ns=stream.latency_floor_ns, period_ns=stream.period_ns)
        self.streams.append(stream)
        self._rows_about.setdefault((stream.source, stream.entity), []).append(row)
        return row

    def expect_stream(self, source: str, topic: str, entity: str, configured: tuple[int, int]) -> int | None:
        """Return the row for a stream of an earlier life, which `new_stream` returns again if nothing else is set for it.

        None: its entity is not in the stage, or all rows are taken.
        """
        if len(self.streams) == self._max_streams or (entity and entity not in self.topology.entity_index):
            return None
        self._expected[source, topic] = row = self._add_stream(Stream(source, topic, entity, *configured))
        return row

    def measured_both_ways(self, stream: int, sample: ClockSample) -> None:
        """Take in what one stream says of the clock of its entity, for the stamps of other streams of the same source.

        Args:
            stream: Row of the stream that says it.
            sample: What it says.

        Raises:
            RefusedInput: It contradicts when messages arrived.
        """
        said = self.streams[stream]
        if sample.topics is None:
            rows = [row for row in self._rows_about[said.source, said.entity] if row != stream]
        else:
            rows = [
                row for row, other in enumerate(self.streams) if other.source == said.source and other.topic in sample.topics
            ]
        std_ns = sample.error_ns * _SIGMA_OF_BOUND
        believed = [self.clocks.set_two_way(row, sample.offset_ns, std_ns, at_ns=sample.stamp_ns) for row in rows]
        if not all(believed):
            said_s = f"{sample.offset_ns * 1e-9:.6f} s within {sample.error_ns * 1e-9:.6f} s"
            raise RefusedInput(Refusal.BAD_CLOCK, f"an offset of {said_s} contradicts when messages came")
        if sample.topics is None:
            self.clock_samples[said.source, said.entity] = sample
        self.tally.add_messages([stream])

    def new_layout(self, joints: Sequence[int]) -> int:
        """Return the id of an order of joint rows."""
        return self.joints.add_layout(joints)

    def ingest_joints(self, columns: JointColumns) -> Outcome:
        """Update the joints from one batch of messages."""
        batch = columns.arrays()
        self.tally.add_messages(columns.messages)
        mapped, sigma, skip = self._map(batch.stream, batch.device_ns, batch.receive_ns, batch.number)
        verdicts = np.empty(len(batch.position), np.uint8)
        nis = np.empty(len(batch.position))
        self.joints.ingest(batch.layout, mapped, sigma, skip, batch.offset, batch.position, verdicts, nis, rates=batch.velocity)
        resets = self.tally.add(batch.stream, verdicts, nis, offset=batch.offset)
        if self.uses_velocity and len(batch.velocity):
            self._count_velocities(batch, mapped, verdicts)
        if self.on_joints is not None:
            self.on_joints(batch, mapped, verdicts)
        if self.efforts is not None and len(batch.effort):
            self._ingest_efforts(self.efforts, batch, mapped, verdicts)
        samples = Samples(None, batch.stream, batch.receive_ns, batch.offset)
        return Outcome(verdicts, mapped[_CHANGES[verdicts[batch.offset[:-1]]]], samples, resets)

    def _count_velocities(self, batch: JointArrays, mapped: Ints, of_positions: Bytes) -> None:
        verdicts, nis = judge_velocities(self.joints, batch.layout, mapped, batch.offset, batch.velocity, of_positions)
        channel = np.full(len(batch.stream), _VELOCITY, np.uint8)
        self.tally.add(batch.stream, verdicts, nis, offset=batch.offset, channel=channel)

    def _ingest_efforts(self, efforts: EffortBank, batch: JointArrays, mapped: Ints, of_positions: Bytes) -> None:
        verdicts = np.empty_like(of_positions)
        efforts.ingest(self.joints, batch.layout, mapped, batch.offset, batch.position, batch.effort, of_positions, verdicts)
        channel = np.full(len(batch.stream), _EFFORT, np.uint8)
        self.tally.add(batch.stream, verdicts, np.full(len(verdicts), math.nan), offset=batch.offset, channel=channel)

    def ingest_bodies(self, columns: BodyColumns) -> Outcome:
        """Update the bodies from one batch of poses, velocities and inertial readings."""
        self.tally.add_messages(columns.messages)
        channel = np.array(columns.channel, np.uint8)
        stream, receive_ns = np.array(columns.stream, np.int32), np.array(columns.receive_ns, np.int64)
        device_ns, number = np.array(columns.device_ns, np.int64), np.array(columns.number, np.int64)
        mapped, sigma, skip = self._map(stream, device_ns, receive_ns, number)
        verdicts = np.empty(len(mapped), np.uint8)
        nis = np.empty(len(mapped))
        overruled = self.poses.ingest(
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
            tag=stream,
        )
        counted = _COUNTED_AS[channel]
        resets = self.tally.add(stream, verdicts, nis, channel=counted)
        withdrawn = overruled[overruled == stream]  # counters of a stream must not fall for what another one says
        if len(withdrawn):
            self.tally.withdraw(_COUNTED_AS[Channel.POSE], withdrawn)
        samples = Samples(counted, stream, receive_ns, None)
        return Outcome(verdicts, mapped[_CHANGES[verdicts]], samples, resets, len(withdrawn))

    def _map(
        self, stream: NDArray[np.int32], device_ns: Ints, receive_ns: Ints, number: Ints | None
    ) -> tuple[Ints, Floats, Bytes]:
        count = len(stream)
        mapped = np.empty(count, np.int64)
        sigma = np.empty(count)
        skip = np.empty(count, np.uint8)
        self.clocks.map(stream, device_ns, receive_ns, mapped, sigma, skip, number=number)
        return mapped, sigma, skip

    def predict(self, now_ns: int, predict_after_ns: int) -> Prediction:
        """Predict every entity to the stamp of its newest sample, or to `now - predict_after` where that is later.

        All joints of a robot, and its base, share one instant. Read-only.
        """
        newest_ns = self._newest_of(self.poses.last_ns, self.joints.last_ns)
        target_ns = np.where(newest_ns != NO_STAMP, np.maximum(newest_ns, now_ns - predict_after_ns), 0)
        return self._predict_to(target_ns)

    def predict_to(self, instant_ns: int) -> Prediction:
        """Predict everything to one instant, whatever the age of its samples. Read-only."""
        return self._predict_to(np.full(self._n_entities, instant_ns, np.int64))

    def _newest_of(self, body_ns: Ints, joint_ns: Ints) -> Ints:
        """Return the newest stamp of each entity [ns], `NO_STAMP` before the first."""
        newest_ns = body_ns.copy()
        np.maximum.at(newest_ns, self.owner, joint_ns)
        return newest_ns

    @property
    def live_ns(self) -> Ints:
        """(E,) stamp of the newest sample that tells of the present [ns]: not of a frozen source, nor of an IMU without poses.

        Of a robot that has sent joints and poses of its base, that of those which are older.
        """
        body_ns, joints_ns = self.poses.live_ns, np.full(self._n_entities, NO_STAMP, np.int64)
        np.maximum.at(joints_ns, self.owner, self.joints.live_ns)
        has_joints, has_pose = joints_ns != NO_STAMP, self.poses.posed == 1
        older_ns = np.where(has_pose, np.minimum(body_ns, joints_ns), joints_ns)
        return np.where(has_joints, older_ns, body_ns)

    def _predict_to(self, target_ns: Ints) -> Prediction:
        topology, entities = self.topology, self._n_entities
        joint_position, joint_velocity, joint_std = (np.empty(topology.n_joints) for _ in range(3))
        self.joints.predict(target_ns[self.owner], joint_position, joint_velocity, joint_std)
        effort = None if self.efforts is None else self.efforts.shown(self.joints.last_ns, coast_ns=self._coast_ns)
        body_position, body_orientation = np.empty((entities, 3)), np.empty((entities, 4))
        position_std, rotation_std = np.empty(entities), np.empty(entities)
        self.poses.predict(target_ns, body_position, body_orientation, position_std, rotation_std)
        return Prediction(
            target_ns=target_ns,
            joint_position=joint_position,
            joint_velocity=joint_velocity,
            joint_std=joint_std,
            joint_effort=effort,
            body_position=body_position,
            body_orientation=body_orientation,
            position_std=position_std,
            rotation_std=rotation_std,
            posed=self.poses.posed.astype(np.uint8),
        )


_S = TypeVar("_S", bound=SettingsModel)


def _hinted(noise: JointNoise, joint: Joint) -> JointNoise:
    """Return what is set for all joints, with what the stage says of this one in its place."""
    hints, linear = joint.hints, joint.kind is JointKind.PRISMATIC
    said = {
        "position_std_m" if linear else "position_std_rad": hints.position_std,
        "jerk_noise_m" if linear else "jerk_noise": hints.jerk_noise,
        "stamp_std_ms": None if hints.stamp_std_s is None else hints.stamp_std_s * 1e3,
        "wraps_rad": hints.wraps,
        "use_velocity": hints.use_velocity,
        "velocity_std": hints.velocity_std,
        "use_effort": hints.use_effort,
    }
    return noise.model_copy(update={name: value for name, value in said.items() if value is not None})


def over(base: _S, own: SettingsModel | None) -> _S:
    """Return what is set for all, with what one entity sets for itself in its place."""
    return base if own is None else base.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})
