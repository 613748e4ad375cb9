"""The event loop that commands run on."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from twind.runtime.loop import run_on_loop


def test_the_commands_run_on_uvloop_and_get_what_the_coroutine_returns() -> None:
    async def main() -> type[asyncio.AbstractEventLoop]:
        return type(asyncio.get_running_loop())

    assert run_on_loop(main()) is uvloop.Loop


def test_an_error_ends_the_loop_and_reaches_the_caller() -> None:
    seen: list[asyncio.AbstractEventLoop] = []

    async def main() -> None:
        seen.append(asyncio.get_running_loop())
        int("no number")

    with pytest.raises(ValueError, match="no number"):
        run_on_loop(main())
    assert seen[0].is_closed()
