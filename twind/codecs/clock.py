"""`clock`: JSON in which a device, or the gateway that stamps for it, tells how its clock stands, as measured both ways.

Either the four stamps of one exchange, as in NTP (RFC 5905, section 8), of a device that asks somebody who has the
daemon's clock:

    {"t1": 1700000000000000000, "t2": 1700000000004100000, "t3": 1700000000004150000, "t4": 1700000000008200000}

`t1` sent by the device and `t4` back at it, in the device's clock; `t2` received and `t3` answered, in the daemon's. Or what a
daemon such as chrony, ntpd or ptp4l says of the clock, where the reference is also what the daemon's host keeps to:

    {"stamp": 1700000000000000000, "offset_s": -0.000021, "error_s": 0.0003}

`offset_s` is the device's clock less the reference: above zero where the device is ahead, as `master offset` of ptp4l.
`error_s` bounds its error: half of chrony's root delay, and its root dispersion. `stamp`, which may be left out, is the
device's clock when it was measured. `topics` may name the topics whose stamps that clock makes; else it is all of the entity's
on the same source.

Stamps are integer nanoseconds, float seconds or ISO 8601.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from twind.codecs.json_codec import JsonCodec
from twind.codecs.stamps import AnyStamp, RosHeader, stamp_ns
from twind.model.errors import RefusedInput
from twind.model.messages import ClockSample
from twind.model.refusals import Refusal
from twind.model.time import NO_STAMP, NS_PER_S

_LARGEST_S = 4e9
_LEAST_ERROR_NS = 100.0
"""Nothing that reports in JSON knows a clock better [ns]."""


class _Clock(msgspec.Struct, gc=False):
    t1: AnyStamp = None
    t2: AnyStamp = None
    t3: AnyStamp = None
    t4: AnyStamp = None
    offset_s: float | None = None
    error_s: float | None = None
    header: RosHeader | None = None
    stamp: AnyStamp = None
    timestamp: AnyStamp = None
    topics: tuple[str, ...] | None = None


class ClockCodec(JsonCodec[_Clock, ClockSample]):
    """Decodes one report on a clock."""

    name = "clock"
    kind: Literal["clock"] = "clock"
    shape = _Clock

    def _sample(self, message: _Clock) -> ClockSample:
        if message.offset_s is None:
            return _of_exchange(message)
        offset_s, error_s = message.offset_s, message.error_s
        if error_s is None:
            raise RefusedInput(Refusal.MISSING_FIELD, "`error_s`, the bound on the error of `offset_s`, is missing")
        if not (abs(offset_s) <= _LARGEST_S and 0.0 < error_s <= _LARGEST_S):
            raise RefusedInput(Refusal.NOT_FINITE, f"an offset of {offset_s} s within {error_s} s cannot be")
        at = stamp_ns(message.header, message.stamp, message.timestamp)
        return ClockSample(at, -round(offset_s * NS_PER_S), max(error_s * NS_PER_S, _LEAST_ERROR_NS), message.topics)


def _of_exchange(message: _Clock) -> ClockSample:
    """Return the offset, and half the round trip as the bound on its error: all of the way may have been in one direction."""
    t1, t2, t3, t4 = (stamp_ns(None, value, None) for value in (message.t1, message.t2, message.t3, message.t4))
    if NO_STAMP in (t1, t2, t3, t4):
        raise RefusedInput(Refusal.MISSING_FIELD, "either `offset_s` and `error_s` or `t1`, `t2`, `t3` and `t4` are needed")
    under_way = (t4 - t1) - (t3 - t2)
    if t4 < t1 or t3 < t2 or under_way < 0:
        raise RefusedInput(Refusal.BAD_STAMP, "an answer came before it was sent, or was sent before the question came")
    offset = math.floor(((t2 - t1) + (t3 - t4)) / 2)
    return ClockSample(t4, offset, max(0.5 * under_way, _LEAST_ERROR_NS), message.topics)
