"""One thread owns all of pxr: every call into the stage goes through here."""

from __future__ import annotations

import asyncio
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

P = ParamSpec("P")
T = TypeVar("T")


class StageThread:
    """A single worker thread; calls run one after the other, in the order in which they were made."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="twind-stage")
        self._closed = False

    def __repr__(self) -> str:
        """Show the state."""
        return f"<StageThread {'closed' if self._closed else 'open'}>"

    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a function on the stage's thread and return what it returns or raise what it raises.

        When the caller is cancelled, a call that has begun still runs to its end.

        Raises:
            RuntimeError: The thread is closed.
        """
        return await asyncio.wrap_future(self._executor.submit(function, *args, **kwargs))

    async def aclose(self) -> None:
        """Drop calls that have not begun, let the running one end, and join the thread; closing twice is fine."""
        if not self._closed:
            self._closed = True
            await asyncio.to_thread(self._executor.shutdown, wait=True, cancel_futures=True)

    async def __aenter__(self) -> Self:
        """Return the open thread."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.aclose()

    def __del__(self) -> None:
        """Warn when it was left open."""
        if not getattr(self, "_closed", True):
            warnings.warn("a StageThread was not closed", ResourceWarning, source=self, stacklevel=2)
            self._executor.shutdown(wait=False, cancel_futures=True)
