"""What depends on the time since the last sample alone: the joints of one message mostly share it, so it is computed once."""

from __future__ import annotations

import math
from typing import Any

from twind.estimation.compile import inlined, kernel
from twind.estimation.singer import drift, transition

FAST_S, SLOW_S = 0.05, 0.4  # time constants of the two means that tell rest: `joint_rest`
WOBBLE_S = 0.4  # of what residuals differ from one sample to the next: `joint_choice`
STAMPS_S = 2.0  # of what is learnt about stamps: `joint_stamps`


@inlined
def pace_by(pace: Any, T: float, alpha: float) -> None:
    """Make `pace` that of a step of `T` [s] with the model `alpha` [1/s]."""
    if pace.T != T or pace.alpha != alpha:
        _compute(pace, T, alpha)


@kernel
def _compute(pace: Any, T: float, alpha: float) -> None:
    pace.T, pace.alpha = T, alpha
    m = pace.model
    m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8] = transition(T, alpha)
    pace.fast, pace.slow = T / (FAST_S + T), T / (SLOW_S + T)
    pace.before = math.nan  # of no chord yet
    pace.wobble, pace.stamps = T / (WOBBLE_S + T), T / (STAMPS_S + T)


@inlined
def chord_by(pace: Any, before: float) -> None:
    """Make the chord that of a step of `before` [s] and the one of `pace`."""
    if pace.before != before:
        _compute_chord(pace, before)


@kernel
def _compute_chord(pace: Any, before: float) -> None:
    pace.before = before
    w = before / (before + pace.T)
    pace.weight, pace.noise, pace.bow = w, 1.0 + w * w + (1.0 - w) * (1.0 - w), 0.5 * before * pace.T


@inlined
def drift_by(pace: Any, T: float, alpha: float) -> float:
    """Return how far an acceleration of 1 carries in `T` [s]."""
    if pace.then_T != T or pace.then_alpha != alpha:
        pace.then_T, pace.then_alpha, pace.then_f1 = T, alpha, drift(T, alpha)
    return float(pace.then_f1)
