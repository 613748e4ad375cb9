"""Time as twind knows it: stamps are int64 nanoseconds since the Unix epoch; intervals come from the monotonic clock."""

from __future__ import annotations

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000

NO_STAMP = -(2**63)
"""Marks 'no stamp' in int64 columns, where None cannot stand."""

MAX_STAMP_NS = 2**63 - 1


def ms_to_ns(milliseconds: float) -> int:
    """Convert milliseconds to whole nanoseconds."""
    return round(milliseconds * NS_PER_MS)


def s_to_ns(seconds: float) -> int:
    """Convert seconds to whole nanoseconds."""
    return round(seconds * NS_PER_S)
