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

_TERMS = 18
_SHORT_TERMS = 8
_SERIES_BELOW = 0.5  # alpha T; 18 terms are exact to float64 there
_SHORT_BELOW = 0.02  # alpha T; 8 terms are exact to float64 there


def _series() -> np.ndarray:
    """Tabulate (8, terms) coefficients in alpha T of f1/T^2, f2/T, then Q11, Q12, Q13, Q22, Q23, Q33 over q T^(powers)."""

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
    return np.array([[float(value) for value in row] for row in table])


_COEFFICIENTS = _series()


@inlined
def _polynomials(x: float, terms: int) -> tuple[float, float, float, float, float, float, float, float]:
    """Evaluate all rows of the table by Horner's rule, side by side: none waits for another."""
    c, last = _COEFFICIENTS, terms - 1
    a0, a1, a2, a3 = c[0, last], c[1, last], c[2, last], c[3, last]
    a4, a5, a6, a7 = c[4, last], c[5, last], c[6, last], c[7, last]
    for n in range(last - 1, -1, -1):
        a0, a1, a2, a3 = a0 * x + c[0, n], a1 * x + c[1, n], a2 * x + c[2, n], a3 * x + c[3, n]
        a4, a5, a6, a7 = a4 * x + c[4, n], a5 * x + c[5, n], a6 * x + c[6, n], a7 * x + c[7, n]
    return a0, a1, a2, a3, a4, a5, a6, a7


@kernel
def singer(T: float, alpha: float) -> tuple[float, float, float, float, float, float, float, float, float]:
    """Compute (F13, F23, F33, Q11, Q12, Q13, Q22, Q23, Q33) for `T >= 0` [s] and `alpha >= 0` [1/s], with q = 1."""
    x = alpha * T
    decay = math.exp(-x)
    if x < _SERIES_BELOW:
        terms = _SHORT_TERMS if x < _SHORT_BELOW else _TERMS
        f1, f2, q11, q12, q13, q22, q23, q33 = _polynomials(x, terms)
        T2 = T * T
        T3 = T2 * T
        return (
            T2 * f1,
            T * f2,
            decay,
            T2 * T3 * q11,
            T2 * T2 * q12,
            T3 * q13,
            T3 * q22,
            T2 * q23,
            T * q33,
        )
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
