"""Compiles kernels in processes of their own, so that a first start uses more than one core, and its loop stays free."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_MOST = 3


def _command(part: str) -> Sequence[str]:
    return (sys.executable, "-m", "twind.estimation.compilation", part)


async def compile_apart(parts: Sequence[str], *, command: Callable[[str], Sequence[str]] = _command) -> None:
    """Compile parts of the kernels and keep them on disk, as many at once as there are cores.

    What cannot be compiled in this way is left to its first call, which does without the disk: nothing is raised.
    """
    turn = asyncio.Semaphore(min(_MOST, len(os.sched_getaffinity(0))))

    async def one(part: str) -> None:
        async with turn:
            await _run(command(part))

    async with asyncio.TaskGroup() as group:
        for part in parts:
            group.create_task(one(part), name=f"compile {part}")


async def _run(command: Sequence[str]) -> None:
    silent = asyncio.subprocess.DEVNULL
    try:
        process = await asyncio.create_subprocess_exec(*command, stdin=silent, stdout=silent, stderr=silent)
    except OSError:  # no more processes are allowed here
        return
    try:
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
