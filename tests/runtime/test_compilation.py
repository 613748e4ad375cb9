"""Kernels are compiled by processes of their own, which help where they can and do no harm where they cannot."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from twind.runtime import compilation
from twind.runtime.compilation import compile_apart
from twind.testing.loops import run

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 180.0


def test_every_part_is_compiled_and_one_that_fails_stops_no_other(tmp_path: Path) -> None:
    def command(part: str) -> list[str]:
        return (
            ["nowhere"] if part == "c" else [sys.executable, "-c", f"open({str(tmp_path / part)!r}, 'w'); exit({part == 'a'})"]
        )

    run(compile_apart(["a", "c", "b"], command=command))
    assert sorted(made.name for made in tmp_path.iterdir()) == ["a", "b"]


def test_no_more_compile_at_once_than_there_are_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
    code = "import os, pathlib, sys; here = pathlib.Path(sys.argv[1]); here.mkdir(); here.rmdir()"  # fails where it is there
    code += "; (here.parent / sys.argv[2]).touch()"
    parts = [str(number) for number in range(4)]
    run(compile_apart(parts, command=lambda part: [sys.executable, "-c", code, str(tmp_path / "turn"), part]))
    assert sorted(made.name for made in tmp_path.iterdir()) == parts


def test_a_start_that_is_given_up_leaves_no_compiler_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[asyncio.subprocess.Process] = []
    create = asyncio.create_subprocess_exec

    async def main() -> None:
        begun = asyncio.Event()

        async def noted(*command: str, **options: int) -> asyncio.subprocess.Process:
            started.append(await create(*command, **options))
            begun.set()
            return started[-1]

        monkeypatch.setattr(compilation.asyncio, "create_subprocess_exec", noted)  # type: ignore[attr-defined]
        forever = [sys.executable, "-c", "import time; time.sleep(3600)"]
        compiling = asyncio.create_task(compile_apart(["a"], command=lambda _: forever))
        await asyncio.wait_for(begun.wait(), PATIENCE_S)
        compiling.cancel()
        await asyncio.gather(compiling, return_exceptions=True)
        assert compiling.cancelled()

    run(main())
    assert [process.returncode for process in started] == [-9]


@pytest.mark.skipif(sys.platform != "linux", reason="no other system tells a process that its parent is dead")
def test_a_daemon_that_is_killed_leaves_no_compiler_behind() -> None:
    compiler = """
from twind.estimation.compilation import end_with_parent
end_with_parent()
print("compiling", flush=True)
import time
time.sleep(3600)
"""
    daemon = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {compiler!r}])"
    with subprocess.Popen([sys.executable, "-c", daemon], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"compiling\n"
        process.kill()
        ended, _, _ = select.select([process.stdout], [], [], PATIENCE_S)  # at its end once nobody has it open
        assert ended


def test_what_is_not_on_disk_is_missing_until_it_was_compiled(tmp_path: Path) -> None:
    code = """
from twind.estimation.compilation import missing_parts
from twind.estimation.tally import Tally, count_outcomes
from twind.kernels import is_missing
print(missing_parts(), is_missing(count_outcomes))
Tally(1).warm_up()
print(missing_parts(), is_missing(count_outcomes))
"""
    everything = "['poses', 'joints', 'clocks']"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    for first in (True, False):
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment)
        assert done.stdout.splitlines() == [f"{everything} {first}", f"{everything} False"]
