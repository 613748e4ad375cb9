"""One batch of decoded messages, column by column: what one kernel call takes.

Lists for what comes one message at a time, because appending to them is cheapest; whole arrays for what comes packed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from twind.model.messages import NO_SEQUENCE, Channel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from twind.model.messages import ImuSample, PackedJoints, PackedPoses, PoseSample, Triple, TwistSample

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_T = TypeVar("_T")
_UNKNOWN = (math.nan, math.nan, math.nan)


@dataclass(frozen=True, slots=True)
class JointArrays:
    """M messages with K joint values in all, as arrays."""

    stream: NDArray[np.int32]
    device_ns: Ints
    receive_ns: Ints
    number: Ints | None
    layout: NDArray[np.int32]
    offset: Ints
    position: Floats
    velocity: Floats
    """(K,), NaN where there is none; empty where there are none at all."""
    effort: Floats
    """Likewise; empty too where none are used."""


@dataclass(slots=True)
class JointColumns:
    """M messages with K joint values in all, and packed ones beside them."""

    stream: list[int] = field(default_factory=list)
    """(M,) clock row of the stream that the message came on."""
    device_ns: list[int] = field(default_factory=list)
    """(M,) device stamp [ns]."""
    receive_ns: list[int] = field(default_factory=list)
    """(M,) daemon wall clock at arrival [ns]."""
    layout: list[int] = field(default_factory=list)
    """(M,) which joint rows the values belong to."""
    position: list[float] = field(default_factory=list)
    """(K,) [rad or m]."""
    offset: list[int] = field(default_factory=lambda: [0])
    """(M + 1,) where each message's values begin in `position`, and where the last one's end."""
    velocity: list[float] = field(default_factory=list)
    """(up to K,) [rad/s or m/s], NaN where there is none; ends with the last message that has some."""
    effort: list[float] = field(default_factory=list)
    """(up to K,) [N m or N]; likewise."""
    number: list[int] = field(default_factory=list)
    """(up to M,) sequence number, `NO_SEQUENCE` where there is none; likewise."""
    packed: list[tuple[int, int, int, PackedJoints]] = field(default_factory=list)
    """Stream, arrival, layout and arrays of each packed message."""

    def __len__(self) -> int:
        """Return how many messages there are."""
        return len(self.stream) + len(self.packed)

    @property
    def messages(self) -> list[int]:
        """Clock row of the stream of each message, packed ones once."""
        return self.stream + [stream for stream, _, _, _ in self.packed] if self.packed else self.stream

    def arrays(self) -> JointArrays:
        """Make the arrays of it all. Packed messages come last: each of their instants is a message."""
        values = len(self.position)
        own = JointArrays(
            np.array(self.stream, np.int32),
            np.array(self.device_ns, np.int64),
            np.array(self.receive_ns, np.int64),
            np.array(padded(self.number, len(self.stream), NO_SEQUENCE), np.int64) if self.number else None,
            np.array(self.layout, np.int32),
            np.array(self.offset, np.int64),
            np.array(self.position, np.float64),  # a third cheaper than letting NumPy find out
            np.array(padded(self.velocity, values, math.nan), np.float64),
            np.array(padded(self.effort, values, math.nan), np.float64),
        )
        return _with_packed(own, self.packed) if self.packed else own


@dataclass(slots=True)
class BodyColumns:
    """M samples of bodies; what `linear` and `angular` mean depends on the channel, see `twind.model.messages.Channel`."""

    stream: list[int] = field(default_factory=list)
    device_ns: list[int] = field(default_factory=list)
    receive_ns: list[int] = field(default_factory=list)
    number: list[int] = field(default_factory=list)
    entity: list[int] = field(default_factory=list)
    """(M,) entity index."""
    channel: list[int] = field(default_factory=list)
    """(M,) `Channel`."""
    linear: list[Sequence[float]] = field(default_factory=list)
    """(M, 3) [m], [m/s] or [m/s^2]."""
    angular: list[Sequence[float]] = field(default_factory=list)
    """(M, 4) quaternion (w, x, y, z) as sent, or [rad/s] and an unused number."""
    linear_var: list[Sequence[float]] = field(default_factory=list)
    """(M, 3) variances of `linear`; NaN where the message states none."""
    messages: list[int] = field(default_factory=list)
    """Clock row of the stream of each message, which may hold several samples."""
    angular_var: list[Sequence[float]] = field(default_factory=list)
    """(M, 3) variances of the rotation or of the rate; NaN where the message states none."""

    def __len__(self) -> int:
        """Return how many samples there are."""
        return len(self.stream)

    def add_pose(self, stream: int, receive_ns: int, entity: int, sample: PoseSample) -> None:
        """Append one pose."""
        self._add(stream, receive_ns, entity, stamp_ns=sample.stamp_ns, number=sample.sequence, channel=Channel.POSE)
        self._values(sample.position, sample.orientation, sample.position_var, sample.rotation_var)

    def add_twist(self, stream: int, receive_ns: int, entity: int, sample: TwistSample) -> None:
        """Append one velocity."""
        channel = Channel.TWIST_WORLD if sample.in_world else Channel.TWIST_BODY
        self._add(stream, receive_ns, entity, stamp_ns=sample.stamp_ns, number=sample.sequence, channel=channel)
        self._values(sample.linear, (*sample.angular, 0.0), sample.linear_var, sample.angular_var)

    def add_imu(self, stream: int, receive_ns: int, entity: int, sample: ImuSample) -> None:
        """Append one reading of an inertial sensor. The attitude is estimated here, so the sensor's own is left out."""
        self._add(stream, receive_ns, entity, stamp_ns=sample.stamp_ns, number=sample.sequence, channel=Channel.IMU)
        self._values(sample.linear_acceleration, (*sample.angular_velocity, 0.0), None, sample.angular_velocity_var)

    def add_packed(self, stream: int, receive_ns: int, entities: Sequence[int], sample: PackedPoses) -> None:
        """Append many poses: all bodies of the first instant, then of the next."""
        instants, bodies = sample.position.shape[:2]
        count = instants * bodies
        self.stream += [stream] * count
        self.receive_ns += [receive_ns] * count
        self.device_ns += np.repeat(sample.stamp_ns, bodies).tolist()
        numbers = np.full(instants, NO_SEQUENCE)
        if sample.sequence != NO_SEQUENCE:
            numbers = sample.sequence + np.arange(instants, dtype=np.int64)
        self.number += np.repeat(numbers, bodies).tolist()
        self.entity += list(entities) * instants
        self.channel += [Channel.POSE] * count
        self.linear += sample.position.reshape(count, 3).tolist()
        self.angular += sample.orientation.reshape(count, 4).tolist()
        self.linear_var += [_UNKNOWN] * count
        self.angular_var += [_UNKNOWN] * count

    def _add(self, stream: int, receive_ns: int, entity: int, *, stamp_ns: int, number: int, channel: Channel) -> None:
        self.stream.append(stream)
        self.receive_ns.append(receive_ns)
        self.entity.append(entity)
        self.device_ns.append(stamp_ns)
        self.number.append(number)
        self.channel.append(channel)

    def _values(self, linear: Triple, angular: Sequence[float], linear_var: Triple | None, angular_var: Triple | None) -> None:
        self.linear.append(linear)
        self.angular.append(angular)
        self.linear_var.append(linear_var or _UNKNOWN)
        self.angular_var.append(angular_var or _UNKNOWN)


def pad(column: list[_T], length: int, filler: _T) -> None:
    """Fill up a column that only some messages have something for."""
    column += [filler] * (length - len(column))


def padded(column: list[_T], length: int, filler: _T) -> list[_T]:
    """Return a column filled up to its length, an empty one as it is."""
    return [*column, *([filler] * (length - len(column)))] if column else column


def _with_packed(own: JointArrays, packed: list[tuple[int, int, int, PackedJoints]]) -> JointArrays:
    """Append packed messages: a fixed number of array operations for each, whatever it holds."""
    samples = [sample for _, _, _, sample in packed]
    instants = [len(sample.stamp_ns) for sample in samples]
    widths = np.repeat([sample.position.shape[1] for sample in samples], instants)
    number = None
    if own.number is not None or any(sample.sequence != NO_SEQUENCE for sample in samples):
        first = np.full(len(own.stream), NO_SEQUENCE) if own.number is None else own.number
        number = np.concatenate([first, *(_numbers(sample) for sample in samples)])
    return JointArrays(
        np.concatenate([own.stream, np.repeat(np.array([stream for stream, _, _, _ in packed], np.int32), instants)]),
        np.concatenate([own.device_ns, *(sample.stamp_ns for sample in samples)]),
        np.concatenate([own.receive_ns, np.repeat(np.array([at for _, at, _, _ in packed], np.int64), instants)]),
        number,
        np.concatenate([own.layout, np.repeat(np.array([layout for _, _, layout, _ in packed], np.int32), instants)]),
        np.concatenate([own.offset, own.offset[-1] + np.cumsum(widths)]),
        np.concatenate([own.position, *(sample.position.ravel() for sample in samples)]),
        _optional(own.velocity, len(own.position), samples, [sample.velocity for sample in samples]),
        _optional(own.effort, len(own.position), samples, [sample.effort for sample in samples]),
    )


def _numbers(sample: PackedJoints) -> Ints:
    if sample.sequence == NO_SEQUENCE:
        return np.full(len(sample.stamp_ns), NO_SEQUENCE)
    return sample.sequence + np.arange(len(sample.stamp_ns), dtype=np.int64)


def _optional(own: Floats, count: int, samples: list[PackedJoints], given: list[Floats | None]) -> Floats:
    """Join what not every message has: NaN in its place, or nothing at all where none has it."""
    if not len(own) and all(values is None for values in given):
        return own
    parts: list[ArrayLike] = [own if len(own) else np.full(count, math.nan)]
    for sample, values in zip(samples, given, strict=True):
        parts.append(np.full(sample.position.size, math.nan) if values is None else values.ravel())
    return np.concatenate(parts)
