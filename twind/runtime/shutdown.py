"""SIGTERM and SIGINT: the first begins the drain, under one deadline shared by all steps; a second one exits at once."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from twind.telemetry.events import DrainStepFailed, DrainWaiting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence
    from types import FrameType

    from twind.telemetry import Telemetry

_SIGNALS = (signal.SIGTERM, signal.SIGINT)
_LAST_RESORT_S = 5.0
_UNWIND_S = 0.5


@dataclass(frozen=True, slots=True)
class Step:
    """One part of the drain."""

    name: str
    run: Callable[[], Awaitable[object]]
    reserve_s: float = 0.0
    """Time before the deadline that earlier steps must leave to this one [s]; what closes files should have some."""


class Shutdown:
    """When and why the daemon stops, and with which exit code."""

    def __init__(
        self,
        telemetry: Telemetry,
        *,
        deadline_s: float,
        report_s: float = 5.0,
        exit_now: Callable[[int], NoReturn] = os._exit,
    ) -> None:
        self._telemetry = telemetry
        self._deadline_s = deadline_s
        self._report_s = report_s
        self._exit_now = exit_now
        self._requested = asyncio.Event()
        self.reason = ""
        """Why the daemon stops; empty while it runs."""
        self.exit_code = 0
        """0 when everything ended as it should."""
        self.unfinished: list[str] = []
        """Steps that failed or that the deadline cut off."""

    @property
    def requested(self) -> bool:
        """Whether the daemon is stopping."""
        return self._requested.is_set()

    def request(self, reason: str, *, exit_code: int = 0) -> None:
        """Ask the daemon to stop. The first reason counts; the worst exit code does."""
        self.exit_code = max(self.exit_code, exit_code)
        if not self.requested:
            self.reason = reason
            self._requested.set()

    async def wait(self) -> str:
        """Wait until the daemon is asked to stop; return why."""
        await self._requested.wait()
        return self.reason

    @contextmanager
    def signals(self) -> Iterator[None]:
        """Handle SIGTERM and SIGINT inside the block; must be entered on the main thread with the loop running."""
        loop = asyncio.get_running_loop()
        received: list[int] = []

        def handle(number: int, _frame: FrameType | None) -> None:
            # Not loop.add_signal_handler: the second signal must work although the loop is stuck.
            received.append(number)
            if len(received) > 1 or loop.is_closed():
                self._telemetry.flush(0.5)
                self._exit_now(128 + number)
            loop.call_soon_threadsafe(self.request, signal.Signals(number).name)

        before = {number: signal.signal(number, handle) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def drain(self, steps: Sequence[Step]) -> int:
        """Run the steps one after the other under the one deadline, and return the exit code.

        A step that fails or does not end in time is named in `unfinished` and makes the code 1; the next one runs all the same.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._deadline_s
        with self._last_resort():
            for index, step in enumerate(steps):
                later = steps[index + 1 :]
                cut = deadline - sum(other.reserve_s for other in later)
                error = await self._run(step, later, cut=cut, deadline=deadline)
                if error:
                    self.unfinished.append(step.name)
                    self.exit_code = max(self.exit_code, 1)
                    self._telemetry.emit(DrainStepFailed(step=step.name, error=error))
        return self.exit_code

    async def _run(self, step: Step, later: Sequence[Step], *, cut: float, deadline: float) -> str:
        """Run one step; return what went wrong, or nothing."""
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(_as_coroutine(step), name=f"drain {step.name}")
        remaining = ", ".join([step.name, *[other.name for other in later]])
        try:
            report = loop.time() + self._report_s
            while not task.done() and loop.time() < cut:
                await asyncio.wait({task}, timeout=max(0.0, min(report, cut) - loop.time()))
                if not task.done() and loop.time() >= report:
                    report += self._report_s
                    left_s = round(max(0.0, deadline - loop.time()), 1)
                    self._telemetry.emit(DrainWaiting(remaining=remaining, seconds_left=left_s))
        finally:
            late = not task.done()
            task.cancel()
            if late:  # let it clean up, but not for long: it may ignore the cancellation
                await asyncio.wait({task}, timeout=_UNWIND_S)
        if late:
            return f"cut off at the deadline of {self._deadline_s:g} s"
        failure = None if task.cancelled() else task.exception()
        if task.cancelled():
            return "was cancelled from within"
        return f"{type(failure).__name__}: {failure}" if failure else ""

    @contextmanager
    def _last_resort(self) -> Iterator[None]:
        """End the process even when the drain itself hangs, for example in a blocked call on the loop."""

        def give_up() -> None:
            self._telemetry.flush(0.5)
            self._exit_now(1)

        timer = threading.Timer(self._deadline_s + _LAST_RESORT_S, give_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()


async def _as_coroutine(step: Step) -> None:
    await step.run()
