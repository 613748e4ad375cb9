"""`pose`: JSON in the shape of ROS `geometry_msgs/PoseStamped`, `PoseWithCovarianceStamped` or plain `Pose`.

    {"header": {"stamp": {"sec": 1700000000, "nanosec": 5000000}},
     "pose": {"position": {"x": 1, "y": 0, "z": 0}, "orientation": {"x": 0, "y": 0, "z": 0, "w": 1}}}

With covariance, `pose` holds `pose` as above and `covariance`, 36 numbers, row-major, (x, y, z, rotation about x, y, z). A
plain `Pose` has `position` and `orientation` at the top, and may have a `stamp` beside them; without one it is taken to be of
when it arrived. The pose is in the stage's world frame, in metres. Stamps as in `joint_state`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from twind.codecs.json_codec import JsonCodec
from twind.codecs.ros_geometry import Pose, Quaternion, Vector3, variances_of_pose
from twind.codecs.stamps import AnyStamp, RosHeader, sequence_of, stamp_ns
from twind.model.errors import RefusedInput
from twind.model.messages import PoseSample
from twind.model.refusals import Refusal


class _EitherPose(msgspec.Struct, gc=False):
    """`Pose` and `PoseWithCovariance` in one, for one decoding pass."""

    position: Vector3 | None = None
    orientation: Quaternion | None = None
    pose: Pose | None = None
    covariance: list[float] | None = None


class _PoseStamped(msgspec.Struct, gc=False):
    pose: _EitherPose | None = None
    position: Vector3 | None = None
    orientation: Quaternion | None = None
    header: RosHeader | None = None
    stamp: AnyStamp = None
    timestamp: AnyStamp = None


class PoseCodec(JsonCodec[_PoseStamped, PoseSample]):
    """Decodes one JSON pose."""

    name = "pose"
    kind: Literal["pose"] = "pose"
    shape = _PoseStamped

    def _sample(self, message: _PoseStamped) -> PoseSample:
        outer = message.pose
        position, orientation, covariance = message.position, message.orientation, None
        if outer is not None:
            inner = outer if outer.pose is None else outer.pose
            position, orientation, covariance = inner.position, inner.orientation, outer.covariance
        if position is None or orientation is None:
            raise RefusedInput(Refusal.MISSING_FIELD, "pose needs `position` and `orientation`")
        stamp = stamp_ns(message.header, message.stamp, message.timestamp)
        return pose_sample(stamp, position, orientation, covariance, sequence_of(message.header))


def pose_sample(
    stamp: int, position: Vector3, orientation: Quaternion, covariance: list[float] | None, sequence: int
) -> PoseSample:
    """Make a sample of a pose.

    Raises:
        RefusedInput: The orientation has no direction, or the covariance not 36 numbers.
    """
    if not orientation.has_direction:
        raise RefusedInput(Refusal.BAD_QUATERNION, "the orientation has no direction: its norm is zero")
    position_var, rotation_var = variances_of_pose(covariance, orientation)
    return PoseSample(stamp, position.numbers(), orientation.numbers(), position_var, rotation_var, sequence)
