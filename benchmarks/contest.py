"""Ways of doing the same thing, which take turns in every round, so that a machine that changes speed changes all of them."""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from table import missing, row

from twind.model.time import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from table import Row

START_NS = 1_800_000_000_000_000_000
WARM_MESSAGES = 300
"""Messages of each sender before the first round: more than the longest ring holds, so that its memory has been touched."""
_PERIOD_NS = 10 * NS_PER_MS
_JITTER_NS = 100_000
"""Of stamps: with equal intervals a filter would compute its model once."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """One way."""

    name: str
    unit: str
    spend: Callable[[], float]
    """Does it once more; returns the CPU time of one item."""
    bar: float | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """A way that cannot be tried here."""

    name: str
    unit: str
    why: str


def contend(contestants: Iterable[Contestant | Absent], *, rounds: int) -> tuple[Row, ...]:
    """Let all take their turn in every round; the first round, which compiles or loads, does not count."""
    contestants = list(contestants)
    spent: dict[int, list[float]] = {}
    for number in range(rounds + 1):
        for place, one in enumerate(contestants):
            if isinstance(one, Contestant):
                value = one.spend()
                if number:
                    spent.setdefault(place, []).append(value)
    return tuple(
        row(one.name, one.unit, spent[place], bar=one.bar)
        if isinstance(one, Contestant)
        else missing(one.name, one.unit, one.why)
        for place, one in enumerate(contestants)
    )


def when_installed(
    package: str, name: str, unit: str, make: Callable[[], Iterator[Contestant]]
) -> Iterator[Contestant | Absent]:
    """Yield what `make` yields, or say that a package is not there."""
    if importlib.util.find_spec(package) is None:
        yield Absent(name, unit, f"{package} is not installed")
    else:
        yield from make()


def cpu_ns(call: Callable[[], object], *, per: int, repeat: int = 1) -> float:
    """Return the CPU time of one item [ns], of calls that handle `per` of them."""
    started = time.process_time_ns()
    for _ in range(repeat):
        call()
    return (time.process_time_ns() - started) / (per * repeat)


class Clock:
    """Intervals and stamps that go on, step by step, each sender with a jitter of its own."""

    def __init__(self, senders: int) -> None:
        self.rng = np.random.default_rng(1)
        self._senders = senders
        self._next_ns = START_NS
        self._last_ns = np.full(senders, START_NS - _PERIOD_NS)

    def steps(self, messages: int) -> tuple[np.ndarray, np.ndarray]:
        """Return stamps [ns] and intervals since the last [s], (messages, senders)."""
        grid = self._next_ns + np.arange(messages)[:, None] * _PERIOD_NS
        self._next_ns += messages * _PERIOD_NS
        stamps = grid + self.rng.integers(-_JITTER_NS, _JITTER_NS, (messages, self._senders))
        intervals = np.diff(stamps, axis=0, prepend=self._last_ns[None]) * 1e-9
        self._last_ns = stamps[-1]
        return stamps, intervals
