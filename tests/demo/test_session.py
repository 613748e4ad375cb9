"""A run of the demo that is stopped early."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest

from twind.config.settings import LogSettings
from twind.demo import session
from twind.model.errors import PermanentError
from twind.runtime import app
from twind.runtime.unwaited import any_left
from twind.telemetry import Telemetry

if TYPE_CHECKING:
    from twind.runtime.estimators import Estimators


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


def test_a_stop_does_not_wait_for_what_is_compiled_within_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    let_go = threading.Event()

    def compile_long(_: Estimators) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        let_go.wait(3600)

    monkeypatch.setattr(app, "missing_parts", list)  # there is no place to keep kernels
    monkeypatch.setattr(app.Estimators, "warm_up", compile_long)
    options = session.Options(listen="127.0.0.1:0")
    try:
        with Telemetry(LogSettings(level="error")) as telemetry, pytest.raises(PermanentError, match="SIGTERM"):
            asyncio.run(session.run(options, telemetry=telemetry, on_started=lambda _: None, on_progress=print))
        assert any_left()
    finally:
        let_go.set()
