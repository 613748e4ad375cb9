"""Covariance of (theta, w) of a turning body: 6 x 6 blocks, propagated, corrected and moved between tangent spaces.

theta is the rotation error in the body frame (right perturbation), w the body rate. Equations from J. Sola, "Quaternion
kinematics for the error-state Kalman filter", arXiv 1711.02508.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from twind.estimation.compile import inlined

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twind.estimation.quaternions import Vector


@inlined
def transition(work: NDArray[np.float64], x: float, y: float, z: float, T: float) -> None:
    """Write Exp(-phi) to work[0] and Jr(phi) T to work[1], for the rotation vector phi = (x, y, z) of one step."""
    square = x * x + y * y + z * z
    if square < 1e-8:
        s, c, d = 1.0 - square / 6.0, 0.5 - square / 24.0, 1.0 / 6.0 - square / 120.0
    else:
        angle = math.sqrt(square)
        s, c = math.sin(angle) / angle, (1.0 - math.cos(angle)) / square
        d = (1.0 - s) / square
    # Exp(-phi) = I - s [phi]x + c [phi]x^2,  Jr(phi) = I - c [phi]x + d [phi]x^2  (Sola eqs. 78 and 183)
    for m in range(2):
        first, second, scale = (s, c, 1.0) if m == 0 else (c, d, T)
        work[m, 0, 0] = scale * (1.0 - second * (y * y + z * z))
        work[m, 1, 1] = scale * (1.0 - second * (x * x + z * z))
        work[m, 2, 2] = scale * (1.0 - second * (x * x + y * y))
        work[m, 0, 1], work[m, 1, 0] = scale * (first * z + second * x * y), scale * (-first * z + second * x * y)
        work[m, 0, 2], work[m, 2, 0] = scale * (-first * y + second * x * z), scale * (first * y + second * x * z)
        work[m, 1, 2], work[m, 2, 1] = scale * (first * x + second * y * z), scale * (-first * x + second * y * z)


@inlined
def propagate(
    P: NDArray[np.float64], old: NDArray[np.float64], w: NDArray[np.float64], q: float, T: float, work: NDArray[np.float64]
) -> None:
    """Write to P (6, 6) what becomes of the covariance `old` of (theta, w) in T [s] of turning with w, driven by density q.

    With A = Exp(-w T), B = Jr(w T) T and blocks M, N, W of `old`: M' = A M A' + A N B' + B N' A' + B W B', N' = A N + B W.
    """
    transition(work, w[0] * T, w[1] * T, w[2] * T, T)
    for i in range(3):
        for j in range(3):
            n = c = 0.0
            for k in range(3):
                n += work[0, i, k] * old[k, 3 + j] + work[1, i, k] * old[3 + k, 3 + j]
                c += work[0, i, k] * old[k, j] + work[1, i, k] * old[j, 3 + k]
            P[i, 3 + j] = n
            work[2, i, j] = c  # A M + B N'
    for i in range(3):
        for j in range(i, 3):
            m = 0.0
            for k in range(3):
                m += work[2, i, k] * work[0, j, k] + P[i, 3 + k] * work[1, j, k]
            P[i, j] = P[j, i] = m
            P[3 + i, 3 + j] = P[3 + j, 3 + i] = old[3 + i, 3 + j]
    for i in range(3):
        P[i, i] += q * T * T * T / 3.0
        P[i, 3 + i] += q * T * T / 2.0
        P[3 + i, 3 + i] += q * T
        for j in range(3):
            P[3 + j, i] = P[i, 3 + j]


@inlined
def quadratic(P: NDArray[np.float64], first: int, r: Vector, y: Vector) -> float:
    """Compute y' (B + diag(r))^-1 y by Cholesky, B the block of theta (`first` = 0) or w (3); NaN when not positive."""
    l00 = math.sqrt(P[first, first] + r[0])
    l10, l20 = P[first + 1, first] / l00, P[first + 2, first] / l00
    l11 = math.sqrt(P[first + 1, first + 1] + r[1] - l10 * l10)
    l21 = (P[first + 2, first + 1] - l20 * l10) / l11
    l22 = math.sqrt(P[first + 2, first + 2] + r[2] - l20 * l20 - l21 * l21)
    a = y[0] / l00
    b = (y[1] - l10 * a) / l11
    c = (y[2] - l20 * a - l21 * b) / l22
    return float(a * a + b * b + c * c)


@inlined
def correct(P: NDArray[np.float64], first: int, r: Vector, y: Vector, dx: NDArray[np.float64], K: NDArray[np.float64]) -> None:
    """Apply scalar measurements of theta (`first` = 0) or w (3) to P in Joseph form; add the correction to `dx` (6,)."""
    for m in range(3):
        i = first + m
        s, e = P[i, i] + r[m], y[m] - dx[i]
        rate = 1.0 / s
        left = r[m] * rate  # 1 - K_i
        h = (P[0, i], P[1, i], P[2, i], P[3, i], P[4, i], P[5, i])
        for a in range(6):
            K[a] = h[a] * rate
        for a in range(6):
            # (I - K H) P (I - K H)' + K r K', of which the row of ((I - K H) P) H' is `rest`
            rest = left * P[i, i] if a == i else h[a] - K[a] * h[i]
            gain, joseph = K[a], K[a] * r[m] - rest
            dx[a] += gain * e
            for b in range(a, 6):
                P[b, a] += joseph * K[b] - gain * h[b]
        for a in range(6):
            for b in range(a):
                P[b, a] = P[a, b]


@inlined
def move_tangent(P: NDArray[np.float64], x: float, y: float, z: float, work: NDArray[np.float64]) -> None:
    """Move P to the tangent space after an injected rotation: G P G', G = I - [dtheta]x / 2 (Sola eqs. 286, 287)."""
    x, y, z = 0.5 * x, 0.5 * y, 0.5 * z
    for j in range(6):  # rows of theta: G times the block, G v = v - dtheta x v / 2
        a, b, c = P[0, j], P[1, j], P[2, j]
        P[0, j], P[1, j], P[2, j] = a + z * b - y * c, b + x * c - z * a, c + y * a - x * b
    for i in range(3):
        a, b, c = P[i, 0], P[i, 1], P[i, 2]
        work[0, i, 0], work[0, i, 1], work[0, i, 2] = a + z * b - y * c, b + x * c - z * a, c + y * a - x * b
    for i in range(3):
        for j in range(3):
            P[3 + j, i] = P[i, 3 + j]
        for j in range(i, 3):
            P[i, j] = P[j, i] = work[0, i, j]
