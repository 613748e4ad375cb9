"""`joint_state`: JSON in the shape of ROS `sensor_msgs/JointState`.

    {"header": {"stamp": {"sec": 1700000000, "nanosec": 5000000}},
     "name": ["joint_1", "joint_2"], "position": [0.1, 0.2], "velocity": [0, 0], "effort": []}

Instead of the header, `stamp` or `timestamp` may hold integer nanoseconds, float seconds or ISO 8601. `name` may be left out
when `position` is in the discovered joint order. Unknown fields are allowed; wrong types are not.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from twind.codecs.json_refusals import JSON_FAULTS, refusal_for
from twind.codecs.stamps import AnyStamp, RosHeader, stamp_ns
from twind.model.errors import RefusedInput
from twind.model.messages import JointSample
from twind.model.refusals import Refusal


class _JointState(msgspec.Struct, gc=False):
    position: list[float]
    header: RosHeader | None = None
    stamp: AnyStamp = None
    timestamp: AnyStamp = None
    name: tuple[str, ...] = ()
    velocity: list[float] = []
    effort: list[float] = []


class JointStateCodec:
    """Decodes one JSON joint state. Positions in rad or m, velocities per second, efforts in N m or N."""

    name = "joint_state"
    kind: Literal["joints"] = "joints"

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_JointState).decode

    def decode(self, payload: bytes, /) -> JointSample:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used.
        """
        try:
            message = self._decode(payload)
        except JSON_FAULTS as error:
            raise refusal_for(payload, error) from error
        names, position = message.name, message.position
        count = len(position)
        if names and len(names) != count:
            raise RefusedInput(Refusal.WRONG_LENGTH, f"{len(names)} names but {count} positions")
        if not position:
            raise RefusedInput(Refusal.WRONG_LENGTH, "no positions")
        if message.velocity and len(message.velocity) != count:
            raise RefusedInput(Refusal.WRONG_LENGTH, f"{len(message.velocity)} velocities but {count} positions")
        if message.effort and len(message.effort) != count:
            raise RefusedInput(Refusal.WRONG_LENGTH, f"{len(message.effort)} efforts but {count} positions")
        stamp = stamp_ns(message.header, message.stamp, message.timestamp)
        return JointSample(stamp, names or None, position, message.velocity, message.effort)
