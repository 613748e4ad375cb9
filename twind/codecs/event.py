"""`event`: JSON that says what happened to an entity, beside what can be measured: connected, emergency stop, tool changed.

    {"event": "tool_changed", "stamp": 1700000000000000000, "tool": "gripper-2"}

What happened may stand in the topic instead, where the route has the placeholder `{event}`: `cell/{entity}/events/{event}`. Any
JSON object will do then, also an empty payload. `stamp`, which may be left out, is as in the other codecs.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from twind.codecs.json_refusals import JSON_FAULTS, refusal_for
from twind.codecs.stamps import AnyStamp, RosHeader, stamp_ns
from twind.model.messages import EventSample


class _Event(msgspec.Struct, gc=False):
    event: str = ""
    header: RosHeader | None = None
    stamp: AnyStamp = None
    timestamp: AnyStamp = None


class EventCodec:
    """Decodes one report of something that happened."""

    name = "event"
    kind: Literal["event"] = "event"

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(_Event).decode

    def decode(self, payload: bytes, /) -> EventSample:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used.
        """
        detail = payload.strip() or b"{}"
        try:
            message = self._decode(detail)
        except JSON_FAULTS as error:
            raise refusal_for(payload, error) from error
        return EventSample(stamp_ns(message.header, message.stamp, message.timestamp), message.event, detail)
