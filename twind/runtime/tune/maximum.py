"""The maximum of a likelihood over a few noises: a coarse grid, then golden sections along each of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from itertools import product
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_ROUNDS, _LEAST_ROUNDS = 20, 3
_SECTIONS = 9
"""Of a golden search: an interval of one decade shrinks to 3 % in the value."""
SIGNIFICANT = 1.92
"""Half the 95 % quantile of chi-square with one degree of freedom: a smaller loss of log likelihood tells nothing."""


@dataclass(frozen=True, slots=True)
class Range:
    """Where one noise is looked for, in powers of ten."""

    low: float
    high: float
    step: float = 0.5
    or_none: bool = False
    """Whether there may be none of it: zero is what becomes of a value that is not significantly better."""

    @property
    def grid(self) -> list[float]:
        """The values of the coarse grid."""
        return [float(value) for value in np.arange(self.low, self.high + 0.5 * self.step, self.step)]


def maximise(
    likelihood: Callable[[Mapping[str, float]], float],
    ranges: Mapping[str, Range],
    present: Mapping[str, float],
    *,
    coarse: Callable[[Mapping[str, float]], float] | None = None,
) -> dict[str, float]:
    """Find the values that make a recording most likely.

    Args:
        likelihood: Logarithm of the likelihood of values by name.
        ranges: Where each is looked for.
        present: Values that are kept where the recording does not tell them: where the best of the others lose less
            than what is significant. Values without one are always found.
        coarse: A cheaper likelihood, of part of the recording, for the grid.
    """
    grids = [scale.grid for scale in ranges.values()]

    def at(logs: Mapping[str, float]) -> float:
        return likelihood({name: 10.0**value for name, value in logs.items()})

    def roughly(logs: Mapping[str, float]) -> float:
        return (coarse or likelihood)({name: 10.0**value for name, value in logs.items()})

    logs = max((dict(zip(ranges, point, strict=True)) for point in product(*grids)), key=roughly)
    starts = [logs, *({**logs, name: scale.low} for name, scale in ranges.items() if scale.or_none)]
    logs, best = max((_refined(at, ranges, start, free=tuple(ranges)) for start in starts), key=itemgetter(1))
    fixed: dict[str, float] = {}
    for name, value in present.items():
        trial = {**logs, name: math.log10(value) if value > 0 else ranges[name].low}
        free = tuple(other for other in ranges if other != name and other not in fixed)
        trial, worth = _refined(at, ranges, trial, free=free)
        if worth > best - SIGNIFICANT:
            logs, fixed = trial, {**fixed, name: value}
    found = {name: fixed.get(name, 10.0**value) for name, value in logs.items()}
    for name in ranges:
        none = {**found, name: 0.0}
        if ranges[name].or_none and name not in fixed and likelihood(none) > best - SIGNIFICANT:
            found = none
    return found


def _refined(
    at: Callable[[Mapping[str, float]], float], ranges: Mapping[str, Range], logs: dict[str, float], *, free: tuple[str, ...]
) -> tuple[dict[str, float], float]:
    """Return the best near some values, and what it is worth. The first rounds look wide; ridges take many narrow ones."""
    best = at(logs)
    for turn in range(_ROUNDS):
        before = best
        for name in free:
            scale = ranges[name]
            width = max(2.0 / 2**turn, 0.25) * scale.step
            low, high = max(scale.low, logs[name] - width), min(scale.high, logs[name] + width)
            value, worth = _golden(partial(_along, at, logs, name), low, high)
            if worth > best:
                logs, best = {**logs, name: value}, worth
        if turn + 1 >= _LEAST_ROUNDS and best - before < 0.1 * SIGNIFICANT:
            break
    return logs, best


def _along(at: Callable[[Mapping[str, float]], float], logs: Mapping[str, float], name: str, value: float) -> float:
    return at({**logs, name: value})


def _golden(function: Callable[[float], float], low: float, high: float) -> tuple[float, float]:
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = function(left), function(right)
    for _ in range(_SECTIONS):
        if at_left > at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = function(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = function(right)
    return (left, at_left) if at_left > at_right else (right, at_right)
