"""Covariance of (theta, w) of a turning body: 6 x 6 blocks, propagated, corrected and moved between tangent spaces.

theta is the rotation error in the body frame (right perturbation), w the body rate. Equations from J. Sola, "Quaternion
kinematics for the error-state Kalman filter", arXiv 1711.02508.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from twind.estimation.compile import kernel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twind.estimation.quaternions import Vector


@kernel
def product(out: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]) -> None:
    """Write a b of 3 x 3 matrices to `out`, which must be neither."""
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]


@kernel
def product_transposed(out: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]) -> None:
    """Write a b' of 3 x 3 matrices to `out`, which must be neither."""
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[j, 0] + a[i, 1] * b[j, 1] + a[i, 2] * b[j, 2]


@kernel
def transition(A: NDArray[np.float64], B: NDArray[np.float64], x: float, y: float, z: float, T: float) -> None:
    """Write Exp(-phi) to A and Jr(phi) T to B, for the rotation vector phi = (x, y, z) of one step."""
    square = x * x + y * y + z * z
    if square < 1e-8:
        s, c, d = 1.0 - square / 6.0, 0.5 - square / 24.0, 1.0 / 6.0 - square / 120.0
    else:
        angle = math.sqrt(square)
        s, c = math.sin(angle) / angle, (1.0 - math.cos(angle)) / square
        d = (1.0 - s) / square
    # Exp(-phi) = I - s [phi]x + c [phi]x^2,  Jr(phi) = I - c [phi]x + d [phi]x^2  (Sola eqs. 78 and 183)
    for first, second, out, scale in ((s, c, A, 1.0), (c, d, B, T)):
        out[0, 0] = scale * (1.0 - second * (y * y + z * z))
        out[1, 1] = scale * (1.0 - second * (x * x + z * z))
        out[2, 2] = scale * (1.0 - second * (x * x + y * y))
        out[0, 1], out[1, 0] = scale * (first * z + second * x * y), scale * (-first * z + second * x * y)
        out[0, 2], out[2, 0] = scale * (-first * y + second * x * z), scale * (first * y + second * x * z)
        out[1, 2], out[2, 1] = scale * (first * x + second * y * z), scale * (-first * x + second * y * z)


@kernel
def propagate(
    P: NDArray[np.float64], old: NDArray[np.float64], w: NDArray[np.float64], q: float, T: float, work: NDArray[np.float64]
) -> None:
    """Write to P (6, 6) what becomes of the covariance `old` of (theta, w) in T [s] of turning with w, driven by density q."""
    A, B, C, N = work[0], work[1], work[2], work[3]
    transition(A, B, w[0] * T, w[1] * T, w[2] * T, T)
    product(N, A, old[:3, 3:])
    product(C, B, old[3:, 3:])
    for i in range(3):
        for j in range(3):
            N[i, j] += C[i, j]  # A N + B W
    product(C, A, old[:3, :3])
    product(work[4], B, old[3:, :3])
    for i in range(3):
        for j in range(3):
            C[i, j] += work[4, i, j]  # A M + B N'
    product_transposed(work[4], C, A)
    product_transposed(work[5], N, B)
    for i in range(3):
        for j in range(i, 3):
            P[i, j] = P[j, i] = work[4, i, j] + work[5, i, j]
            P[3 + i, 3 + j] = P[3 + j, 3 + i] = old[3 + i, 3 + j]
        for j in range(3):
            P[i, 3 + j] = P[3 + j, i] = N[i, j]
    for i in range(3):
        P[i, i] += q * T * T * T / 3.0
        P[i, 3 + i] += q * T * T / 2.0
        P[3 + i, i] = P[i, 3 + i]
        P[3 + i, 3 + i] += q * T


@kernel
def quadratic(P: NDArray[np.float64], r: Vector, y: Vector) -> float:
    """Compute y' (P + diag(r))^-1 y of 3 x 3 matrices by Cholesky; NaN when the sum is not positive."""
    l00 = math.sqrt(P[0, 0] + r[0])
    l10, l20 = P[1, 0] / l00, P[2, 0] / l00
    l11 = math.sqrt(P[1, 1] + r[1] - l10 * l10)
    l21 = (P[2, 1] - l20 * l10) / l11
    l22 = math.sqrt(P[2, 2] + r[2] - l20 * l20 - l21 * l21)
    a = y[0] / l00
    b = (y[1] - l10 * a) / l11
    c = (y[2] - l20 * a - l21 * b) / l22
    return float(a * a + b * b + c * c)


@kernel
def correct(
    P: NDArray[np.float64], first: int, r: Vector, y: Vector, dx: NDArray[np.float64], K: NDArray[np.float64]
) -> None:
    """Apply scalar measurements of theta (`first` = 0) or w (3) to P in Joseph form; add the correction to `dx` (6,)."""
    for m in range(3):
        i = first + m
        s = P[i, i] + r[m]
        for a in range(6):
            K[0, a] = P[a, i] / s
            K[1, a] = P[a, i]
        e = y[m] - dx[i]
        pii = P[i, i]
        for a in range(6):
            dx[a] += K[0, a] * e
            left = K[1, a] - K[0, a] * pii  # ((I - K H) P) H'
            for b in range(a, 6):
                P[a, b] += K[0, a] * r[m] * K[0, b] - K[0, a] * K[1, b] - left * K[0, b]
                P[b, a] = P[a, b]


@kernel
def move_tangent(P: NDArray[np.float64], x: float, y: float, z: float, work: NDArray[np.float64]) -> None:
    """Move P to the tangent space after an injected rotation: G P G', G = I - [dtheta]x / 2 (Sola eqs. 286, 287)."""
    G = work[0]
    G[0, 0] = G[1, 1] = G[2, 2] = 1.0
    G[0, 1], G[1, 0] = 0.5 * z, -0.5 * z
    G[0, 2], G[2, 0] = -0.5 * y, 0.5 * y
    G[1, 2], G[2, 1] = 0.5 * x, -0.5 * x
    product(work[1], G, P[:3, :3])
    product_transposed(work[2], work[1], G)
    product(work[3], G, P[:3, 3:])
    for i in range(3):
        for j in range(3):
            P[i, 3 + j] = P[3 + j, i] = work[3, i, j]
        for j in range(i, 3):
            P[i, j] = P[j, i] = work[2, i, j]
