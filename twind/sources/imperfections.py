"""Synthetic sensors: what a robot's computer says of the truth, with the faults that real ones have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from twind.model.time import NS_PER_S
from twind.model.topology import JointKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.sources.synthetic import SyntheticMotion

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

_BLOCK_S = 0.25
"""How much time is computed at once: long enough for NumPy, short enough to start promptly."""


@dataclass(frozen=True, slots=True)
class Imperfections:
    """How a sensor and its clock and network differ from perfect ones. All zero is perfect."""

    encoder_std_rad: float = 1e-3
    """Gaussian noise of a joint angle, one sigma [rad]."""
    encoder_step_rad: float = 2.0 * math.pi / 2**14
    """Resolution of a joint angle [rad]."""
    encoder_std_m: float = 1e-4
    """The same for prismatic joints [m]."""
    encoder_step_m: float = 1e-5
    """The same for prismatic joints [m]."""
    velocity_std: float = 0.02
    """Noise of a joint velocity, one sigma [rad/s or m/s]."""
    position_std_m: float = 0.004
    """Noise of each coordinate of a body's position, one sigma [m]."""
    rotation_std_rad: float = 0.01
    """Noise of a body's rotation about each axis, one sigma [rad]."""
    clock_offset_s: float = 0.0
    """How far the device's clock is ahead at the start [s]."""
    clock_skew_ppm: float = 0.0
    """How much faster it runs [ppm]."""
    stamp_std_s: float = 2e-4
    """Jitter of stamps: how far a stamp is from the instant of its measurement, one sigma [s]."""
    loss: float = 0.01
    """Share of messages that are never sent."""
    late: float = 0.02
    """Share of messages that are held back, so that they arrive out of order."""
    late_s: tuple[float, float] = (0.005, 0.040)
    """Least and most that they are held back [s]."""


PERFECT = Imperfections(
    encoder_std_rad=0.0,
    encoder_step_rad=0.0,
    encoder_std_m=0.0,
    encoder_step_m=0.0,
    velocity_std=0.0,
    position_std_m=0.0,
    rotation_std_rad=0.0,
    stamp_std_s=0.0,
    loss=0.0,
    late=0.0,
)


@dataclass(frozen=True, slots=True)
class Block:
    """N consecutive messages of one sensor; times count from the start."""

    meant_s: Floats
    """(N,) the true instant that each stamp names [s]."""
    stamp_ns: Ints
    """(N,) stamps in the device's clock, since the start of the daemon's [ns]."""
    send_s: Floats
    """(N,) when each message is due on the wire [s]."""
    lost: Flags
    """(N,) never sent."""
    late: Flags
    """(N,) held back."""
    joint_position: Floats
    """(N, joints of the robot) [rad or m]; empty for a pose sensor."""
    joint_velocity: Floats
    """(N, joints of the robot) [rad/s or m/s]; empty for a pose sensor."""
    position: Floats
    """(N, 3) [m]; empty for a joint sensor."""
    orientation: Floats
    """(N, 4) (w, x, y, z); empty for a joint sensor."""


class Sensor:
    """The encoders of one robot, or a tracker of one body. Block `k` is the same whenever and wherever it is computed."""

    def __init__(
        self,
        motion: SyntheticMotion,
        entity: int,
        *,
        tracks_body: bool,
        rate_hz: float,
        imperfections: Imperfections,
        seed: int,
    ) -> None:
        """Set up a sensor.

        Args:
            motion: The truth that it measures.
            entity: Entity index.
            tracks_body: Measure the pose of the entity as a whole, not its joints.
            rate_hz: Messages per second.
            imperfections: How it falls short.
            seed: Chooses its noise, for each sensor independently of the others.
        """
        self.entity = entity
        self.tracks_body = tracks_body
        self.imperfections = imperfections
        self._motion = motion
        self._rate_hz = rate_hz
        self._seed = [seed, crc32(motion.topology.entities[entity].id.encode()), int(tracks_body)]
        self._count = max(1, round(rate_hz * _BLOCK_S))
        # Sensors are not synchronised: each starts somewhere within its own period.
        self._first_s = float(np.random.default_rng(self._seed).uniform(0.0, 1.0 / rate_hz))
        joints = () if tracks_body else motion.topology.robots[entity].joints
        linear = np.array([joint.kind is JointKind.PRISMATIC for joint in joints], bool)
        self._std = np.where(linear, imperfections.encoder_std_m, imperfections.encoder_std_rad)
        self._step = np.where(linear, imperfections.encoder_step_m, imperfections.encoder_step_rad)

    def block_at(self, t_s: float) -> int:
        """Return the number of the block that holds the instant `t_s` [s]."""
        return max(0, math.floor((t_s - self._first_s) * self._rate_hz / self._count))

    def block_start(self, number: int) -> float:
        """Return when block `number` begins [s]."""
        return self._first_s + number * self._count / self._rate_hz

    def block(self, number: int) -> Block:
        """Measure one block of messages, numbered from 0."""
        faults, count = self.imperfections, self._count
        rng = np.random.default_rng([*self._seed, number])
        t_s = self._first_s + (number * count + np.arange(count)) / self._rate_hz
        meant_s = t_s + faults.stamp_std_s * rng.standard_normal(count)
        clock_s = meant_s * (1.0 + faults.clock_skew_ppm * 1e-6) + faults.clock_offset_s
        lost = rng.random(count) < faults.loss
        late = ~lost & (rng.random(count) < faults.late)
        nothing = np.zeros((count, 0))
        joint_position, joint_velocity, position, orientation = nothing, nothing, nothing, nothing
        if self.tracks_body:
            position, orientation = self._measure_body(t_s, rng)
        else:
            joint_position, joint_velocity = self._measure_joints(t_s, rng)
        return Block(
            meant_s=meant_s,
            stamp_ns=np.rint(clock_s * NS_PER_S).astype(np.int64),
            send_s=t_s + np.where(late, rng.uniform(*faults.late_s, count), 0.0),
            lost=lost,
            late=late,
            joint_position=joint_position,
            joint_velocity=joint_velocity,
            position=position,
            orientation=orientation,
        )

    def _measure_joints(self, t_s: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        position, velocity = self._motion.joints(self.entity, t_s)
        position = position + self._std * rng.standard_normal(position.shape)
        steps = np.where(self._step > 0.0, self._step, 1.0)
        position = np.where(self._step > 0.0, np.rint(position / steps) * steps, position)
        return position, velocity + self.imperfections.velocity_std * rng.standard_normal(velocity.shape)

    def _measure_body(self, t_s: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
        position, orientation = self._motion.body(self.entity, t_s)
        position = position + self.imperfections.position_std_m * rng.standard_normal(position.shape)
        half = 0.5 * self.imperfections.rotation_std_rad * rng.standard_normal(position.shape)
        # A small rotation in the body's frame: orientation * (1, half), to first order, normalised.
        w, v = orientation[:, :1], orientation[:, 1:]
        turned = np.concatenate([w - (v * half).sum(axis=1, keepdims=True), v + w * half + np.cross(v, half)], axis=1)
        return position, turned / np.linalg.norm(turned, axis=1, keepdims=True)
