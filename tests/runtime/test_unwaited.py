"""A stop does not wait for work that is of no use any more, and the process ends with the exit code that it has."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from twind.runtime.unwaited import any_left, unwaited

PATIENCE_S = 120.0


def test_what_the_work_returns_or_raises_is_the_callers() -> None:
    def fail() -> None:
        msg = "no kernel"
        raise ValueError(msg)

    async def main() -> None:
        assert await unwaited(lambda: 7) == 7
        with pytest.raises(ValueError, match="no kernel"):
            await unwaited(fail)

    asyncio.run(main())


def test_a_caller_that_is_cancelled_and_its_loop_end_before_the_work() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(PATIENCE_S)

    async def main() -> None:
        task = asyncio.create_task(unwaited(work))
        await asyncio.to_thread(begun.wait, PATIENCE_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    asyncio.run(main())
    (thread,) = [one for one in threading.enumerate() if one.name == "twind unwaited"]
    assert any_left()
    go_on.set()
    thread.join(PATIENCE_S)
    assert not any_left()


_STOPPED = """
import asyncio, threading, time
from twind.cli import program
from twind.runtime.unwaited import unwaited

async def serve():
    begun = threading.Event()
    def compile_for_ever():
        begun.set()
        while True:
            time.sleep(0.01)
    task = asyncio.create_task(unwaited(compile_for_ever))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

def main(prog_name):
    asyncio.run(serve())
    print("stopped")
    raise SystemExit({code})

program.main = main
program.program()
"""


@pytest.mark.parametrize("code", [0, 1, 78])
def test_a_process_ends_with_its_exit_code_though_a_compiler_still_works(code: int) -> None:
    command = [sys.executable, "-c", _STOPPED.replace("{code}", str(code))]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=PATIENCE_S)
    assert (done.returncode, done.stdout, done.stderr) == (code, "stopped\n", "")
