"""`twist`: JSON in the shape of ROS `geometry_msgs/TwistStamped`, `TwistWithCovarianceStamped` or plain `Twist`.

    {"header": {"stamp": {"sec": 1700000000, "nanosec": 5000000}, "frame_id": "base_link"},
     "twist": {"linear": {"x": 0.5, "y": 0, "z": 0}, "angular": {"x": 0, "y": 0, "z": 0.1}}}

With covariance, `twist` holds `twist` as above and `covariance`, 36 numbers, row-major. A plain `Twist` has `linear` and
`angular` at the top, and may have a `stamp` beside them. The axes are those of the body, unless `frame_id` is `world`, `map` or
`odom`. In m/s and rad/s. Stamps as in `joint_state`.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from twind.codecs.json_codec import JsonCodec
from twind.codecs.ros_geometry import Twist, Vector3, variances_of_six
from twind.codecs.stamps import AnyStamp, FramedHeader, sequence_of, stamp_ns
from twind.model.errors import RefusedInput
from twind.model.messages import TwistSample
from twind.model.refusals import Refusal

_WORLD_FRAMES = frozenset({"world", "map", "odom"})


class _EitherTwist(msgspec.Struct, gc=False):
    """`Twist` and `TwistWithCovariance` in one, for one decoding pass."""

    linear: Vector3 | None = None
    angular: Vector3 | None = None
    twist: Twist | None = None
    covariance: list[float] | None = None


class _TwistStamped(msgspec.Struct, gc=False):
    twist: _EitherTwist | None = None
    linear: Vector3 | None = None
    angular: Vector3 | None = None
    header: FramedHeader | None = None
    stamp: AnyStamp = None
    timestamp: AnyStamp = None


class TwistCodec(JsonCodec[_TwistStamped, TwistSample]):
    """Decodes one JSON twist."""

    name = "twist"
    kind: Literal["twist"] = "twist"
    shape = _TwistStamped

    def _sample(self, message: _TwistStamped) -> TwistSample:
        outer, header = message.twist, message.header
        linear, angular, covariance = message.linear, message.angular, None
        if outer is not None:
            inner = outer if outer.twist is None else outer.twist
            linear, angular, covariance = inner.linear, inner.angular, outer.covariance
        if linear is None or angular is None:
            raise RefusedInput(Refusal.MISSING_FIELD, "a twist needs `linear` and `angular`")
        linear_var, angular_var = variances_of_six(covariance)
        return TwistSample(
            stamp_ns(header, message.stamp, message.timestamp),
            linear.numbers(),
            angular.numbers(),
            header is not None and header.frame_id.strip("/") in _WORLD_FRAMES,
            linear_var,
            angular_var,
            sequence_of(header),
        )
