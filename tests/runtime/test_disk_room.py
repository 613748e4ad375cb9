"""A start that needs room on a full disk waits for it; any other fault ends it."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import random
from typing import TYPE_CHECKING

import pytest

from twind.flow.retry import Backoff
from twind.model.errors import PermanentError, StageError
from twind.runtime.disk_room import when_there_is_room
from twind.telemetry import Telemetry
from twind.testing.loops import run

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    with Telemetry() as telemetry:
        yield telemetry


def failing(code: int) -> PermanentError:
    error = StageError(f"cannot write it: {os.strerror(code)}")
    error.__cause__ = OSError(code, os.strerror(code))
    return error


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_waited_for_with_growing_pauses_and_each_try_is_told(telemetry: Telemetry, code: int) -> None:
    told: list[str] = []
    tries: list[float] = []

    async def main() -> str:
        async def step() -> str:
            tries.append(asyncio.get_running_loop().time())
            if len(tries) < 50:
                raise failing(code)
            return "written"

        backoff = Backoff(base_s=1.0, cap_s=10.0, rng=random.Random(1))  # noqa: S311  (jitter)
        return await when_there_is_room(step, telemetry=telemetry, waiting=told.append, backoff=backoff)

    assert run(main(), virtual_time=True) == "written"
    assert told == [f"cannot write it: {os.strerror(code)}"] * 49
    assert telemetry.registry.get_sample_value("twind_start_held_total") == 49
    pauses = [after - before for before, after in itertools.pairwise(tries)]
    assert max(pauses) <= 10.0
    assert sum(pauses) > 100.0


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOENT])
def test_what_no_room_would_cure_ends_the_start(telemetry: Telemetry, code: int) -> None:
    async def main() -> None:
        async def step() -> None:
            raise failing(code)

        await when_there_is_room(step, telemetry=telemetry, waiting=lambda _: None)

    with pytest.raises(StageError):
        run(main(), virtual_time=True)
    assert telemetry.registry.get_sample_value("twind_start_held_total") == 0
