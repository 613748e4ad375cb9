"""One named, owned, guarded task per component. A task that fails, or ends when it should not, is a fault and starts again."""

from __future__ import annotations

import asyncio
import enum
import random
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from twind.flow.retry import Backoff
from twind.model.errors import PermanentError, RetryableError
from twind.telemetry.events import TaskGivenUp, TaskRestarted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from twind.telemetry import Telemetry


class State(enum.StrEnum):
    """Where a component is in its life."""

    STARTING = "starting"
    """Its task exists but has not run yet."""
    OK = "ok"
    """It runs."""
    RECOVERABLE = "recoverable"
    """It failed and waits to be started again."""
    PERMANENT = "permanent"
    """It failed for good; somebody has to look."""
    STOPPING = "stopping"
    """It was asked to end."""
    STOPPED = "stopped"
    """It ended because it was asked to."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How a component is started again."""

    critical: bool = True
    """Whether the daemon stops when this component fails for good."""
    base_s: float = 0.2
    cap_s: float = 30.0
    """Bounds of the exponential back-off with full jitter [s]."""
    healthy_s: float = 60.0
    """After running this long without a fault, the back-off starts from the bottom again [s]."""
    max_restarts: int = 10
    within_s: float = 600.0
    """More than `max_restarts` faults within this time make the component permanent [s]."""


@dataclass(frozen=True, slots=True)
class ComponentStatus:
    """What the supervisor knows of one component."""

    name: str
    state: State
    critical: bool
    restarts: int
    since_monotonic_s: float
    """The loop's time when `state` last changed."""
    error: str = ""
    """The newest fault; kept after a recovery, so that a flapping component can be recognised."""


@dataclass(slots=True)
class _Component:
    name: str
    factory: Callable[[], Awaitable[None]]
    policy: RestartPolicy
    backoff: Backoff
    since_s: float
    state: State = State.STARTING
    restarts: int = 0
    error: str = ""
    faults_s: deque[float] = field(default_factory=deque)
    task: asyncio.Task[None] | None = None


class Supervisor:
    """Owns the daemon's tasks. Time is the running loop's, so a loop with virtual time makes every delay exact."""

    def __init__(self, telemetry: Telemetry, *, rng: random.Random | None = None) -> None:
        self._telemetry = telemetry
        self._rng = rng or random.Random()  # noqa: S311  (jitter, not a secret)
        self._components: dict[str, _Component] = {}
        self._given_up = asyncio.Event()

    def __repr__(self) -> str:
        """Show every component with its state."""
        return f"<Supervisor {' '.join(f'{name}={c.state}' for name, c in self._components.items())}>"

    async def __aenter__(self) -> Self:
        """Own whatever is supervised from here on."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop everything."""
        await self.aclose()

    def supervise(self, name: str, factory: Callable[[], Awaitable[None]], *, policy: RestartPolicy | None = None) -> None:
        """Run `factory()` as a task, and again whenever it fails or returns, until it is stopped or finished."""
        if name in self._components:
            msg = f"there is a component named {name!r} already"
            raise ValueError(msg)
        policy = policy or RestartPolicy()
        backoff = Backoff(base_s=policy.base_s, cap_s=policy.cap_s, rng=self._rng)
        component = _Component(name, factory, policy, backoff, asyncio.get_running_loop().time())
        self._components[name] = component
        component.task = asyncio.create_task(self._keep(component), name=name)
        component.task.add_done_callback(lambda _task: self._left(component))

    def status(self) -> tuple[ComponentStatus, ...]:
        """Return every component's status, in the order in which they were started."""
        return tuple(
            ComponentStatus(c.name, c.state, c.policy.critical, c.restarts, c.since_s, c.error)
            for c in self._components.values()
        )

    def states(self) -> dict[str, str]:
        """Return every component's state by name, as the metrics show it."""
        return {name: component.state.value for name, component in self._components.items()}

    async def wait_given_up(self) -> ComponentStatus:
        """Wait until a critical component failed for good, and return it: the daemon has to stop."""
        while True:
            await self._given_up.wait()
            for status in self.status():
                if status.critical and status.state is State.PERMANENT:
                    return status
            self._given_up.clear()

    def release(self, name: str) -> None:
        """Let a component end by itself: from now on that is no fault, and it is not started again whatever happens.

        One that waits to be started again ends at once.
        """
        component = self._components[name]
        waits = component.state in (State.RECOVERABLE, State.STARTING)
        self._leave(component)
        if waits and component.task is not None:
            component.task.cancel()

    async def finish(self, name: str) -> None:
        """Release a component and wait for it to end by itself."""
        self.release(name)
        await self._ended(name)

    async def stop(self, name: str) -> None:
        """Cancel a component and wait until it has ended."""
        component = self._components[name]
        self._leave(component)
        if component.task is not None:
            component.task.cancel()
        await self._ended(name)

    async def aclose(self) -> None:
        """Stop every component, the one started last first."""
        for name in reversed(self._components):
            await self.stop(name)

    async def _keep(self, component: _Component) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._become(component, State.OK)
            started_s = loop.time()
            fault = await self._run_once(component)
            if component.state is State.STOPPING:
                if fault is not _ENDED:
                    component.error = _describe(fault)
                    self._telemetry.emit(TaskGivenUp(task=component.name, error=component.error))
                return
            if loop.time() - started_s >= component.policy.healthy_s:
                component.backoff.reset()
            delay_s = self._after_fault(component, fault, loop.time())
            if delay_s is None:
                return
            await asyncio.sleep(delay_s)

    async def _run_once(self, component: _Component) -> BaseException:
        """Run the component to its end and return what ended it."""
        try:
            await component.factory()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return error  # something that it waited for was cancelled, not the component
        except Exception as error:  # noqa: BLE001  (whatever it is, the fault ends here: it is reported and retried)
            return error
        return _ENDED

    def _after_fault(self, component: _Component, fault: BaseException, now_s: float) -> float | None:
        """Decide how long to wait before the next start; None: no more starts."""
        policy, faults_s = component.policy, component.faults_s
        component.error = _describe(fault)
        faults_s.append(now_s)
        while faults_s and now_s - faults_s[0] > policy.within_s:
            faults_s.popleft()
        if isinstance(fault, PermanentError) or len(faults_s) > policy.max_restarts:
            if not isinstance(fault, PermanentError):
                component.error += f" (the last of {len(faults_s)} faults within {policy.within_s:g} s)"
            self._become(component, State.PERMANENT)
            self._telemetry.emit(TaskGivenUp(task=component.name, error=component.error))
            self._given_up.set()
            return None
        delay_s = component.backoff.next_delay_s()
        if isinstance(fault, RetryableError) and fault.retry_after_s is not None:
            delay_s = max(delay_s, fault.retry_after_s)
        component.restarts += 1
        self._become(component, State.RECOVERABLE)
        self._telemetry.emit(TaskRestarted(task=component.name, error=component.error, delay_s=round(delay_s, 3)))
        return delay_s

    def _leave(self, component: _Component) -> None:
        if component.state not in (State.PERMANENT, State.STOPPED):
            self._become(component, State.STOPPING)

    async def _ended(self, name: str) -> None:
        task = self._components[name].task
        if task is not None:
            await asyncio.wait({task})

    def _left(self, component: _Component) -> None:
        """Note that a task has ended; one cancelled before its first step, or while it waited, could not do so itself."""
        if component.state is State.STOPPING:
            self._become(component, State.STOPPED)

    def _become(self, component: _Component, state: State) -> None:
        if component.state is not state:
            component.state = state
            component.since_s = asyncio.get_running_loop().time()


_ENDED = RuntimeError("ended unexpectedly")


def _describe(fault: BaseException) -> str:
    if fault is _ENDED:
        return "ended unexpectedly"
    if isinstance(fault, asyncio.CancelledError):
        return "was cancelled from within"
    return f"{type(fault).__name__}: {fault}" if str(fault) else type(fault).__name__
