"""Synthetic robots: a motion that is a pure function of time, so that any process knows the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np

from twind.model.topology import JointKind, Robot
from twind.sources.paths import Ellipse, Shuttle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from twind.model.topology import Joint, RigidObject, Topology
    from twind.sources.paths import Path

    Floats = NDArray[np.float64]

_SHARE = 0.8
"""Share of the limits of position and velocity that a motion uses."""
_REACH = {JointKind.REVOLUTE: 1.0, JointKind.CONTINUOUS: 1.5, JointKind.PRISMATIC: 0.25}
"""Largest amplitude [rad or m], whatever the limits allow."""
_SPEED = {JointKind.REVOLUTE: 1.5, JointKind.CONTINUOUS: 1.5, JointKind.PRISMATIC: 0.1}
"""Largest velocity [rad/s or m/s], whatever the limits allow."""
_WAVES = 3
_DWELL = 1.0
"""How long a prismatic joint rests at its ends: it follows tanh(DWELL sin), as a gripper opens and closes."""
_LATERAL = 0.9
"""Cosine of the largest angle between a wheel's axis and the base's Y."""


@dataclass(frozen=True, slots=True)
class Truth:
    """The true state of every entity at one instant. E entities, J joints, as in `twind.model.topology`."""

    joint_position: Floats
    """(J,) [rad or m]."""
    joint_velocity: Floats
    """(J,) [rad/s or m/s]."""
    body_position: Floats
    """(E, 3) world position of objects and of floating bases [m]; NaN for robots that stand still."""
    body_orientation: Floats
    """(E, 4) world orientation (w, x, y, z); NaN for robots that stand still."""


class SyntheticMotion:
    """Moves every entity of a topology within its limits. The same seed gives the same motion in every process.

    Joints follow sums of sines, prismatic ones open and close; objects and floating robots follow paths, and wheels (lateral
    continuous joints on a floating base) roll on them without slip. Mimic joints follow; fixed joints stay at 0.
    """

    def __init__(self, topology: Topology, *, seed: int, paths: Mapping[str, Path] | None = None) -> None:
        """Choose amplitudes, frequencies and phases.

        Args:
            topology: Which entities there are.
            seed: Chooses the motion, for each entity independently of the others.
            paths: Path by entity id; others shuttle (objects) or circle (floating robots) about where they rest.
        """
        self.topology = topology
        self._paths: dict[int, Path] = {}
        self._joints: list[_RobotMotion] = []
        for index, entity in enumerate(topology.entities):
            rng = np.random.default_rng([seed, crc32(entity.id.encode())])
            path = None
            if self.has_body(index):
                path = (paths or {}).get(entity.id) or _default_path(entity, rng)
                self._paths[index] = path
            if isinstance(entity, Robot):
                self._joints.append(_RobotMotion(entity, path, rng))

    def has_body(self, entity: int) -> bool:
        """Whether the entity moves as a whole: an object or a floating robot."""
        robots = self.topology.robots
        return entity >= len(robots) or robots[entity].floating

    def joints(self, robot: int, t_s: Floats) -> tuple[Floats, Floats]:
        """Return positions [rad or m] and velocities [rad/s or m/s], both (T, joints of the robot), at times (T,) [s]."""
        return self._joints[robot].at(t_s)

    def body(self, entity: int, t_s: Floats) -> tuple[Floats, Floats]:
        """Return world positions (T, 3) [m] and orientations (T, 4) (w, x, y, z), at times (T,) [s]."""
        position, heading = self._paths[entity].at(t_s)
        still = np.zeros_like(heading)
        return position, np.stack([np.cos(0.5 * heading), still, still, np.sin(0.5 * heading)], axis=-1)

    def truth(self, t_s: float) -> Truth:
        """Return the state of every entity `t_s` seconds after the start."""
        at = np.array([t_s])
        entities = len(self.topology.entities)
        joints = [motion.at(at) for motion in self._joints]
        body_position, body_orientation = np.full((entities, 3), np.nan), np.full((entities, 4), np.nan)
        for entity in self._paths:
            position, orientation = self.body(entity, at)
            body_position[entity], body_orientation[entity] = position[0], orientation[0]
        return Truth(
            joint_position=np.concatenate([position[0] for position, _ in joints] or [np.zeros(0)]),
            joint_velocity=np.concatenate([velocity[0] for _, velocity in joints] or [np.zeros(0)]),
            body_position=body_position,
            body_orientation=body_orientation,
        )


class _RobotMotion:
    """The joints of one robot."""

    def __init__(self, robot: Robot, path: Path | None, rng: np.random.Generator) -> None:
        count = len(robot.joints)
        self._robot = robot
        self._wheels = _wheels(robot, path) if isinstance(path, Ellipse) else {}
        self._centre = np.zeros(count)
        self._amplitude, self._rate, self._phase = (np.zeros((count, _WAVES)) for _ in range(3))
        self._dwells = np.array([joint.kind is JointKind.PRISMATIC for joint in robot.joints], bool)
        for index, joint in enumerate(robot.joints):
            # Drawn for every joint, so that one joint's kind or limits do not change another's motion.
            weights, rates = rng.dirichlet(np.ones(_WAVES)), rng.uniform(0.3, 2.0, _WAVES)
            phases = rng.uniform(0.0, 2.0 * math.pi, _WAVES)
            if joint.movable and joint.mimic is None and index not in self._wheels:
                self._centre[index], self._amplitude[index], self._rate[index] = _tune(joint, weights, rates)
                self._phase[index] = phases

    def at(self, t_s: Floats) -> tuple[Floats, Floats]:
        angle = t_s[:, None, None] * self._rate + self._phase
        position = (self._amplitude * np.sin(angle)).sum(axis=2)
        velocity = (self._amplitude * self._rate * np.cos(angle)).sum(axis=2)
        if self._dwells.any():
            lead = angle[:, self._dwells, 0]
            amplitude, rate = self._amplitude[self._dwells, 0] / math.tanh(_DWELL), self._rate[self._dwells, 0]
            bent = np.tanh(_DWELL * np.sin(lead))
            position[:, self._dwells] = amplitude * bent
            velocity[:, self._dwells] = amplitude * (1.0 - bent**2) * _DWELL * np.cos(lead) * rate
        position += self._centre
        for index, wheel in self._wheels.items():
            position[:, index], velocity[:, index] = wheel.roll(t_s)
        self._follow(position, velocity)
        return position, velocity

    def _follow(self, position: Floats, velocity: Floats) -> None:
        """Write the columns of the mimic joints."""
        for index, joint in enumerate(self._robot.joints):
            factor, offset, at = 1.0, 0.0, joint
            leader = index
            while at.mimic is not None:
                factor, offset = factor * at.mimic.multiplier, offset + factor * at.mimic.offset
                leader = at.mimic.joint
                at = self._robot.joints[leader]
            if leader != index:
                position[:, index] = np.clip(factor * position[:, leader] + offset, joint.lower, joint.upper)
                velocity[:, index] = factor * velocity[:, leader]


def _tune(joint: Joint, weights: Floats, rates: Floats) -> tuple[float, Floats, Floats]:
    """Return the centre, amplitudes (WAVES,) and angular rates (WAVES,) of a joint's motion within its limits."""
    reach = min(_REACH[joint.kind], _SHARE * 0.5 * (joint.upper - joint.lower))
    speed = min(_SPEED[joint.kind], _SHARE * joint.velocity_limit)
    centre = min(max(joint.rest, joint.lower + reach), joint.upper - reach)
    if joint.kind is JointKind.PRISMATIC:
        amplitude = np.zeros(_WAVES)
        amplitude[0] = reach
        return centre, amplitude, np.full(_WAVES, min(rates[0], speed / max(_DWELL * reach, 1e-9)))
    scale = min(reach, speed / float(weights @ rates))
    return centre, scale * weights, rates


@dataclass(frozen=True, slots=True)
class _Wheel:
    """A wheel that rolls on a path without slip."""

    path: Ellipse
    radius: float
    """[m]"""
    side: float
    """Lateral offset from the base's origin, left is positive [m]."""
    sign: float
    """1 where a positive rotation rolls forward."""

    def roll(self, t_s: Floats) -> tuple[Floats, Floats]:
        """Return angle and rate (T,) [rad, rad/s]."""
        path = self.path
        turned = path.at(t_s)[1] - path.at(np.zeros(1))[1]
        per_metre = self.sign / self.radius
        angle: Floats = per_metre * (path.distance(t_s) - self.side * turned)
        rate: Floats = per_metre * (path.speed(t_s) - self.side * path.turn_rate(t_s))
        return angle, rate


def _wheels(robot: Robot, path: Ellipse) -> dict[int, _Wheel]:
    """Return the wheels of a robot by joint: continuous, turning about the base's Y, standing on the floor at height 0."""
    wheels = {}
    for index, joint in enumerate(robot.joints):
        w, x, y, z = joint.parent_frame.orientation
        lateral = (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x))[joint.axis]
        radius = robot.links[robot.base].rest.position[2] + joint.parent_frame.position[2]
        free = joint.kind is JointKind.CONTINUOUS and joint.mimic is None and joint.parent == robot.base
        if free and abs(lateral) > _LATERAL and radius > 0.0:
            wheels[index] = _Wheel(path, radius, joint.parent_frame.position[1], math.copysign(1.0, lateral))
    return wheels


def _default_path(entity: Robot | RigidObject, rng: np.random.Generator) -> Path:
    phase = float(rng.uniform(0.0, 2.0 * math.pi))
    if isinstance(entity, Robot):
        return Ellipse(entity.links[entity.base].rest.position, (1.0, 0.7), period_s=20.0, phase=phase)
    return Shuttle(entity.rest.position, half_length=0.3, period_s=8.0, phase=phase)
