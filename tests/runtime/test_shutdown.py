"""The drain and its one deadline, in virtual time; and real signals in a real process."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

import pytest

from twind.runtime.shutdown import Shutdown, Step
from twind.telemetry import Telemetry
from twind.testing.loops import run

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence


def lasting(seconds: float, done: list[str] | None = None, name: str = "") -> Callable[[], Awaitable[None]]:
    async def step() -> None:
        await asyncio.sleep(seconds)
        if done is not None:
            done.append(name)

    return step


def drain(
    steps: Sequence[Step], *, deadline_s: float = 20.0, exit_code: int = 0
) -> tuple[Shutdown, float, list[dict[str, object]]]:
    """Drain in virtual time; return the shutdown, how long it took, and the log."""
    stream = io.StringIO()

    async def main() -> tuple[Shutdown, float]:
        shutdown = Shutdown(telemetry, deadline_s=deadline_s)
        shutdown.request("SIGTERM", exit_code=exit_code)
        assert await shutdown.drain(steps) == shutdown.exit_code
        return shutdown, asyncio.get_running_loop().time()

    with Telemetry(stream=stream) as telemetry:
        shutdown, seconds = run(main(), virtual_time=True)
    return shutdown, seconds, [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_drain_in_time_runs_every_step_in_order_and_exits_0() -> None:
    done: list[str] = []
    steps = [Step(name, lasting(1, done, name)) for name in ("sources", "pipeline", "stage")]
    shutdown, seconds, log = drain(steps)
    assert done == ["sources", "pipeline", "stage"]
    assert (shutdown.exit_code, seconds, log, shutdown.unfinished) == (0, 3, [], [])


def test_every_five_seconds_it_says_what_remains() -> None:
    _, _, log = drain([Step("sources", lasting(12)), Step("stage", lasting(1))])
    assert [(line["event"], line["remaining"], line["seconds_left"]) for line in log] == [
        ("drain_waiting", "sources, stage", 15),
        ("drain_waiting", "sources, stage", 10),
    ]


def test_a_step_beyond_the_deadline_is_cut_off_and_named() -> None:
    done: list[str] = []
    shutdown, seconds, log = drain([Step("pipeline", lasting(1e9)), Step("stage", lasting(0, done, "stage"))])
    assert (shutdown.exit_code, shutdown.unfinished) == (1, ["pipeline", "stage"])
    assert seconds == 20
    assert [line["step"] for line in log if line["event"] == "drain_step_failed"] == ["pipeline", "stage"]


def test_a_later_step_gets_the_time_that_it_reserved() -> None:
    done: list[str] = []
    steps = [Step("pipeline", lasting(1e9)), Step("stage", lasting(2, done, "stage"), reserve_s=3)]
    shutdown, seconds, _ = drain(steps)
    assert done == ["stage"]
    assert shutdown.unfinished == ["pipeline"]
    assert seconds == 19


def test_a_step_that_fails_does_not_keep_the_next_from_running() -> None:
    done: list[str] = []

    async def broken() -> None:
        raise RuntimeError("boom")  # noqa: EM101

    shutdown, _, log = drain([Step("pipeline", broken), Step("stage", lasting(0.1, done, "stage"))])
    assert done == ["stage"]
    assert (shutdown.exit_code, log[0]["error"]) == (1, "RuntimeError: boom")


def test_a_step_that_ignores_its_cancellation_is_left_behind() -> None:
    stream = io.StringIO()

    async def main() -> float:
        released = asyncio.Event()

        async def stubborn() -> None:
            while not released.is_set():
                try:
                    await released.wait()
                except asyncio.CancelledError:
                    continue

        shutdown = Shutdown(telemetry, deadline_s=20)
        assert await shutdown.drain([Step("pipeline", stubborn)]) == 1
        took_s = asyncio.get_running_loop().time()
        released.set()
        await asyncio.sleep(0.01)
        return took_s

    with Telemetry(stream=stream) as telemetry:
        assert run(main(), virtual_time=True) == pytest.approx(20.5)


def test_the_worst_exit_code_and_the_first_reason_count() -> None:
    async def main() -> None:
        shutdown = Shutdown(Telemetry(stream=io.StringIO()), deadline_s=1)
        assert not shutdown.requested
        shutdown.request("component 'publisher' failed", exit_code=1)
        shutdown.request("SIGTERM")
        assert await shutdown.wait() == "component 'publisher' failed"
        assert await shutdown.drain([]) == 1

    run(main(), virtual_time=True)


def test_the_first_signal_asks_and_the_second_exits_at_once() -> None:
    codes: list[int] = []

    class ExitedError(Exception):
        pass

    def exit_now(code: int) -> NoReturn:
        codes.append(code)
        raise ExitedError

    async def main() -> None:
        before = signal.getsignal(signal.SIGTERM)
        shutdown = Shutdown(Telemetry(stream=io.StringIO()), deadline_s=1, exit_now=exit_now)
        with shutdown.signals():
            signal.raise_signal(signal.SIGTERM)
            assert await asyncio.wait_for(shutdown.wait(), 10) == "SIGTERM"
            with pytest.raises(ExitedError):
                signal.raise_signal(signal.SIGINT)
        assert signal.getsignal(signal.SIGTERM) is before

    run(main())
    assert codes == [130]


PROGRAM = """
import asyncio, sys
from twind.runtime.shutdown import Shutdown, Step
from twind.telemetry import Telemetry

async def main(telemetry):
    shutdown = Shutdown(telemetry, deadline_s=60)
    with shutdown.signals():
        print("running", flush=True)
        print(await shutdown.wait(), flush=True)
        return await shutdown.drain([Step("step", lambda: asyncio.sleep(float(sys.argv[1])))])

with Telemetry() as telemetry:
    code = asyncio.run(main(telemetry))
sys.exit(code)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_real_signal_drains_a_real_process_which_exits_0(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(number)
        assert process.stdout.readline() == f"{number.name}\n"
        assert process.wait(30) == 0


def test_a_second_real_signal_ends_a_real_process_in_its_drain() -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, "1000"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "SIGTERM\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 143
