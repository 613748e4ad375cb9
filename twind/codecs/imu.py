"""`imu`: JSON in the shape of ROS `sensor_msgs/Imu`.

    {"header": {"stamp": {"sec": 1700000000, "nanosec": 5000000}},
     "orientation": {"x": 0, "y": 0, "z": 0, "w": 1}, "orientation_covariance": [9 numbers],
     "angular_velocity": {"x": 0, "y": 0, "z": 0.1}, "angular_velocity_covariance": [9 numbers],
     "linear_acceleration": {"x": 0, "y": 0, "z": 9.81}, "linear_acceleration_covariance": [9 numbers]}

As in REP 145, the first number of a covariance is -1 where the sensor does not give that quantity. Only `orientation` may be
missing: left out, with -1, or all zeros. Along the axes of the body; an
accelerometer at rest shows +9.81 m/s^2 upwards. Stamps as in `joint_state`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from twind.codecs.json_codec import JsonCodec
from twind.codecs.ros_geometry import Quaternion, Vector3, variances_of_three
from twind.codecs.stamps import AnyStamp, RosHeader, sequence_of, stamp_ns
from twind.model.errors import RefusedInput
from twind.model.messages import ImuSample
from twind.model.refusals import Refusal


class _Imu(msgspec.Struct, gc=False):
    angular_velocity: Vector3
    linear_acceleration: Vector3
    orientation: Quaternion | None = None
    orientation_covariance: list[float] | None = None
    angular_velocity_covariance: list[float] | None = None
    linear_acceleration_covariance: list[float] | None = None
    header: RosHeader | None = None
    stamp: AnyStamp = None
    timestamp: AnyStamp = None


class ImuCodec(JsonCodec[_Imu, ImuSample]):
    """Decodes one JSON reading of an inertial sensor."""

    name = "imu"
    kind: Literal["imu"] = "imu"
    shape = _Imu

    def _sample(self, message: _Imu) -> ImuSample:
        rate_var = variances_of_three(message.angular_velocity_covariance, "angular_velocity_covariance")
        variances_of_three(message.orientation_covariance, "orientation_covariance")
        variances_of_three(message.linear_acceleration_covariance, "linear_acceleration_covariance")
        if _is_absent(message.angular_velocity_covariance) or _is_absent(message.linear_acceleration_covariance):
            raise RefusedInput(Refusal.MISSING_FIELD, "a covariance of -1 says that a velocity or an acceleration is not given")
        turn = message.orientation
        if turn is not None and (_is_absent(message.orientation_covariance) or not turn.has_direction):
            turn = None
        return ImuSample(
            stamp_ns(message.header, message.stamp, message.timestamp),
            message.angular_velocity.numbers(),
            message.linear_acceleration.numbers(),
            None if turn is None else turn.numbers(),
            rate_var,
            sequence_of(message.header),
        )


def _is_absent(covariance: list[float] | None) -> bool:
    return covariance is not None and covariance[0] == -1.0
