"""Work in threads that nobody waits for once it is of no use: a compiler cannot be stopped, and a stop does not wait for it."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_NAME = "twind unwaited"


async def unwaited(work: Callable[[], T]) -> T:
    """Do work in a thread of its own; when the caller is cancelled it goes on, and whoever ends the process lets it.

    For work that leaves nothing half done, whenever it ends.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)  # type: ignore[arg-type]
        else:
            done.set_exception(error)

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  (the caller gets it)
            failure = error
        with suppress(RuntimeError):  # the loop is closed: nobody wants to know any more
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name=_NAME, daemon=True).start()
    return await done


def any_left() -> bool:
    """Whether such work goes on: then the process has to end beneath it, as an interpreter cannot be taken apart meanwhile."""
    return any(thread.name == _NAME for thread in threading.enumerate())
