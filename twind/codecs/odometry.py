"""`odometry`: JSON in the shape of ROS `nav_msgs/Odometry`.

    {"header": {"stamp": {"sec": 1700000000, "nanosec": 5000000}}, "child_frame_id": "base_link",
     "pose": {"pose": {"position": {"x": 1, "y": 0, "z": 0}, "orientation": {"x": 0, "y": 0, "z": 0, "w": 1}},
              "covariance": [36 numbers]},
     "twist": {"twist": {"linear": {"x": 0.5, "y": 0, "z": 0}, "angular": {"x": 0, "y": 0, "z": 0.1}},
               "covariance": [36 numbers]}}

The pose is in the stage's world frame, the twist along the axes of the body (the child frame). The covariances may be left out.
Stamps as in `joint_state`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from twind.codecs.json_codec import JsonCodec
from twind.codecs.pose import pose_sample
from twind.codecs.ros_geometry import Pose, Twist, variances_of_six
from twind.codecs.stamps import AnyStamp, RosHeader, sequence_of, stamp_ns
from twind.model.messages import OdometrySample, TwistSample


class _PoseWithCovariance(msgspec.Struct, gc=False):
    pose: Pose
    covariance: list[float] | None = None


class _TwistWithCovariance(msgspec.Struct, gc=False):
    twist: Twist
    covariance: list[float] | None = None


class _Odometry(msgspec.Struct, gc=False):
    pose: _PoseWithCovariance
    twist: _TwistWithCovariance
    header: RosHeader | None = None
    stamp: AnyStamp = None
    timestamp: AnyStamp = None


class OdometryCodec(JsonCodec[_Odometry, OdometrySample]):
    """Decodes one JSON odometry."""

    name = "odometry"
    kind: Literal["odometry"] = "odometry"
    shape = _Odometry

    def _sample(self, message: _Odometry) -> OdometrySample:
        stamp, sequence = stamp_ns(message.header, message.stamp, message.timestamp), sequence_of(message.header)
        pose, twist = message.pose, message.twist
        linear_var, angular_var = variances_of_six(twist.covariance)
        return OdometrySample(
            pose_sample(stamp, pose.pose.position, pose.pose.orientation, pose.covariance, sequence),
            TwistSample(
                stamp,
                twist.twist.linear.numbers(),
                twist.twist.angular.numbers(),
                linear_var=linear_var,
                angular_var=angular_var,
                sequence=sequence,
            ),
        )
