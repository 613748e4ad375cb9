"""The banks of one daemon, laid out as the stage's topology says, and the rows they hand out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from twind.config.base import SettingsModel
from twind.estimation import ClockBank, JointBank, PoseBank
from twind.model.errors import RefusedInput
from twind.model.estimates import Verdict
from twind.model.refusals import Refusal
from twind.model.time import NO_STAMP, ms_to_ns, s_to_ns
from twind.model.topology import JointKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twind.config.settings import EstimationSettings, JointNoise
    from twind.model.topology import Topology
    from twind.runtime.columns import JointColumns, PoseColumns

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bytes = NDArray[np.uint8]

_STREAMS_PER_ENTITY = 8
_MIN_STREAMS = 64
_HISTORY = 256  # samples per joint kept to put late ones in order; 6 kB of samples and 9 kB of states per joint
_FEW_JOINTS = 10_000
_CHANGES = np.isin(np.arange(256), (Verdict.ACCEPTED, Verdict.RESET))
"""Whether each verdict changes an estimate: a table, as asking for each batch would cost more than its filters do."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one batch."""

    verdicts: Bytes
    """Verdict of each joint value or pose."""
    used_ns: Ints
    """Stamps, in the daemon's clock, of the messages whose samples changed an estimate [ns]."""


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
        self._streams = 0
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
        self.poses = PoseBank(self._n_entities, gate=settings.gate, coast_ns=ms_to_ns(settings.coast_ms))
        self._configure(settings)
        owner = np.repeat(np.arange(len(topology.robots)), np.diff(topology.first_joint))
        self._owner: Ints = owner.astype(np.int64)
        """(J,) entity of each joint."""
        self._resets = {"joint": self.joints.resets.copy(), "pose": self.poses.resets.copy()}

    def _configure(self, settings: EstimationSettings) -> None:
        for index, entity in enumerate(self._topology.entities):
            own = settings.overrides.get(entity.id)
            poses = _over(settings.poses, None if own is None else own.poses)
            self.poses.configure(
                index,
                position_std=poses.position_std_m,
                rotation_std=poses.rotation_std_rad,
                acceleration_noise=poses.acceleration_noise,
                angular_acceleration_noise=poses.angular_acceleration_noise,
            )
        for robot, first in zip(self._topology.robots, self._topology.first_joint, strict=False):
            own = settings.overrides.get(robot.id)
            of_robot = _over(settings.joints, None if own is None else own.joints)
            for offset, joint in enumerate(robot.joints):
                linear = joint.kind is JointKind.PRISMATIC
                turn = math.tau if joint.kind is JointKind.CONTINUOUS else 0.0
                noise: JointNoise = of_robot
                for names in (settings.joints.names, of_robot.names):
                    noise = _over(noise, names.get(joint.name))
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

    def new_stream(self) -> int:
        """Return the clock row of a new stream.

        Raises:
            RefusedInput: All rows are taken.
        """
        if self._streams == self._max_streams:
            raise RefusedInput(
                Refusal.TOO_MANY_TOPICS,
                f"{self._max_streams} topics already lead to this stage's entities; use fewer placeholders in the routes",
            )
        self._streams += 1
        return self._streams - 1

    def new_layout(self, joints: Sequence[int]) -> int:
        """Return the id of an order of joint rows."""
        return self.joints.add_layout(joints)

    def ingest_joints(self, columns: JointColumns) -> Outcome:
        """Update the joints from one batch of messages."""
        mapped, sigma, skip = self._map(columns.stream, columns.device_ns, columns.receive_ns)
        offset = np.array(columns.offset, np.int64)
        values = np.array(columns.position)
        verdicts = np.empty(len(values), np.uint8)
        nis = np.empty(len(values))
        layout = np.array(columns.layout, np.int32)
        self.joints.ingest(layout, mapped, sigma, skip, offset, values, verdicts, nis)
        return Outcome(verdicts, mapped[_CHANGES[verdicts[offset[:-1]]]])

    def ingest_poses(self, columns: PoseColumns) -> Outcome:
        """Update the poses from one batch of messages."""
        mapped, sigma, skip = self._map(columns.stream, columns.device_ns, columns.receive_ns)
        verdicts = np.empty(len(mapped), np.uint8)
        nis = np.empty(len(mapped))
        self.poses.ingest(
            np.array(columns.entity, np.int32),
            mapped,
            sigma,
            skip,
            np.array(columns.position),
            np.array(columns.orientation),
            np.array(columns.position_var),
            np.array(columns.rotation_var),
            verdicts,
            nis,
        )
        return Outcome(verdicts, mapped[_CHANGES[verdicts]])

    def _map(self, stream: list[int], device_ns: list[int], receive_ns: list[int]) -> tuple[Ints, Floats, Bytes]:
        count = len(stream)
        mapped = np.empty(count, np.int64)
        sigma = np.empty(count)
        skip = np.empty(count, np.uint8)
        self.clocks.map(
            np.array(stream, np.int32), np.array(device_ns, np.int64), np.array(receive_ns, np.int64), mapped, sigma, skip
        )
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

    def predict(self, now_ns: int, predict_after_ns: int) -> Prediction:
        """Predict every entity to the stamp of its newest sample, or to `now - predict_after` where that is later.

        All joints of a robot, and its base, share one instant. Read-only.
        """
        topology, entities = self._topology, self._n_entities
        sample_ns = self.poses.last_ns.copy()
        np.maximum.at(sample_ns, self._owner, self.joints.live_ns)
        known = sample_ns != NO_STAMP
        target_ns = np.where(known, np.maximum(sample_ns, now_ns - predict_after_ns), 0)
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
            posed=(self.poses.last_ns != NO_STAMP).astype(np.uint8),
        )


_S = TypeVar("_S", bound=SettingsModel)


def _over(base: _S, own: SettingsModel | None) -> _S:
    """Return what is set for all, with what one entity sets for itself in its place."""
    return base if own is None else base.model_copy(update={name: getattr(own, name) for name in own.model_fields_set})
