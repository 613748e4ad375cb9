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

import numpy as np

from twind.estimation.compile import inlined, kernel

_TERMS, _SERIES_BELOW = 18, 0.5
"""Terms of the series, and the alpha T below which so many are exact to float64."""

_FEW_TERMS, _FEW_BELOW = 10, 0.06
_FEWEST_TERMS, _FEWEST_BELOW = 6, 0.004


def _series() -> np.ndarray:
    """Tabulate (terms, 8) coefficients in alpha T of f1/T^2, f2/T, then Q11, Q12, Q13, Q22, Q23, Q33 over q T^(powers)."""

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
    return np.array([[float(value) for value in row] for row in table]).T.copy()


_COEFFICIENTS = _series()


@inlined
def _terms(x: float) -> int:
    """Return how many terms are exact to float64: the last one left out is (2 x)^n / (n + 1)! of the first, or less."""
    if x < _FEWEST_BELOW:
        return _FEWEST_TERMS
    return _FEW_TERMS if x < _FEW_BELOW else _TERMS


@inlined
def _polynomials(x: float) -> tuple[float, float, float, float, float, float, float, float]:
    """Evaluate all columns of the table by Horner's rule, side by side: none waits for another."""
    c, last = _COEFFICIENTS, _terms(x) - 1
    a0, a1, a2, a3 = c[last, 0], c[last, 1], c[last, 2], c[last, 3]
    a4, a5, a6, a7 = c[last, 4], c[last, 5], c[last, 6], c[last, 7]
    for n in range(last - 1, -1, -1):
        a0, a1, a2, a3 = a0 * x + c[n, 0], a1 * x + c[n, 1], a2 * x + c[n, 2], a3 * x + c[n, 3]
        a4, a5, a6, a7 = a4 * x + c[n, 4], a5 * x + c[n, 5], a6 * x + c[n, 6], a7 * x + c[n, 7]
    return a0, a1, a2, a3, a4, a5, a6, a7


@kernel
def singer(T: float, alpha: float) -> tuple[float, float, float, float, float, float, float, float, float]:
    """Compute (F13, F23, F33, Q11, Q12, Q13, Q22, Q23, Q33) for `T >= 0` [s] and `alpha >= 0` [1/s], with q = 1."""
    x = alpha * T
    if x < _SERIES_BELOW:
        f1, f2, q11, q12, q13, q22, q23, q33 = _polynomials(x)
        T2 = T * T
        T3 = T2 * T
        return (
            T2 * f1,
            T * f2,
            1.0 - x * f2,
            T2 * T3 * q11,
            T2 * T2 * q12,
            T3 * q13,
            T3 * q22,
            T2 * q23,
            T * q33,
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
        f1 = _COEFFICIENTS[last, 0]
        for n in range(last - 1, -1, -1):
            f1 = f1 * x + _COEFFICIENTS[n, 0]
        return float(T * T * f1)
    return (math.exp(-x) - 1.0 + x) / (alpha * alpha)
