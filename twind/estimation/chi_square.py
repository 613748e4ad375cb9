"""Chi-square quantiles, so that gates are configured as a confidence and never as a raw distance."""

from __future__ import annotations

import math


def chi_square_tail(value: float, dof: int) -> float:
    """Compute the probability that a chi-square variable exceeds `value`.

    Exact recursion over the degrees of freedom (Abramowitz and Stegun 26.4.4 and 26.4.5), starting from erfc or exp.
    """
    half = 0.5 * value
    tail, first = (math.erfc(math.sqrt(half)), 1) if dof % 2 else (math.exp(-half), 2)
    for k in range(first, dof, 2):
        tail += half ** (0.5 * k) * math.exp(-half) / math.gamma(0.5 * k + 1.0)
    return tail


def chi_square_quantile(confidence: float, dof: int) -> float:
    """Find the value that a chi-square variable with `dof` degrees of freedom stays below with this confidence.

    Raises:
        ValueError: The confidence is not inside (0, 1), or `dof` is below 1.
    """
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must lie inside (0, 1), not {confidence}")
    if dof < 1:
        raise ValueError(f"dof must be at least 1, not {dof}")
    target = 1.0 - confidence
    low, high = 0.0, float(dof)
    while chi_square_tail(high, dof) > target:
        high *= 2.0
    while True:
        middle = 0.5 * (low + high)
        if not low < middle < high:
            return middle
        low, high = (middle, high) if chi_square_tail(middle, dof) > target else (low, middle)
