"""The emulator in a thread of its own: for tests that block, and for those whose loop must not share its time."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from twind_eventhubs.emulator.server import Emulator

T = TypeVar("T")


class EmulatorThread:
    """Runs an emulator in a thread. A context manager.

    Args:
        make: Makes the emulator.
    """

    def __init__(self, make: Callable[[], Emulator]) -> None:
        self._make = make
        self._started: Future[tuple[Emulator, asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="eventhubs-emulator", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._started.result()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        _, loop, ended = self._started.result()
        loop.call_soon_threadsafe(ended.set)
        self._thread.join()

    async def _run(self) -> None:
        ended = asyncio.Event()
        try:
            async with self._make() as emulator:
                self._started.set_result((emulator, asyncio.get_running_loop(), ended))
                await ended.wait()
        except OSError as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    @property
    def connection_string(self) -> str:
        """What clients are given. Contains the key."""
        return self._started.result()[0].connection_string

    @property
    def port(self) -> int:
        """TCP port."""
        return self._started.result()[0].port

    def do(self, action: Callable[[Emulator], T]) -> T:
        """Do something to the emulator in its thread, and return what it returns: `do(lambda e: e.disconnect())`."""
        emulator, loop, _ = self._started.result()
        done: Future[T] = Future()

        def run() -> None:
            try:
                done.set_result(action(emulator))
            except Exception as error:  # noqa: BLE001  (handed to the caller)
                done.set_exception(error)

        loop.call_soon_threadsafe(run)
        return done.result()
