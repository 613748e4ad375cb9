"""One thread owns all of pxr."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twind.stage.live import LiveStage
from twind.stage.synthetic import random_update, serial_robots
from twind.stage.thread import StageThread

if TYPE_CHECKING:
    from collections.abc import Callable


def test_calls_run_in_order_on_one_thread_that_is_not_the_loops(run: Callable[..., Any]) -> None:
    async def scenario() -> list[tuple[int, str]]:
        seen = []
        async with StageThread() as thread:
            await asyncio.gather(
                *(thread.call(lambda at=at: seen.append((at, threading.current_thread().name))) for at in range(20))
            )
        return seen

    seen = run(scenario())
    assert [at for at, _ in seen] == list(range(20))
    (name,) = {name for _, name in seen}
    assert name.startswith("twind-stage")


def test_result_and_error_come_back_to_the_caller(run: Callable[..., Any]) -> None:
    async def scenario() -> None:
        async with StageThread() as thread:
            assert await thread.call(divmod, 7, 2) == (3, 1)
            with pytest.raises(ZeroDivisionError):
                await thread.call(divmod, 7, 0)

    run(scenario())


def test_live_stage_is_written_and_read_through_the_thread(run: Callable[..., Any]) -> None:
    async def scenario() -> int:
        async with StageThread() as thread:
            live = await thread.call(lambda: LiveStage.over(serial_robots(1), instance="t"))
            update = random_update(live.topology, seq=9, rng=np.random.default_rng(0))
            assert await thread.call(live.write, update) > 0
            reading = await thread.call(live.read_back, "robot_0")
            await thread.call(live.close)
            return reading.seq

    assert run(scenario()) == 9


def test_closing_joins_the_thread_and_later_calls_are_refused(run: Callable[..., Any]) -> None:
    async def scenario() -> None:
        thread = StageThread()
        worker = await thread.call(threading.current_thread)
        await thread.aclose()
        await thread.aclose()
        assert not worker.is_alive()
        assert repr(thread) == "<StageThread closed>"
        with pytest.raises(RuntimeError):
            await thread.call(int)

    run(scenario())


def test_thread_that_is_left_open_warns() -> None:
    threads = [StageThread()]
    with pytest.warns(ResourceWarning, match="not closed"):
        threads.clear()
