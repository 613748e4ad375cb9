"""Runs a coroutine the strict way: no task may outlive it; on request in virtual time, where waiting takes no time."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

Result = TypeVar("Result")


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits for a timer: when nothing else is ready, the clock jumps to it."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self.now_s += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time starts at 0 and passes only by waiting, exactly and at once.

    Only for code that waits for its own timers and tasks: while a thread or a peer works, time jumps ahead of it.
    """

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Return the virtual time [s]."""
        return self._jumping.now_s

    def pass_time(self, seconds: float) -> None:
        """Let time pass while the caller holds up the loop."""
        self._jumping.now_s += seconds


def run(main: Coroutine[Any, Any, Result], *, virtual_time: bool = False) -> Result:
    """Run `main` to its end and return its result.

    Raises:
        AssertionError: A task is left over.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop if virtual_time else None) as runner:
        result = runner.run(main)
        leaked = asyncio.all_tasks(runner.get_loop())
        if leaked:
            raise AssertionError(f"tasks are left over: {sorted(task.get_name() for task in leaked)}")
        return result
