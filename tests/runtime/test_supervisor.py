"""What becomes of a component that fails. Time is virtual: every delay is exact."""

from __future__ import annotations

import asyncio
import io
import json
import random
from collections.abc import Awaitable, Callable

import pytest

from twind.model.errors import PermanentError, RetryableError
from twind.runtime.supervisor import ComponentStatus, RestartPolicy, State, Supervisor
from twind.telemetry import Telemetry
from twind.testing.loops import run

Scenario = Callable[[Supervisor], Awaitable[None]]


class TopOfTheRange(random.Random):
    """Jitter that always takes its ceiling."""

    def uniform(self, a: float, b: float) -> float:
        return max(a, b)


def supervise(scenario: Scenario) -> list[dict[str, object]]:
    """Run a scenario in virtual time and return the log."""
    stream = io.StringIO()

    async def main() -> None:
        async with Supervisor(telemetry, rng=TopOfTheRange()) as supervisor:
            await scenario(supervisor)

    with Telemetry(stream=stream) as telemetry:
        run(main(), virtual_time=True)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def only(supervisor: Supervisor) -> ComponentStatus:
    (status,) = supervisor.status()
    return status


def failing(*outcomes: BaseException | float) -> tuple[list[float], Callable[[], Awaitable[None]]]:
    """Return the list of start times and a factory: a number runs that long and returns, an exception is raised."""
    starts: list[float] = []
    script = iter(outcomes)

    async def component() -> None:
        starts.append(asyncio.get_running_loop().time())
        outcome = next(script, None)
        if isinstance(outcome, BaseException):
            raise outcome
        await asyncio.sleep(outcome if outcome is not None else 1e9)

    return starts, component


def test_a_running_component_is_ok_and_its_task_bears_its_name() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("pump", failing()[1])
        assert only(supervisor).state is State.STARTING
        await asyncio.sleep(1)
        assert only(supervisor) == ComponentStatus("pump", State.OK, critical=True, restarts=0, since_monotonic_s=0.0)
        assert "pump" in {task.get_name() for task in asyncio.all_tasks()}
        assert repr(supervisor) == "<Supervisor pump=ok>"
        assert supervisor.states() == {"pump": "ok"}

    assert supervise(scenario) == []


def test_a_failure_starts_it_again_after_a_delay_that_doubles() -> None:
    starts, component = failing(*[RuntimeError("boom")] * 4)

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("pump", component, policy=RestartPolicy(base_s=1, cap_s=4))
        await asyncio.sleep(0.5)
        assert only(supervisor).state is State.RECOVERABLE
        await asyncio.sleep(100)
        assert only(supervisor).state is State.OK
        assert only(supervisor).restarts == 4
        assert only(supervisor).error == "RuntimeError: boom"

    log = supervise(scenario)
    assert starts == [0, 1, 3, 7, 11]
    assert (log[0]["event"], log[0]["task"], log[0]["error"]) == ("task_restarted", "pump", "RuntimeError: boom")


def test_a_component_that_returns_is_a_fault_too() -> None:
    starts, component = failing(0.0)

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("pump", component)
        await asyncio.sleep(10)

    assert supervise(scenario)[0]["error"] == "ended unexpectedly"
    assert len(starts) == 2


def test_a_component_cancelled_from_within_is_started_again() -> None:
    starts, component = failing(asyncio.CancelledError())

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("pump", component)
        await asyncio.sleep(10)
        assert only(supervisor).state is State.OK

    assert supervise(scenario)[0]["error"] == "was cancelled from within"
    assert len(starts) == 2


def test_a_healthy_minute_starts_the_back_off_from_the_bottom() -> None:
    boom = RuntimeError("boom")
    starts, component = failing(boom, boom, boom, 60.0, boom)

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("pump", component, policy=RestartPolicy(base_s=1, cap_s=100))
        await asyncio.sleep(1000)

    supervise(scenario)
    assert starts == [0, 1, 3, 7, 68, 70]


def test_a_fault_that_says_when_to_try_again_is_obeyed() -> None:
    starts, component = failing(RetryableError("busy", retry_after_s=42))

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("pump", component, policy=RestartPolicy(base_s=1))
        await asyncio.sleep(100)

    supervise(scenario)
    assert starts == [0, 42]


def test_a_permanent_fault_is_not_retried_and_stops_the_daemon() -> None:
    starts, component = failing(PermanentError("no such stage"))

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("publisher", component)
        status = await asyncio.wait_for(supervisor.wait_given_up(), 1)
        assert (status.name, status.state, status.error) == (
            "publisher",
            State.PERMANENT,
            "PermanentError: no such stage",
        )

    (line,) = supervise(scenario)
    assert line["event"] == "task_given_up"
    assert starts == [0]


def test_too_many_faults_in_a_while_are_permanent() -> None:
    starts, component = failing(*[RuntimeError("boom")] * 100)

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("pump", component, policy=RestartPolicy(base_s=1, cap_s=1, max_restarts=3, within_s=600))
        status = await supervisor.wait_given_up()
        assert status.error == "RuntimeError: boom (the last of 4 faults within 600 s)"

    supervise(scenario)
    assert len(starts) == 4


def test_as_many_faults_over_a_longer_time_are_not() -> None:
    starts, component = failing(*[90.0] * 20)

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("pump", component, policy=RestartPolicy(max_restarts=4, within_s=200))
        await asyncio.sleep(5000)
        assert only(supervisor).state is State.OK

    supervise(scenario)
    assert len(starts) == 21


def test_the_daemon_goes_on_without_a_component_that_is_not_critical() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        _, component = failing(PermanentError("gone"))
        supervisor.supervise("snapshots", component, policy=RestartPolicy(critical=False))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(supervisor.wait_given_up(), 1000)
        assert only(supervisor).state is State.PERMANENT

    supervise(scenario)


def test_one_components_failure_does_not_touch_another() -> None:
    starts, component = failing()

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("good", component)
        supervisor.supervise("bad", failing(*[RuntimeError("boom")] * 100)[1])
        await supervisor.wait_given_up()
        assert supervisor.states() == {"good": "ok", "bad": "permanent"}

    supervise(scenario)
    assert starts == [0]


def test_stopping_cancels_and_waits_for_the_clean_up() -> None:
    cleaned: list[float] = []

    async def component() -> None:
        try:
            await asyncio.sleep(1e9)
        finally:
            await asyncio.sleep(2)
            cleaned.append(asyncio.get_running_loop().time())

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("pump", component)
        await asyncio.sleep(1)
        stopping = asyncio.create_task(supervisor.stop("pump"))
        await asyncio.sleep(1)
        assert only(supervisor).state is State.STOPPING
        await stopping
        assert only(supervisor).state is State.STOPPED

    assert supervise(scenario) == []
    assert cleaned == [3]


def test_a_component_that_waits_for_its_restart_can_be_stopped() -> None:
    starts, component = failing(RuntimeError("boom"))

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("pump", component, policy=RestartPolicy(base_s=10))
        await asyncio.sleep(1)
        await supervisor.stop("pump")
        assert only(supervisor).state is State.STOPPED
        await asyncio.sleep(100)

    supervise(scenario)
    assert starts == [0]


def test_finishing_waits_for_an_end_that_is_then_no_fault() -> None:
    starts, component = failing(5.0)

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("pump", component)
        await asyncio.sleep(1)
        await supervisor.finish("pump")
        assert asyncio.get_running_loop().time() == 5
        assert only(supervisor).state is State.STOPPED

    assert supervise(scenario) == []
    assert starts == [0]


def test_a_failure_while_finishing_is_told_but_not_retried() -> None:
    async def component() -> None:
        await asyncio.sleep(5)
        raise RuntimeError("boom")  # noqa: EM101

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("pump", component)
        await asyncio.sleep(1)
        await supervisor.finish("pump")
        assert only(supervisor).state is State.STOPPED

    (line,) = supervise(scenario)
    assert (line["event"], line["error"]) == ("task_given_up", "RuntimeError: boom")


def test_finishing_what_waits_for_its_restart_does_not_wait() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("pump", failing(RuntimeError("boom"))[1], policy=RestartPolicy(base_s=10))
        await asyncio.sleep(1)
        await supervisor.finish("pump")
        assert asyncio.get_running_loop().time() == 1

    supervise(scenario)


def test_releasing_what_waits_for_its_restart_ends_it_and_it_does_not_run_again() -> None:
    starts, component = failing(RuntimeError("boom"))

    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("pump", component, policy=RestartPolicy(base_s=10))
        await asyncio.sleep(1)
        supervisor.release("pump")
        await asyncio.sleep(0.1)
        assert only(supervisor).state is State.STOPPED
        await supervisor.finish("pump")
        await asyncio.sleep(100)

    supervise(scenario)
    assert starts == [0]


def test_a_cancelled_finish_leaves_the_component_to_be_stopped() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("pump", failing()[1])
        await asyncio.sleep(1)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(supervisor.finish("pump"), 1)
        await supervisor.stop("pump")
        assert only(supervisor).state is State.STOPPED

    supervise(scenario)


def test_a_name_is_used_once() -> None:
    async def scenario(supervisor: Supervisor) -> None:
        supervisor.supervise("pump", failing()[1])
        with pytest.raises(ValueError, match="already"):
            supervisor.supervise("pump", failing()[1])

    supervise(scenario)


def test_everything_is_stopped_in_reverse_order_at_the_end() -> None:
    ended: list[str] = []

    def component(name: str) -> Callable[[], Awaitable[None]]:
        async def body() -> None:
            try:
                await asyncio.sleep(1e9)
            finally:
                ended.append(name)

        return body

    async def scenario(supervisor: Supervisor) -> None:
        for name in ("first", "second", "third"):
            supervisor.supervise(name, component(name))
        await asyncio.sleep(1)

    supervise(scenario)
    assert ended == ["third", "second", "first"]
