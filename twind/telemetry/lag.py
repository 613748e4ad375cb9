"""Measures how late the event loop runs, and names the code that holds it up."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING

from twind.telemetry.events import LoopStalled

if TYPE_CHECKING:
    from types import FrameType

    from twind.telemetry import Telemetry


class LoopLag:
    """Asks for a timer every `interval_s` and measures how late it comes.

    A task cannot see what blocks the loop it runs on, so a thread looks: when the heartbeat is older than `stall_s`, it notes
    where the loop's thread stands, and the stall is reported with that place once the loop moves again.
    """

    def __init__(self, telemetry: Telemetry, *, interval_s: float = 0.1, stall_s: float = 0.25) -> None:
        self._telemetry = telemetry
        self._interval_s = interval_s
        self._stall_s = stall_s
        self._place = ""
        self._beats = 0
        self.heartbeat_monotonic_s: float | None = None
        """The loop's time at the last beat (`time.monotonic()` on asyncio's own loops); None before the first."""

    async def run(self) -> None:
        """Measure for ever. Ends only by cancellation."""
        loop = asyncio.get_running_loop()
        stop = threading.Event()
        watcher = threading.Thread(target=self._watch, args=(stop, threading.get_ident()), name="twind-loop-watch", daemon=True)
        watcher.start()
        try:
            while True:
                asked_s = loop.time() + self._interval_s
                self._beat(loop.time())
                await asyncio.sleep(self._interval_s)
                self._measured(max(0.0, loop.time() - asked_s))
        finally:
            stop.set()
            watcher.join()

    def _beat(self, now_s: float) -> None:
        self._beats += 1
        self.heartbeat_monotonic_s = now_s

    def _measured(self, lag_s: float) -> None:
        self._telemetry.metrics.event_loop_lag_seconds.observe(lag_s)
        place, self._place = self._place, ""
        if lag_s >= self._stall_s:
            self._telemetry.emit(LoopStalled(seconds=round(lag_s, 3), where=place))

    def _watch(self, stop: threading.Event, loop_thread: int) -> None:
        seen = -1
        while not stop.wait(self._interval_s + self._stall_s):
            if self._beats == seen and not self._place:
                frame = sys._current_frames().get(loop_thread)  # noqa: SLF001  (the documented way to another thread's stack)
                self._place = _describe(frame)
            seen = self._beats


def _describe(frame: FrameType | None) -> str:
    """Return the innermost three places as `file:line function`, innermost first."""
    places: list[str] = []
    while frame is not None and len(places) < 3:  # noqa: PLR2004  (enough to see who called what)
        code = frame.f_code
        places.append(f"{'/'.join(code.co_filename.split('/')[-2:])}:{frame.f_lineno} {code.co_name}")
        frame = frame.f_back
    return " < ".join(places)
