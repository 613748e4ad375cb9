"""What synthetic robots send and when: the messages of all sensors in the order in which they are due. Reads no clock."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from twind.model.time import NS_PER_S
from twind.model.topology import JointKind, Robot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from twind.sources.imperfections import Block, Sensor
    from twind.sources.synthetic import SyntheticMotion

    Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Message:
    """One message that a robot sends, or would have sent."""

    topic: str
    payload: bytes
    lost: bool
    """It is never sent."""
    late: bool
    """It was held back."""
    errors: tuple[float, float]
    """How far the measurement is from the truth at its stamp, mean square [rad^2] and [m^2]: over revolute joints and over
    prismatic ones, or the angle and the distance of a pose."""


class Schedule:
    """Computes messages block by block, ahead of time, and hands them out when they are due."""

    def __init__(
        self, motion: SyntheticMotion, sensors: Sequence[Sensor], *, start_ns: int, from_s: float, prefix: str
    ) -> None:
        """Begin with the first message that is due after `from_s`.

        Args:
            motion: The truth.
            sensors: What measures it.
            start_ns: The daemon's wall clock at time 0 [ns].
            from_s: When the schedule begins [s].
            prefix: First level of the topics.
        """
        self._streams = [_Stream(motion, sensor, start_ns=start_ns, from_s=from_s, prefix=prefix) for sensor in sensors]
        self._from_s = from_s
        self._count = 0
        self._waiting: list[tuple[float, int, Message]] = []

    @property
    def topics(self) -> list[str]:
        """The topics that are published to."""
        return [stream.topic for stream in self._streams]

    def next_s(self) -> float:
        """Return when the next message is due [s]; infinite when none is computed."""
        return self._waiting[0][0] if self._waiting else float("inf")

    def extend(self, until_s: float) -> None:
        """Compute every message that is due until `until_s`; some later ones as well."""
        for stream in self._streams:
            while stream.starts_s <= until_s:
                for due_s, message in stream.next_block():
                    if due_s >= self._from_s:
                        self._count += 1  # breaks ties of the heap
                        heapq.heappush(self._waiting, (due_s, self._count, message))

    def due(self, now_s: float) -> list[Message]:
        """Take the messages that are due by now."""
        taken = []
        while self._waiting and self._waiting[0][0] <= now_s:
            taken.append(heapq.heappop(self._waiting)[2])
        return taken


class _Stream:
    """One sensor on one topic, in the JSON shapes of ROS `sensor_msgs/JointState` and `geometry_msgs/PoseStamped`."""

    def __init__(self, motion: SyntheticMotion, sensor: Sensor, *, start_ns: int, from_s: float, prefix: str) -> None:
        entity = motion.topology.entities[sensor.entity]
        self.topic = f"{prefix}/{entity.id}/{'pose' if sensor.tracks_body else 'joint_state'}"
        self._motion = motion
        self._sensor = sensor
        self._start_ns = start_ns
        # A message can be held back into the first block from the one before.
        self._block = max(0, sensor.block_at(from_s) - 1)
        joints = entity.joints if isinstance(entity, Robot) and not sensor.tracks_body else ()
        # Coupled joints have no encoder of their own.
        self._measured = [index for index, joint in enumerate(joints) if joint.movable and joint.mimic is None]
        self._names = [joints[index].name for index in self._measured]
        self._linear = np.array([joints[index].kind is JointKind.PRISMATIC for index in self._measured], bool)

    @property
    def starts_s(self) -> float:
        """When the next block begins [s]."""
        return self._sensor.block_start(self._block)

    def next_block(self) -> list[tuple[float, Message]]:
        """Return the messages of the next block with the times at which they are due [s]."""
        block = self._sensor.block(self._block)
        self._block += 1
        payloads, errors = self._poses(block) if self._sensor.tracks_body else self._joint_states(block)
        columns = (block.send_s.tolist(), payloads, block.lost.tolist(), block.late.tolist(), errors.tolist())
        return [
            (due_s, Message(self.topic, payload, lost, late, (rad, metre)))
            for due_s, payload, lost, late, (rad, metre) in zip(*columns, strict=True)
        ]

    def _headers(self, block: Block) -> list[dict[str, object]]:
        stamps = [divmod(self._start_ns + stamp, NS_PER_S) for stamp in block.stamp_ns.tolist()]
        return [{"stamp": {"sec": sec, "nanosec": nanosec}, "frame_id": ""} for sec, nanosec in stamps]

    def _joint_states(self, block: Block) -> tuple[list[bytes], Floats]:
        position, velocity = block.joint_position[:, self._measured], block.joint_velocity[:, self._measured]
        off = (position - self._motion.joints(self._sensor.entity, block.meant_s)[0][:, self._measured]) ** 2
        linear = self._linear
        errors = np.stack([_mean(off[:, ~linear]), _mean(off[:, linear])], axis=1)
        rows = zip(self._headers(block), position.tolist(), velocity.tolist(), strict=True)
        payloads = [
            msgspec.json.encode({"header": header, "name": self._names, "position": q, "velocity": v, "effort": []})
            for header, q, v in rows
        ]
        return payloads, errors

    def _poses(self, block: Block) -> tuple[list[bytes], Floats]:
        position, orientation = self._motion.body(self._sensor.entity, block.meant_s)
        distance = np.linalg.norm(block.position - position, axis=1)
        cosine = np.minimum(np.abs((block.orientation * orientation).sum(axis=1)), 1.0)
        errors = np.stack([(2.0 * np.arccos(cosine)) ** 2, distance**2], axis=1)
        payloads = []
        for header, (x, y, z), (qw, qx, qy, qz) in zip(
            self._headers(block), block.position.tolist(), block.orientation.tolist(), strict=True
        ):
            pose = {"position": {"x": x, "y": y, "z": z}, "orientation": {"x": qx, "y": qy, "z": qz, "w": qw}}
            payloads.append(msgspec.json.encode({"header": header, "pose": pose}))
        return payloads, errors


def _mean(columns: Floats) -> Floats:
    """Return the mean of each row; 0 where there are no columns."""
    return columns.mean(axis=1) if columns.shape[1] else np.zeros(len(columns))
