"""Notices when the machine's wall clock is set: stamps are compared with it, so whoever wonders about them should know."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from twind.telemetry.events import WallClockSet

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind.telemetry import Telemetry

_NS_PER_S = 1_000_000_000
_TRIES = 3


class WallClock:
    """Compares the wall clock with the monotonic one, over and over.

    What NTP slews (500 ppm) is not noticed; a step is, and so is a machine that slept: the monotonic clock stands still then.

    Args:
        telemetry: Is told.
        interval_s: Time between two comparisons [s].
        step_s: Least step that is told [s].
        wall_ns: The wall clock [ns].
        monotonic_ns: The monotonic clock [ns].
    """

    def __init__(
        self,
        telemetry: Telemetry,
        *,
        interval_s: float = 1.0,
        step_s: float = 0.5,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._telemetry = telemetry
        self._interval_s = interval_s
        self._step_ns = int(step_s * _NS_PER_S)
        self._wall_ns = wall_ns
        self._monotonic_ns = monotonic_ns
        self._apart_ns = self._read()
        telemetry.declare(WallClockSet)

    async def run(self) -> None:
        """Compare for ever. Ends only by cancellation."""
        while True:
            await asyncio.sleep(self._interval_s)
            self.look()

    def look(self) -> None:
        """Compare once."""
        apart_ns = self._read()
        step_ns, self._apart_ns = apart_ns - self._apart_ns, apart_ns
        if abs(step_ns) >= self._step_ns:
            self._telemetry.emit(WallClockSet(seconds=round(step_ns / _NS_PER_S, 3)))

    def _read(self) -> int:
        """Return by how much the clocks are apart [ns], to a tenth of a step at least, however loaded the machine is."""
        best: tuple[int, int] | None = None
        for _ in range(_TRIES):
            before_ns, wall_ns, after_ns = self._monotonic_ns(), self._wall_ns(), self._monotonic_ns()
            took_ns = after_ns - before_ns
            if best is None or took_ns < best[0]:
                best = took_ns, wall_ns - before_ns - took_ns // 2
            if took_ns < self._step_ns // 10:
                break
        assert best is not None  # noqa: S101  (there was a try)
        return best[1]
