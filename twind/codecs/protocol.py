"""What a codec is. It may remember names, but no more: the same bytes always give the same sample."""

from __future__ import annotations

from typing import Literal, Protocol, TypeVar

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

S_co = TypeVar("S_co", covariant=True)


class Decoder(Protocol[S_co]):
    """What all codecs have."""

    name: str
    """The word used in the configuration."""

    def decode(self, payload: bytes, /) -> S_co:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used; nothing else is ever raised, whatever the bytes.
        """


class JointCodec(Decoder[JointSample], Protocol):
    """Turns one payload into the joint positions of one robot."""

    kind: Literal["joints"]


class PoseCodec(Decoder[PoseSample], Protocol):
    """Turns one payload into the pose of one body."""

    kind: Literal["pose"]


class TwistCodec(Decoder[TwistSample], Protocol):
    """Turns one payload into the velocity of one body."""

    kind: Literal["twist"]


class OdometryCodec(Decoder[OdometrySample], Protocol):
    """Turns one payload into the pose and the velocity of one body."""

    kind: Literal["odometry"]


class ImuCodec(Decoder[ImuSample], Protocol):
    """Turns one payload into a reading of the inertial sensor of one body."""

    kind: Literal["imu"]


class PackedCodec(Decoder[PackedJoints | PackedPoses], Protocol):
    """Turns one payload into many instants of joints of one robot, or of poses of bodies."""

    kind: Literal["packed"]


class ClockCodec(Decoder[ClockSample], Protocol):
    """Turns one payload into what a device says of its clock."""

    kind: Literal["clock"]


class EventCodec(Decoder[EventSample], Protocol):
    """Turns one payload into what happened to an entity."""

    kind: Literal["event"]


Codec = JointCodec | PoseCodec | TwistCodec | OdometryCodec | ImuCodec | PackedCodec | ClockCodec | EventCodec
