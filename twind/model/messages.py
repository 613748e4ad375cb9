"""What sources hand over: raw bytes with where and when they arrived; and what codecs make of them."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import msgspec

from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NO_SEQUENCE = NO_STAMP
"""Marks 'no sequence number' in int64 columns."""

Triple = tuple[float, float, float]


class Channel(enum.IntEnum):
    """What a sample of a body measures."""

    POSE = 0
    """Position in the world and body-to-world quaternion."""
    TWIST_BODY = 1
    """Linear and angular velocity along the axes of the body, as in the `twist` of `nav_msgs/Odometry` (child frame)."""
    TWIST_WORLD = 2
    """Linear and angular velocity along the axes of the world."""
    IMU = 3
    """Specific force and angular rate along the axes of the body: at rest an accelerometer shows +9.81 m/s^2 upwards."""


class RawMessage(msgspec.Struct, frozen=True, gc=False):
    """One message as it arrived, before anything was believed about it."""

    topic: str
    payload: bytes
    receive_ns: int
    """Arrival [ns since the epoch]: by the daemon's wall clock; where a log took the message before it came here, by the log's,
    so that what is read late, or again, is as old as it was."""
    token: int = 0
    """The source's own handle for its acknowledgement; 0 when there is nothing to acknowledge. A message with one is never
    dropped for want of room."""
    stream: str = ""
    """What numbers it where it came from, such as a partition; empty where nothing does."""
    number: int = NO_SEQUENCE
    """Its number there: the event's sequence number, which ascends by one within a stream; without a stream, the packet
    identifier that the broker would send it with again. `NO_SEQUENCE` where it has neither."""
    part: int = 0
    """Its place among the messages of one event, which share a number."""
    parts: int = 1
    """How many messages that event holds."""
    repeated: bool = False
    """Whether the broker says that it may have sent this before."""


class JointSample(msgspec.Struct, gc=False):
    """One decoded joint message: positions [rad or m] of one robot at one instant."""

    stamp_ns: int
    """Device stamp [ns]; `NO_STAMP` when the message carries none."""
    names: tuple[str, ...] | None
    """Joint names in the order of the arrays; None means the discovered joint order."""
    position: list[float]
    velocity: list[float]
    """Joint velocities [rad/s or m/s]; empty when not given."""
    effort: list[float]
    """Joint efforts [N m or N]; empty when not given."""
    sequence: int = NO_SEQUENCE
    """Sequence number of the message; `NO_SEQUENCE` when it carries none."""


class PoseSample(msgspec.Struct, gc=False):
    """One decoded pose message: a body in the world at one instant."""

    stamp_ns: int
    """Device stamp [ns]; `NO_STAMP` when the message carries none."""
    position: Triple
    """World position [m]."""
    orientation: tuple[float, float, float, float]
    """Body-to-world Hamilton quaternion (w, x, y, z), as sent: not normalised, its sign free."""
    position_var: Triple | None = None
    """Variances of the position [m^2], None when the message states none."""
    rotation_var: Triple | None = None
    """Variances of the rotation vector [rad^2], None when the message states none."""
    sequence: int = NO_SEQUENCE


class TwistSample(msgspec.Struct, gc=False):
    """One decoded velocity of a body at one instant."""

    stamp_ns: int
    linear: Triple
    """[m/s]"""
    angular: Triple
    """[rad/s]"""
    in_world: bool = False
    """Whether the axes are those of the world; else those of the body."""
    linear_var: Triple | None = None
    """[m^2/s^2]; None when the message states none."""
    angular_var: Triple | None = None
    """[rad^2/s^2]; None when the message states none."""
    sequence: int = NO_SEQUENCE


class OdometrySample(msgspec.Struct, gc=False):
    """One decoded odometry: the pose of a body, and its velocity along its own axes, at one instant."""

    pose: PoseSample
    twist: TwistSample


class ImuSample(msgspec.Struct, gc=False):
    """One decoded reading of an inertial sensor, along the axes of the body."""

    stamp_ns: int
    angular_velocity: Triple
    """[rad/s]"""
    linear_acceleration: Triple
    """Specific force [m/s^2]: +9.81 upwards at rest."""
    orientation: tuple[float, float, float, float] | None = None
    """Body-to-world Hamilton quaternion (w, x, y, z) as the sensor estimated it; None when not given."""
    angular_velocity_var: Triple | None = None
    """[rad^2/s^2]; None when the message states none."""
    sequence: int = NO_SEQUENCE


class ClockSample(msgspec.Struct, gc=False):
    """What a device says of its clock, measured both ways."""

    stamp_ns: int
    """Device's clock when it was measured [ns]; `NO_STAMP` when it does not say."""
    offset_ns: int
    """Daemon's clock less the device's [ns]."""
    error_ns: float
    """Bound on the error of that [ns]."""
    topics: tuple[str, ...] | None
    """Topics whose stamps that clock makes; None for all that are about the entity, of the same source."""


class EventSample(msgspec.Struct, gc=False):
    """What happened to an entity, beside what can be measured."""

    stamp_ns: int
    """When, by the device's clock [ns]; `NO_STAMP` when it does not say."""
    name: str
    """What; empty when the topic says it."""
    detail: bytes
    """All that was reported, as a JSON object."""


class PackedJoints(msgspec.Struct, gc=False):
    """Positions of J joints of one robot at N instants."""

    stamp_ns: NDArray[np.int64]
    """(N,) device stamps [ns]; all `NO_STAMP` when the message carries none."""
    position: NDArray[np.float64]
    """(N, J) [rad or m]."""
    velocity: NDArray[np.float64] | None
    """(N, J) [rad/s or m/s]; NaN where a joint has none. None when not given."""
    effort: NDArray[np.float64] | None
    """(N, J) [N m or N]; NaN where a joint has none. None when not given."""
    names: tuple[str, ...] | None
    """(J,) joint names; None means the discovered joint order."""
    names_hash: int
    """What `names_hash` gives for the names that the sender means; 0 when it leaves that open."""
    sequence: int
    """Sequence number of the first instant, each next one more; `NO_SEQUENCE` when there is none."""


class PackedPoses(msgspec.Struct, gc=False):
    """Poses of B bodies at N instants."""

    stamp_ns: NDArray[np.int64]
    """(N,) device stamps [ns]; all `NO_STAMP` when the message carries none."""
    position: NDArray[np.float64]
    """(N, B, 3) world positions [m]."""
    orientation: NDArray[np.float64]
    """(N, B, 4) body-to-world Hamilton quaternions (w, x, y, z), as sent."""
    names: tuple[str, ...] | None
    """(B,) entity ids; None: the entity of the topic, and B is 1."""
    sequence: int
    """Sequence number of the first instant, each next one more; `NO_SEQUENCE` when there is none."""
