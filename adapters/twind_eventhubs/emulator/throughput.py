"""What a namespace lets through: nothing is limited unless throughput units are given.

A unit lets in 1 MB/s or 1,000 events/s, and out 2 MB/s or 4,096 events/s, whichever is reached first (Microsoft's quotas).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind_eventhubs.emulator.faults import server_busy

if TYPE_CHECKING:
    from collections.abc import Callable

_IN_BYTES, _IN_EVENTS = 1_000_000, 1_000
_OUT_BYTES, _OUT_EVENTS = 2_000_000, 4_096


class _Bucket:
    """Fills at a rate, and holds one second of it. May be overdrawn once, so that a large batch passes at all."""

    def __init__(self, rate: float, now: Callable[[], float]) -> None:
        self._rate = rate
        self._now = now
        self._level = rate
        self._seen_s = now()

    def level(self) -> float:
        """Return what may be taken."""
        now_s = self._now()
        self._level = min(self._rate, self._level + (now_s - self._seen_s) * self._rate)
        self._seen_s = now_s
        return self._level

    def take(self, amount: float) -> None:
        """Take, whether it is there or not."""
        self._level = self.level() - amount


class Throughput:
    """The limits of a namespace.

    Args:
        units: Throughput units; 0 for no limits.
        now: Monotonic time [s].
    """

    def __init__(self, units: int, *, now: Callable[[], float]) -> None:
        self._in = (_Bucket(units * _IN_BYTES, now), _Bucket(units * _IN_EVENTS, now)) if units else None
        self._out = (_Bucket(units * _OUT_BYTES, now), _Bucket(units * _OUT_EVENTS, now)) if units else None

    def let_in(self, *, events: int, size_bytes: int) -> None:
        """Count what is sent.

        Raises:
            AmqpError: It is too much.
        """
        if self._in is not None:
            of_bytes, of_events = self._in
            if of_bytes.level() <= 0 or of_events.level() <= 0:
                raise server_busy("more than the throughput units let in")
            of_bytes.take(size_bytes)
            of_events.take(events)

    def may_leave(self) -> bool:
        """Tell whether an event may be delivered now."""
        return self._out is None or all(bucket.level() > 0 for bucket in self._out)

    def left(self, size_bytes: int) -> None:
        """Count an event that was delivered."""
        if self._out is not None:
            of_bytes, of_events = self._out
            of_bytes.take(size_bytes)
            of_events.take(1)
