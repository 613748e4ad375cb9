"""The robots of every measurement: seven-joint arms in a stage made in memory, and the messages that they send."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from twind.model.messages import RawMessage
from twind.model.time import NS_PER_MS, NS_PER_S
from twind.stage.discover import discover_stage
from twind.stage.synthetic import serial_robots

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from twind.model.topology import Topology

JOINTS = 7
RATE_HZ = 100
"""Messages of one robot a second."""
PATTERN = "cell/{entity}/joint_state"
_NAMES = [f"joint_{number}" for number in range(1, JOINTS + 1)]
_DELAY_NS = 2 * NS_PER_MS


def topology(robots: int) -> Topology:
    """Return what is discovered in a stage with so many arms, `robot_0` and on."""
    return discover_stage(serial_robots(robots, joints=JOINTS))


def write_stage(robots: int, path: Path) -> None:
    """Write such a stage to a file."""
    stage = serial_robots(robots, joints=JOINTS)  # its layer lives as long as it does
    stage.GetRootLayer().Export(str(path))


def topic(robot: int) -> str:
    """Return where a robot publishes."""
    return f"cell/robot_{robot}/joint_state"


def payload(robot: int, stamp_ns: int, *, velocities: bool = True) -> bytes:
    """Return a joint state as a ROS bridge writes it, with full-precision numbers (the demo's robots send the same)."""
    t = stamp_ns % (1000 * NS_PER_S) / NS_PER_S
    rates = [0.3 + 0.1 * joint for joint in range(JOINTS)]
    message: dict[str, object] = {
        "header": {"stamp": {"sec": stamp_ns // NS_PER_S, "nanosec": stamp_ns % NS_PER_S}},
        "name": _NAMES,
        "position": [math.sin(rate * t + robot) for rate in rates],
    }
    if velocities:
        message |= {"velocity": [rate * math.cos(rate * t + robot) for rate in rates], "effort": []}
    return msgspec.json.encode(message)


class Stream:
    """The robots' messages in order of time, each robot at `RATE_HZ`; goes on where the last call ended."""

    def __init__(self, robots: int, *, start_ns: int, velocities: bool = True) -> None:
        self._messages = self._forever(robots, start_ns, velocities=velocities)

    def take(self, count: int) -> list[RawMessage]:
        """Return the next messages, as a source would hand them over."""
        return [next(self._messages) for _ in range(count)]

    @staticmethod
    def _forever(robots: int, stamp_ns: int, *, velocities: bool) -> Iterator[RawMessage]:
        period_ns = NS_PER_S // RATE_HZ
        while True:
            for robot in range(robots):
                own_ns = stamp_ns + robot * period_ns // robots
                yield RawMessage(topic(robot), payload(robot, own_ns, velocities=velocities), own_ns + _DELAY_NS)
            stamp_ns += period_ns
