"""A run of the demo that is stopped early."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from twind.config.settings import LogSettings
from twind.demo import session
from twind.model.errors import PermanentError
from twind.runtime import app
from twind.telemetry import Telemetry


def test_a_demo_that_is_stopped_while_it_compiles_ends_and_has_nothing_to_show(monkeypatch: pytest.MonkeyPatch) -> None:
    given_up: list[object] = []

    async def for_ever(_: list[str]) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.Event().wait()
        finally:
            given_up.append("compiling")

    monkeypatch.setattr(app, "compile_apart", for_ever)
    options = session.Options(listen="127.0.0.1:0")
    with Telemetry(LogSettings(level="error")) as telemetry, pytest.raises(PermanentError, match="before the robots moved"):
        asyncio.run(
            session.run(options, telemetry=telemetry, on_started=lambda _: given_up.append("started"), on_progress=print)
        )
    assert given_up == ["compiling"]
