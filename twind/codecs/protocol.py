"""What a codec is. It may remember names, but no more: the same bytes always give the same sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from twind.model.messages import (
        ClockSample,
        EventSample,
        ImuSample,
        JointSample,
        OdometrySample,
        PackedJoints,
        PackedPoses,
        PoseSample,
        TwistSample,
    )


class JointCodec(Protocol):
    """Turns one payload into the joint positions of one robot."""

    name: str
    """The word used in the configuration."""
    kind: Literal["joints"]

    def decode(self, payload: bytes, /) -> JointSample:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used; nothing else is ever raised, whatever the bytes.
        """


class PoseCodec(Protocol):
    """Turns one payload into the pose of one body."""

    name: str
    """The word used in the configuration."""
    kind: Literal["pose"]

    def decode(self, payload: bytes, /) -> PoseSample:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used; nothing else is ever raised, whatever the bytes.
        """


class TwistCodec(Protocol):
    """Turns one payload into the velocity of one body."""

    name: str
    """The word used in the configuration."""
    kind: Literal["twist"]

    def decode(self, payload: bytes, /) -> TwistSample:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used; nothing else is ever raised, whatever the bytes.
        """


class OdometryCodec(Protocol):
    """Turns one payload into the pose and the velocity of one body."""

    name: str
    """The word used in the configuration."""
    kind: Literal["odometry"]

    def decode(self, payload: bytes, /) -> OdometrySample:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used; nothing else is ever raised, whatever the bytes.
        """


class ImuCodec(Protocol):
    """Turns one payload into a reading of the inertial sensor of one body."""

    name: str
    """The word used in the configuration."""
    kind: Literal["imu"]

    def decode(self, payload: bytes, /) -> ImuSample:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used; nothing else is ever raised, whatever the bytes.
        """


class PackedCodec(Protocol):
    """Turns one payload into many instants of joints of one robot, or of poses of bodies."""

    name: str
    """The word used in the configuration."""
    kind: Literal["packed"]

    def decode(self, payload: bytes, /) -> PackedJoints | PackedPoses:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used; nothing else is ever raised, whatever the bytes.
        """


class ClockCodec(Protocol):
    """Turns one payload into what a device says of its clock."""

    name: str
    """The word used in the configuration."""
    kind: Literal["clock"]

    def decode(self, payload: bytes, /) -> ClockSample:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used; nothing else is ever raised, whatever the bytes.
        """


class EventCodec(Protocol):
    """Turns one payload into what happened to an entity."""

    name: str
    """The word used in the configuration."""
    kind: Literal["event"]

    def decode(self, payload: bytes, /) -> EventSample:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used; nothing else is ever raised, whatever the bytes.
        """


Codec = JointCodec | PoseCodec | TwistCodec | OdometryCodec | ImuCodec | PackedCodec | ClockCodec | EventCodec
