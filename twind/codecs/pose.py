"""`pose`: JSON in the shape of ROS `geometry_msgs/PoseStamped` or `PoseWithCovarianceStamped`.

    {"header": {"stamp": {"sec": 1700000000, "nanosec": 5000000}},
     "pose": {"position": {"x": 1, "y": 0, "z": 0}, "orientation": {"x": 0, "y": 0, "z": 0, "w": 1}}}

With covariance, `pose` holds `pose` as above and `covariance`, 36 numbers, row-major, (x, y, z, rotation about x, y, z). The
pose is in the stage's world frame, in metres. Stamps as in `joint_state`.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from twind.codecs.json_refusals import JSON_FAULTS, refusal_for
from twind.codecs.stamps import AnyStamp, RosHeader, stamp_ns
from twind.model.errors import RefusedInput
from twind.model.messages import PoseSample
from twind.model.refusals import Refusal

_SMALLEST_NORM = 1e-6
_COVARIANCE_LENGTH = 36
_ROW = 7
"""Distance between two elements of the diagonal of a row-major 6 x 6 matrix."""


class _Point(msgspec.Struct, gc=False):
    x: float
    y: float
    z: float


class _Quaternion(msgspec.Struct, gc=False):
    x: float
    y: float
    z: float
    w: float


class _Pose(msgspec.Struct, gc=False):
    position: _Point
    orientation: _Quaternion


class _EitherPose(msgspec.Struct, gc=False):
    """`Pose` and `PoseWithCovariance` in one, for one decoding pass."""

    position: _Point | None = None
    orientation: _Quaternion | None = None
    pose: _Pose | None = None
    covariance: list[float] | None = None


class _PoseStamped(msgspec.Struct, gc=False):
    pose: _EitherPose
    header: RosHeader | None = None
    stamp: AnyStamp = None
    timestamp: AnyStamp = None


class PoseCodec:
    """Decodes one JSON pose."""

    name = "pose"
    kind: Literal["pose"] = "pose"

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_PoseStamped).decode

    def decode(self, payload: bytes, /) -> PoseSample:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used.
        """
        try:
            message = self._decode(payload)
        except JSON_FAULTS as error:
            raise refusal_for(payload, error) from error
        outer = message.pose
        position, orientation = outer.position, outer.orientation
        if outer.pose is not None:
            position, orientation = outer.pose.position, outer.pose.orientation
        if position is None or orientation is None:
            raise RefusedInput(Refusal.MISSING_FIELD, "pose needs `position` and `orientation`")
        quaternion = (orientation.w, orientation.x, orientation.y, orientation.z)
        if not math.hypot(*quaternion) > _SMALLEST_NORM:
            raise RefusedInput(Refusal.BAD_QUATERNION, "the orientation has no direction: its norm is zero")
        sample = PoseSample(
            stamp_ns(message.header, message.stamp, message.timestamp), (position.x, position.y, position.z), quaternion
        )
        if outer.covariance is not None:
            _add_variances(sample, outer.covariance)
        return sample


def _add_variances(sample: PoseSample, covariance: list[float]) -> None:
    """Take the diagonal where it is stated; ROS drivers leave zeros where they do not know."""
    if len(covariance) != _COVARIANCE_LENGTH:
        raise RefusedInput(Refusal.WRONG_LENGTH, f"covariance has {len(covariance)} numbers, not 36")
    x, y, z, roll, pitch, yaw = covariance[::_ROW]
    if min(x, y, z) > 0:
        sample.position_var = (x, y, z)
    if min(roll, pitch, yaw) > 0:
        sample.rotation_var = (roll, pitch, yaw)
