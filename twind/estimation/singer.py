r"""The Singer model of a manoeuvring coordinate: acceleration is noise that forgets itself with time constant tau.

State (p, v, a) with `a' = -alpha a + w`, alpha = 1/tau, w white with spectral density q [(m or rad)^2/s^5]:

    F = [[1, T, f1], [0, 1, f2], [0, 0, f3]],   f1(s) = (exp(-alpha s) - 1 + alpha s) / alpha^2,
                                                f2(s) = (1 - exp(-alpha s)) / alpha,   f3(s) = exp(-alpha s)
    Q_ij = q * integral from 0 to T of f_i(s) f_j(s) ds

R. A. Singer, "Estimating Optimal Tracking Filter Performance for Manned Maneuvering Targets", IEEE Trans. AES-6 (1970),
eqs. 9 to 14; closed form also in Bar-Shalom, Li, Kirubarajan, "Estimation with Applications to Tracking and Navigation"
(2001), section 8.2. The closed form cancels catastrophically for small alpha T, where its power series is used instead;
alpha = 0 is then the constant-acceleration model.
"""

from __future__ import annotations

import math
from fractions import Fraction
from math import factorial
from typing import Any

import numpy as np

from twind.estimation.compile import inlined, kernel
from twind.estimation.eight import load, part

_TERMS, _SERIES_BELOW = 18, 0.5
"""Terms of the series, and the alpha T below which so many are exact to float64."""

_STEPS_OF_TERMS = ((0.004, 6), (0.06, 10), (0.2, 13))
"""Below which alpha T fewer terms are: the first one left out is (2 x)^n / (n + 1)! of the first of all, or less."""


def _series() -> np.ndarray:
    """Tabulate coefficients in alpha T, eight by eight: f1/T^2, f2/T, then Q11, Q12, Q13, Q22, Q23, Q33 over q T^(powers)."""

    def term(order: int, k: int) -> Fraction:
        return Fraction((-1) ** k, factorial(k + order))

    table = [[term(2, n) for n in range(_TERMS)], [term(1, n) for n in range(_TERMS)]]
    for first, second in ((2, 2), (2, 1), (2, 0), (1, 1), (1, 0), (0, 0)):
        table.append(
            [
                sum((term(first, k) * term(second, n - k) for k in range(n + 1)), Fraction(0)) / (n + first + second + 1)
                for n in range(_TERMS)
            ]
        )
    return np.array([[float(value) for value in row] for row in table]).T.reshape(-1)


_COEFFICIENTS = _series()


@inlined
def _terms(x: float) -> int:
    """Return how many terms are exact to float64."""
    for below, terms in _STEPS_OF_TERMS:
        if x < below:
            return int(terms)
    return _TERMS


@inlined
def _polynomials(x: float) -> Any:
    """Evaluate all eight by Horner's rule, side by side."""
    last = _terms(x) - 1
    value = load(_COEFFICIENTS, 8 * last)
    for n in range(last - 1, -1, -1):
        value = value * x + load(_COEFFICIENTS, 8 * n)
    return value


@kernel
def singer(T: float, alpha: float) -> tuple[float, float, float, float, float, float, float, float, float]:
    """Compute (F13, F23, F33, Q11, Q12, Q13, Q22, Q23, Q33) for `T >= 0` [s] and `alpha >= 0` [1/s], with q = 1."""
    x = alpha * T
    if x < _SERIES_BELOW:
        c = _polynomials(x)
        T2 = T * T
        T3 = T2 * T
        f2 = T * part(c, 1)
        return (
            T2 * part(c, 0),
            f2,
            1.0 - alpha * f2,
            T2 * T3 * part(c, 2),
            T2 * T2 * part(c, 3),
            T3 * part(c, 4),
            T3 * part(c, 5),
            T2 * part(c, 6),
            T * part(c, 7),
        )
    decay = math.exp(-x)
    decay2 = decay * decay
    a2 = alpha * alpha
    a3 = a2 * alpha
    return (
        (decay - 1.0 + x) / a2,
        (1.0 - decay) / alpha,
        decay,
        (1.0 - decay2 + 2.0 * x + 2.0 * x * x * x / 3.0 - 2.0 * x * x - 4.0 * x * decay) / (2.0 * a2 * a3),
        (decay2 + 1.0 - 2.0 * decay + 2.0 * x * decay - 2.0 * x + x * x) / (2.0 * a2 * a2),
        (1.0 - decay2 - 2.0 * x * decay) / (2.0 * a3),
        (4.0 * decay - 3.0 - decay2 + 2.0 * x) / (2.0 * a3),
        (decay2 + 1.0 - 2.0 * decay) / (2.0 * a2),
        (1.0 - decay2) / (2.0 * alpha),
    )


@kernel
def transition(T: float, alpha: float) -> tuple[float, float, float, float, float, float, float, float, float]:
    """Compute what `singer` does; an infinite `alpha` is the constant-velocity model, whose q is that of the acceleration."""
    if alpha == math.inf:
        return 0.0, 0.0, 0.0, T * T * T / 3.0, 0.5 * T * T, 0.0, T, 0.0, 0.0
    return singer(T, alpha)


@kernel
def drift(T: float, alpha: float) -> float:
    """Compute F13 alone: how far an acceleration of 1 carries in `T >= 0` [s]."""
    if alpha == math.inf:
        return 0.0
    x = alpha * T
    if x < _SERIES_BELOW:
        last = _terms(x) - 1
        f1 = _COEFFICIENTS[8 * last]
        for n in range(last - 1, -1, -1):
            f1 = f1 * x + _COEFFICIENTS[8 * n]
        return float(T * T * f1)
    return (math.exp(-x) - 1.0 + x) / (alpha * alpha)
