"""Waits for room on a full disk: a daemon that ended for want of it would be started again and again."""

from __future__ import annotations

import asyncio
import errno
from typing import TYPE_CHECKING, TypeVar

from twind.flow.retry import Backoff
from twind.model.errors import PermanentError
from twind.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twind.telemetry import Telemetry

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Full, a quota, a limit of the process: somebody makes room, and the same call succeeds."""

T = TypeVar("T")


async def when_there_is_room(
    step: Callable[[], Awaitable[T]], *, telemetry: Telemetry, waiting: Callable[[str], None], backoff: Backoff | None = None
) -> T:
    """Do a step of the start, again and again as long as it fails because a disk is full.

    Args:
        step: What writes; it leaves nothing behind when it fails.
        telemetry: Is told of each failure.
        waiting: Called with the reason, each time.
        backoff: How long to wait in between.

    Raises:
        PermanentError: The step failed for another reason.
    """
    backoff = backoff or Backoff(base_s=1.0, cap_s=10.0)
    while True:
        try:
            return await step()
        except PermanentError as error:
            if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in _FULL:
                raise
            telemetry.emit(events.StartHeld(error=str(error)))
            waiting(str(error))
        await asyncio.sleep(backoff.next_delay_s())
