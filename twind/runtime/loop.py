"""The event loop of the commands that move messages: uvloop, which takes a fifth off what an event of a hub costs."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

_POOL = 6
"""Threads for files and whatever else would hold the loop up."""


def run_on_loop(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, as `asyncio.run` does, on uvloop."""
    import uvloop  # 10 ms, which commands without a loop need not spend

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_default_executor(_pool())
        return runner.run(main)


def _pool() -> ThreadPoolExecutor:
    """Make a pool whose threads are all there from the start: what happens to a daemon does not add to its threads."""
    pool = ThreadPoolExecutor(_POOL, thread_name_prefix="twind-file")
    together = threading.Barrier(_POOL)
    for _ in range(_POOL):
        pool.submit(together.wait)
    return pool
