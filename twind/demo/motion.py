"""How the demo cell moves, and how its sensors fall short. Pure: the checker computes the same truth from the same seed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from twind.model.topology import Robot, Topology
from twind.sources.imperfections import PERFECT, Imperfections, Sensor
from twind.sources.paths import Ellipse, Shuttle
from twind.sources.synthetic import SyntheticMotion

if TYPE_CHECKING:
    from twind.sources.paths import Path

_ROUND = ((2.6, 2.1), 30.0)
"""Semi-axes [m] and period [s] of the mobile robot's way round the cell."""
_SPACING, _STROKE, _PERIOD_S = 0.44, 0.40, 8.0
"""Parts on the conveyor: distance between two [m], half of their way [m], there and back [s]."""
_PARTS = tuple(f"part_{number}" for number in range(1, 7))
_BELT_HEIGHT = 0.86
"""Centre of a part that lies on the belt [m]."""

_CLOCKS = {
    "arm_a": (0.0003, 2.0),
    "arm_b": (37.2, 18.0),
    "agv": (-2.5, -25.0),
}
"""Offset [s] and skew [ppm] of a robot's clock: one follows NTP, one was never set, one was set once and forgotten."""


def cell_motion(topology: Topology, *, seed: int) -> SyntheticMotion:
    """Return the motion of the demo cell; entities of any other stage move by their defaults."""
    middle = 0.5 * (len(_PARTS) - 1)
    paths: dict[str, Path] = {
        part: Shuttle(((place - middle) * _SPACING, 0.0, _BELT_HEIGHT), _STROKE, _PERIOD_S, heading=0.3 * place)
        for place, part in enumerate(_PARTS)
    }
    for robot in topology.robots:
        if robot.id == "agv":
            paths["agv"] = Ellipse((0.0, 0.0, robot.links[robot.base].rest.position[2]), *_ROUND)
    return SyntheticMotion(topology, seed=seed, paths=paths)


def cell_sensors(
    motion: SyntheticMotion, *, seed: int, rate_hz: float, pose_rate_hz: float, perfect: bool = False
) -> list[Sensor]:
    """Return encoders for every robot with joints that can be measured, and a tracker for everything that moves as a whole."""
    sensors = []
    for index, entity in enumerate(motion.topology.entities):
        offset_s, skew_ppm = _CLOCKS.get(entity.id, (0.0, 0.0))
        faults = PERFECT if perfect else replace(Imperfections(), clock_offset_s=offset_s, clock_skew_ppm=skew_ppm)
        if isinstance(entity, Robot) and any(joint.movable for joint in entity.joints):
            sensors.append(Sensor(motion, index, tracks_body=False, rate_hz=rate_hz, imperfections=faults, seed=seed))
        if motion.has_body(index):
            sensors.append(Sensor(motion, index, tracks_body=True, rate_hz=pose_rate_hz, imperfections=faults, seed=seed))
    return sensors
