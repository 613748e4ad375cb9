"""Device stamps as robots write them, turned into nanoseconds since the Unix epoch."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec

from twind.model.errors import RefusedInput
from twind.model.messages import NO_SEQUENCE
from twind.model.refusals import Refusal
from twind.model.time import MAX_STAMP_NS, NO_STAMP, NS_PER_S

_FRACTION = re.compile(r"[.,](\d+)")


class RosTime(msgspec.Struct, gc=False):
    """`builtin_interfaces/Time` as JSON: of ROS 2 (`sec`, `nanosec`), ROS 1 (`secs`, `nsecs`) or Gazebo (`sec`, `nsec`)."""

    sec: int | None = None
    nanosec: int = 0
    secs: int | None = None
    nsecs: int = 0
    nsec: int = 0


class RosHeader(msgspec.Struct, gc=False):
    """`std_msgs/Header` as JSON where the frame is not used (poses are taken to be in the stage's world)."""

    stamp: RosTime | None = None
    seq: int | None = None
    """Of ROS 1; places messages that have no stamp."""


class FramedHeader(msgspec.Struct, gc=False):
    """`std_msgs/Header` where the frame matters."""

    stamp: RosTime | None = None
    seq: int | None = None
    frame_id: str = ""


AnyStamp = int | float | str | None
"""Integer nanoseconds, float seconds, or ISO 8601."""


def sequence_of(header: RosHeader | FramedHeader | None) -> int:
    """Return the sequence number of a header; `NO_SEQUENCE` where it has none that a column can hold."""
    if header is None or header.seq is None or not 0 <= header.seq <= MAX_STAMP_NS:
        return NO_SEQUENCE
    return header.seq


def stamp_ns(header: RosHeader | FramedHeader | None, stamp: AnyStamp, timestamp: AnyStamp) -> int:
    """Return the first stamp that is present: `header.stamp`, `stamp`, `timestamp`; `NO_STAMP` when none is.

    An all-zero stamp counts as missing: drivers send it when they have no clock.

    Raises:
        RefusedInput: The stamp cannot be read, or int64 nanoseconds cannot hold it.
    """
    if header is not None and header.stamp is not None:
        time = header.stamp
        seconds = time.secs if time.sec is None else time.sec
        if seconds is None:
            raise RefusedInput(Refusal.MISSING_FIELD, "header.stamp has neither `sec` nor `secs`")
        nanoseconds = time.nanosec + time.nsecs + time.nsec  # no writer has more than one of them
        if not 0 <= nanoseconds < NS_PER_S:
            raise RefusedInput(Refusal.BAD_STAMP, f"header.stamp has {nanoseconds} ns, not 0 to 999999999")
        found = seconds * NS_PER_S + nanoseconds
        return found if 0 < found <= MAX_STAMP_NS else _checked(found)
    value = timestamp if stamp is None else stamp
    if value is None:
        return NO_STAMP
    if isinstance(value, int):
        return _checked(value)
    if isinstance(value, float):
        if not abs(value) < MAX_STAMP_NS:  # also refuses NaN, and spares `round` an infinity
            raise RefusedInput(Refusal.BAD_STAMP, f"stamp {value} s is outside what int64 nanoseconds hold")
        return _checked(round(value * NS_PER_S))
    return _checked(_iso8601_ns(value))


def _checked(nanoseconds: int) -> int:
    if nanoseconds == 0:
        return NO_STAMP
    if not 0 < nanoseconds <= MAX_STAMP_NS:
        raise RefusedInput(Refusal.BAD_STAMP, f"stamp {nanoseconds} ns is outside the years 1970 to 2262")
    return nanoseconds


def _iso8601_ns(text: str) -> int:
    """Parse ISO 8601 to the nanosecond (`datetime` stops at microseconds). Without an offset it is UTC."""
    fraction = _FRACTION.search(text)
    try:
        moment = datetime.fromisoformat(_FRACTION.sub("", text, count=1))
        whole = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        seconds = (whole - datetime(1970, 1, 1, tzinfo=UTC)) // _SECOND
    except (ValueError, OverflowError) as error:
        raise RefusedInput(Refusal.BAD_STAMP, f"stamp {text[:40]!r} is not ISO 8601") from error
    return seconds * NS_PER_S + (int(fraction[1][:9].ljust(9, "0")) if fraction else 0)


_SECOND = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
