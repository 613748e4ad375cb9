"""Scenarios that run at the same time in one loop: what each of them takes is the SDK's own waiting."""

from __future__ import annotations

import asyncio
import gc
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    Scenario = Callable[..., Coroutine[Any, Any, None]]


class Together:
    """Collects scenarios, runs them all when the first is asked for, and remembers what became of each."""

    def __init__(self) -> None:
        self._scenarios: dict[str, tuple[Scenario, tuple[Any, ...]]] = {}
        self._outcomes: dict[str, BaseException | None] | None = None

    @property
    def names(self) -> list[str]:
        return list(self._scenarios)

    def __call__(self, *cases: tuple[Any, ...]) -> Callable[[Scenario], Scenario]:
        """Add a scenario: once, or once for each tuple of arguments."""

        def add(scenario: Scenario) -> Scenario:
            for case in cases or ((),):
                name = scenario.__name__ + (f"[{'-'.join(str(value) for value in case)}]" if case else "")
                self._scenarios[name] = (scenario, case)
            return scenario

        return add

    def check(self, name: str) -> None:
        """Raise what the scenario raised."""
        if self._outcomes is None:
            with warnings.catch_warnings():
                # The SDK leaves its socket to the garbage collector where it is cancelled, or fails, while it connects.
                warnings.simplefilter("ignore", ResourceWarning)
                self._outcomes = asyncio.run(self._run())
                gc.collect()
        error = self._outcomes[name]
        if error is not None:
            raise error

    async def _run(self) -> dict[str, BaseException | None]:
        found = await asyncio.gather(*(scenario(*case) for scenario, case in self._scenarios.values()), return_exceptions=True)
        return dict(zip(self._scenarios, found, strict=True))
