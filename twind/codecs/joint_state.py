"""`joint_state`: JSON in the shape of ROS `sensor_msgs/JointState`.

    {"header": {"stamp": {"sec": 1700000000, "nanosec": 5000000}},
     "name": ["joint_1", "joint_2"], "position": [0.1, 0.2], "velocity": [0, 0], "effort": []}

Instead of the header, `stamp` or `timestamp` may hold integer nanoseconds, float seconds or ISO 8601. `name` may be left out
when `position` is in the discovered joint order. A velocity or effort may be `null` or `NaN` for a joint that has none, as
ros2_control writes it. Unknown fields are allowed; wrong types are not.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from twind.codecs.json_refusals import JSON_FAULTS, refusal_for, with_nulls
from twind.codecs.stamps import AnyStamp, RosHeader, sequence_of, stamp_ns
from twind.model.errors import RefusedInput
from twind.model.messages import NO_SEQUENCE, JointSample
from twind.model.refusals import Refusal


class _JointState(msgspec.Struct, gc=False):
    position: list[float]
    header: RosHeader | None = None
    stamp: AnyStamp = None
    timestamp: AnyStamp = None
    name: msgspec.Raw = msgspec.Raw(b"[]")
    velocity: list[float] = []
    effort: list[float] = []


class _WithHoles(msgspec.Struct, gc=False):
    velocity: list[float | None] | None = None
    effort: list[float | None] | None = None


class _Names(msgspec.Struct):
    name: tuple[str, ...]


_NAMES_BEGIN, _NAMES_END = b'{"name":', b"}"
"""Around the names when they are decoded alone, so that what is wrong with them is said as for the whole message."""
_LONGEST_REMEMBERED = 4096
"""Bytes of JSON; longer lists of names are decoded each time."""
_MOST_REMEMBERED = 256


class JointStateCodec:
    """Decodes one JSON joint state. Positions in rad or m, velocities per second, efforts in N m or N."""

    name = "joint_state"
    kind: Literal["joints"] = "joints"

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_JointState).decode
        self._decode_holes = msgspec.json.Decoder(_WithHoles).decode
        self._decode_document = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
        self._decode_names = msgspec.json.Decoder(_Names).decode
        self._known_names: dict[bytes, tuple[str, ...]] = {}

    def decode(self, payload: bytes, /) -> JointSample:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used.
        """
        try:
            try:
                message = self._decode(payload)
            except JSON_FAULTS:
                message = self._message(payload)
            text = bytes(message.name)
            names = self._known_names.get(text) or self._names(text)
        except JSON_FAULTS as error:
            raise refusal_for(payload, error) from error
        position, velocity, effort, header = message.position, message.velocity, message.effort, message.header
        count = len(position)
        if names and len(names) != count:
            raise RefusedInput(Refusal.WRONG_LENGTH, f"{len(names)} names but {count} positions")
        if not position:
            raise RefusedInput(Refusal.WRONG_LENGTH, "no positions")
        if velocity and len(velocity) != count:
            raise RefusedInput(Refusal.WRONG_LENGTH, f"{len(velocity)} velocities but {count} positions")
        if effort and len(effort) != count:
            raise RefusedInput(Refusal.WRONG_LENGTH, f"{len(effort)} efforts but {count} positions")
        stamp = stamp_ns(header, message.stamp, message.timestamp)
        sequence = NO_SEQUENCE if header is None or header.seq is None else sequence_of(header)
        return JointSample(stamp, names or None, position, velocity, effort, sequence)

    def _message(self, payload: bytes) -> _JointState:
        """Decode a message that could not be, with NaN for the velocities and efforts that are not there."""
        try:
            text = with_nulls(payload)
            holes, document = self._decode_holes(text), self._decode_document(text)
            message = self._decode(msgspec.json.encode({**document, "velocity": [], "effort": []}))
        except JSON_FAULTS:
            return self._decode(payload)  # which says what is wrong with it as it came
        message.velocity, message.effort = _filled(holes.velocity), _filled(holes.effort)
        return message

    def _names(self, text: bytes) -> tuple[str, ...]:
        """Decode names, and remember them: a robot sends the same ones each time, and strings cost more than numbers."""
        names = self._decode_names(_NAMES_BEGIN + text + _NAMES_END).name
        if len(text) <= _LONGEST_REMEMBERED:
            if len(self._known_names) >= _MOST_REMEMBERED:
                self._known_names.clear()
            self._known_names[text] = names
        return names


def _filled(values: list[float | None] | None) -> list[float]:
    return [math.nan if value is None else value for value in values or ()]
