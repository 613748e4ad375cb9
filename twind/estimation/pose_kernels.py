"""Kernels of the pose filter: an error-state Kalman filter on R^3 x SO(3), one record per body.

Nominal state p, v (world), q (body to world), w (body). Error state (dp, dv, dtheta, dw) with the rotation error in the body
frame, `q_true = q Exp(dtheta)` (right perturbation). Constant velocity and constant body angular velocity, driven by white
acceleration. Equations from J. Sola, "Quaternion kinematics for the error-state Kalman filter", arXiv 1711.02508: integration
(eq. 214), transition `dtheta' = Exp(-w T) dtheta + Jr(w T) T dw` (eqs. 183 and 238), injection and reset (eqs. 283 to 287).

With diagonal measurement noise the twelve states fall into blocks that never couple: (p, v) of each world axis, 2 x 2, and
(theta, w), 6 x 6. Measurements are applied one scalar at a time, which for diagonal noise equals the block update.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.estimation.compile import kernel
from twind.estimation.quaternions import conjugate, exponential, logarithm, multiply, normalised
from twind.model.estimates import Verdict
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.estimation.quaternions import Quaternion, Vector

POSE_ROW = np.dtype(
    [
        ("t_ns", "i8"),  # stamp of the newest sample used; NO_STAMP before the first
        ("p", "f8", (3,)), ("v", "f8", (3,)), ("q", "f8", (4,)), ("w", "f8", (3,)),
        ("pp", "f8", (3,)), ("pv", "f8", (3,)), ("vv", "f8", (3,)),  # covariance per world axis
        ("P", "f8", (6, 6)),  # covariance of (theta, w), body frame
        ("r_position", "f8"), ("r_rotation", "f8"),  # variances where the message states none
        ("q_position", "f8"), ("q_rotation", "f8"),  # spectral densities of the accelerations
        ("rival_t", "i8"), ("rival_p", "f8", (3,)), ("rival_q", "f8", (4,)),  # newest of the rejected that agree
        ("rival_v", "f8", (3,)), ("rival_w", "f8", (3,)),
        ("rivals", "i8"),  # how many of them
        ("behind", "i8"),  # samples in a row that are far older than the state
        ("resets", "i8"),
    ],
    align=True,
)  # fmt: skip

LARGEST = 1e9  # m; beyond it a number is no measurement
FARTHEST_NS = 2**62  # stamps beyond it could overflow a difference
RESTART_NS = 2_000_000_000  # a silence after which the old motion says nothing
RIVALS = 3  # mutually consistent rejections that win
BEHIND = 10  # samples in a row from long ago: time itself was set back
PRIOR_SPEED, PRIOR_RATE = 3.0, 5.0  # m/s and rad/s, one sigma, of a body never seen
TOP_SPEED, TOP_RATE, TOP_ACCELERATION = 20.0, 40.0, 200.0  # m/s, rad/s, m/s^2 that mutually consistent samples may show

_ACCEPTED, _GATED, _RESET = int(Verdict.ACCEPTED), int(Verdict.GATED), int(Verdict.RESET)
_DUPLICATE, _TOO_OLD, _FUTURE, _NOT_FINITE = (
    int(Verdict.DUPLICATE), int(Verdict.TOO_OLD), int(Verdict.FUTURE), int(Verdict.NOT_FINITE),
)  # fmt: skip


@kernel
def _product(out: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]) -> None:
    """Write a b of 3 x 3 matrices to `out`, which must be neither."""
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]


@kernel
def _product_transposed(out: NDArray[np.float64], a: NDArray[np.float64], b: NDArray[np.float64]) -> None:
    """Write a b' of 3 x 3 matrices to `out`, which must be neither."""
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[j, 0] + a[i, 1] * b[j, 1] + a[i, 2] * b[j, 2]


@kernel
def _transition(A: NDArray[np.float64], B: NDArray[np.float64], x: float, y: float, z: float, T: float) -> None:
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
def _propagate(P: NDArray[np.float64], row: Any, T: float, work: NDArray[np.float64]) -> None:
    """Write the covariance of (theta, w) after T [s] to P (6, 6)."""
    A, B, C, N = work[0], work[1], work[2], work[3]
    _transition(A, B, row.w[0] * T, row.w[1] * T, row.w[2] * T, T)
    old = row.P
    _product(N, A, old[:3, 3:])
    _product(C, B, old[3:, 3:])
    for i in range(3):
        for j in range(3):
            N[i, j] += C[i, j]  # A N + B W
    _product(C, A, old[:3, :3])
    _product(work[4], B, old[3:, :3])
    for i in range(3):
        for j in range(3):
            C[i, j] += work[4, i, j]  # A M + B N'
    _product_transposed(work[4], C, A)
    _product_transposed(work[5], N, B)
    q = row.q_rotation
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
def _quadratic(P: NDArray[np.float64], r: Vector, y: Vector) -> float:
    """Compute y' (P[:3, :3] + diag(r))^-1 y by Cholesky; NaN when the matrix is not positive."""
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
def _correct(P: NDArray[np.float64], r: Vector, y: Vector, dx: NDArray[np.float64], K: NDArray[np.float64]) -> None:
    """Apply three scalar measurements of theta to P in Joseph form; add the correction of (theta, w) to `dx`."""
    for i in range(3):
        s = P[i, i] + r[i]
        for a in range(6):
            K[0, a] = P[a, i] / s
            K[1, a] = P[a, i]
        e = y[i] - dx[i]
        pii = P[i, i]
        for a in range(6):
            dx[a] += K[0, a] * e
            left = K[1, a] - K[0, a] * pii  # ((I - K H) P) H'
            for b in range(a, 6):
                P[a, b] += K[0, a] * r[i] * K[0, b] - K[0, a] * K[1, b] - left * K[0, b]
                P[b, a] = P[a, b]


@kernel
def _reset(P: NDArray[np.float64], x: float, y: float, z: float, work: NDArray[np.float64]) -> None:
    """Move P to the tangent space after an injected rotation: G P G', G = I - [dtheta]x / 2 (Sola eqs. 286, 287)."""
    G = work[0]
    G[0, 0] = G[1, 1] = G[2, 2] = 1.0
    G[0, 1], G[1, 0] = 0.5 * z, -0.5 * z
    G[0, 2], G[2, 0] = -0.5 * y, 0.5 * y
    G[1, 2], G[2, 1] = 0.5 * x, -0.5 * x
    _product(work[1], G, P[:3, :3])
    _product_transposed(work[2], work[1], G)
    _product(work[3], G, P[:3, 3:])
    for i in range(3):
        for j in range(3):
            P[i, 3 + j] = P[3 + j, i] = work[3, i, j]
        for j in range(i, 3):
            P[i, j] = P[j, i] = work[2, i, j]


@kernel
def _start(row: Any, p: Vector, q: Quaternion, rp: Vector, rq: Vector, t: int) -> None:
    """Begin a new track: the pose is known, the motion is not."""
    row.t_ns = t
    row.P[:, :] = 0.0
    for i in range(3):
        row.p[i], row.v[i], row.w[i] = p[i], 0.0, 0.0
        row.pp[i], row.pv[i], row.vv[i] = rp[i], 0.0, PRIOR_SPEED * PRIOR_SPEED
        row.P[i, i], row.P[3 + i, 3 + i] = rq[i], PRIOR_RATE * PRIOR_RATE
    row.q[0], row.q[1], row.q[2], row.q[3] = q
    row.rivals = 0
    row.behind = 0


@kernel
def _challenge(row: Any, p: Vector, q: Quaternion, t: int) -> bool:
    """Note a gated sample; say whether it completes enough rejections that agree with each other to overrule the state."""
    agrees = False
    if row.rivals > 0:
        dt = (t - row.rival_t) * 1e-9
        if dt <= 0.0:
            return False
        noise = 6.0 * math.sqrt(row.r_position)
        v = ((p[0] - row.rival_p[0]) / dt, (p[1] - row.rival_p[1]) / dt, (p[2] - row.rival_p[2]) / dt)
        turn = logarithm(multiply(conjugate((row.rival_q[0], row.rival_q[1], row.rival_q[2], row.rival_q[3])), q))
        moved, turned = math.sqrt(v[0] ** 2 + v[1] ** 2 + v[2] ** 2) * dt, math.sqrt(turn[0] ** 2 + turn[1] ** 2 + turn[2] ** 2)
        agrees = dt * 1e9 < RESTART_NS and moved <= TOP_SPEED * dt + noise
        agrees = agrees and turned <= TOP_RATE * dt + 6.0 * math.sqrt(row.r_rotation)
        if agrees and row.rivals > 1:
            change = math.sqrt((v[0] - row.rival_v[0]) ** 2 + (v[1] - row.rival_v[1]) ** 2 + (v[2] - row.rival_v[2]) ** 2)
            agrees = change * dt <= TOP_ACCELERATION * dt * dt + 4.0 * noise
        for i in range(3):
            row.rival_v[i], row.rival_w[i] = v[i], turn[i] / dt
    row.rivals = row.rivals + 1 if agrees else 1
    row.rival_t = t
    for i in range(3):
        row.rival_p[i] = p[i]
    row.rival_q[0], row.rival_q[1], row.rival_q[2], row.rival_q[3] = q
    return bool(row.rivals >= RIVALS)


@kernel
def _measure(
    row: Any,
    t: int,
    sigma_t: float,
    p: Vector,
    q: Quaternion,
    rp: Vector,
    rq: Vector,
    gate: float,
    work: NDArray[np.float64],
    P: NDArray[np.float64],
    dx: NDArray[np.float64],
    K: NDArray[np.float64],
) -> tuple[int, float]:
    """Predict to the sample, gate it and update with it; the state changes only when the sample is used."""
    T = (t - row.t_ns) * 1e-9
    _propagate(P, row, T, work)
    turned = multiply((row.q[0], row.q[1], row.q[2], row.q[3]), exponential(row.w[0] * T, row.w[1] * T, row.w[2] * T))
    y = logarithm(normalised(multiply(conjugate(turned), q)))
    late = sigma_t * sigma_t  # a stamp that is off by dt puts the sample off by v dt
    rq = (
        rq[0] + late * (row.w[0] ** 2 + P[3, 3]),
        rq[1] + late * (row.w[1] ** 2 + P[4, 4]),
        rq[2] + late * (row.w[2] ** 2 + P[5, 5]),
    )
    nis_rotation = _quadratic(P, rq, y)
    nis_position = 0.0
    qp = row.q_position
    for i in range(3):
        pp = row.pp[i] + T * (2.0 * row.pv[i] + T * row.vv[i]) + qp * T * T * T / 3.0
        vv = row.vv[i] + qp * T
        e = p[i] - row.p[i] - T * row.v[i]
        nis_position += e * e / (pp + rp[i] + late * (row.v[i] ** 2 + vv))
    nis = nis_position + nis_rotation
    if not (nis_position <= gate and nis_rotation <= gate):
        if _challenge(row, p, q, t):
            v = (row.rival_v[0], row.rival_v[1], row.rival_v[2])
            w = (row.rival_w[0], row.rival_w[1], row.rival_w[2])
            _start(row, p, q, rp, rq, t)
            for i in range(3):
                row.v[i], row.w[i] = v[i], w[i]
            row.resets += 1
            return _RESET, nis
        return _GATED, nis

    for i in range(3):  # each world axis on its own
        pv = row.pv[i] + T * row.vv[i] + qp * T * T / 2.0
        pp = row.pp[i] + T * (2.0 * row.pv[i] + T * row.vv[i]) + qp * T * T * T / 3.0
        vv = row.vv[i] + qp * T
        r = rp[i] + late * (row.v[i] ** 2 + vv)
        s = pp + r
        k0, k1 = pp / s, pv / s
        predicted = row.p[i] + T * row.v[i]
        e = p[i] - predicted
        row.p[i] = predicted + k0 * e
        row.v[i] += k1 * e
        c = 1.0 - k0
        row.pp[i] = c * c * pp + r * k0 * k0
        row.pv[i] = c * (pv - k1 * pp) + r * k0 * k1
        row.vv[i] = vv - k1 * pv - k1 * (pv - k1 * pp) + r * k1 * k1

    dx[:] = 0.0
    _correct(P, rq, y, dx, K)
    _reset(P, dx[0], dx[1], dx[2], work)
    new = normalised(multiply(turned, exponential(dx[0], dx[1], dx[2])))
    row.q[0], row.q[1], row.q[2], row.q[3] = new
    for i in range(3):
        row.w[i] += dx[3 + i]
    for a in range(6):
        for b in range(6):
            row.P[a, b] = P[a, b]
    row.t_ns = t
    row.rivals = 0
    row.behind = 0
    return _ACCEPTED, nis


@kernel
def _stated(variance: float, default: float) -> float:
    """Honour a variance that the message states when it can be one."""
    return variance if 1e-12 <= variance <= 1e6 else default


@kernel
def ingest_poses(
    rows: NDArray[Any],
    index: NDArray[np.int32],
    t_ns: NDArray[np.int64],
    sigma_t: NDArray[np.float64],
    skip: NDArray[np.uint8],
    position: NDArray[np.float64],
    orientation: NDArray[np.float64],
    position_var: NDArray[np.float64],
    rotation_var: NDArray[np.float64],
    gate: float,
    work: NDArray[np.float64],
    P: NDArray[np.float64],
    dx: NDArray[np.float64],
    K: NDArray[np.float64],
    verdict: NDArray[np.uint8],
    nis: NDArray[np.float64],
) -> None:
    """Use M poses in order of arrival; see `PoseBank.ingest` for the columns."""
    for m in range(index.shape[0]):
        nis[m] = math.nan
        verdict[m] = skip[m]
        if skip[m] != _ACCEPTED:
            continue
        row = rows[index[m]]
        t = t_ns[m]
        p = (position[m, 0], position[m, 1], position[m, 2])
        q = (orientation[m, 0], orientation[m, 1], orientation[m, 2], orientation[m, 3])
        norm = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]
        # NaN fails every comparison; a quaternion far from unit length has lost its direction to rounding.
        if not (abs(p[0]) <= LARGEST and abs(p[1]) <= LARGEST and abs(p[2]) <= LARGEST and 1e-12 <= norm <= 1e12):
            verdict[m] = _NOT_FINITE
            continue
        if t > FARTHEST_NS or t < -FARTHEST_NS:
            verdict[m] = _FUTURE if t > 0 else _TOO_OLD
            continue
        q = normalised(q)
        rp = (
            _stated(position_var[m, 0], row.r_position),
            _stated(position_var[m, 1], row.r_position),
            _stated(position_var[m, 2], row.r_position),
        )
        rq = (
            _stated(rotation_var[m, 0], row.r_rotation),
            _stated(rotation_var[m, 1], row.r_rotation),
            _stated(rotation_var[m, 2], row.r_rotation),
        )
        if row.t_ns == NO_STAMP or t - row.t_ns > RESTART_NS:
            _start(row, p, q, rp, rq, t)
        elif t == row.t_ns:
            verdict[m] = _DUPLICATE
        elif t < row.t_ns:
            verdict[m] = _TOO_OLD
            row.behind = row.behind + 1 if row.t_ns - t > RESTART_NS else 0
            if row.behind >= BEHIND:
                _start(row, p, q, rp, rq, t)
                row.resets += 1
                verdict[m] = _RESET
        else:
            sigma = min(sigma_t[m], 1e3) if sigma_t[m] > 0.0 else 0.0
            verdict[m], nis[m] = _measure(row, t, sigma, p, q, rp, rq, gate, work, P, dx, K)


@kernel
def predict_poses(
    rows: NDArray[Any],
    target_ns: NDArray[np.int64],
    coast_ns: int,
    position: NDArray[np.float64],
    orientation: NDArray[np.float64],
    position_std: NDArray[np.float64],
    rotation_std: NDArray[np.float64],
) -> None:
    """Predict every body to its target without touching its state; see `PoseBank.predict`."""
    for n in range(rows.shape[0]):
        row = rows[n]
        if row.t_ns == NO_STAMP:
            position[n, 0] = position[n, 1] = position[n, 2] = 0.0
            orientation[n, 0], orientation[n, 1], orientation[n, 2], orientation[n, 3] = 1.0, 0.0, 0.0, 0.0
            position_std[n] = rotation_std[n] = math.inf
            continue
        target = row.t_ns if target_ns[n] == NO_STAMP else min(max(target_ns[n], -FARTHEST_NS), FARTHEST_NS)
        dt = max(target - row.t_ns, -coast_ns)
        T = dt * 1e-9
        moving = min(dt, coast_ns) * 1e-9
        near = noise = 0.0
        for i in range(3):
            position[n, i] = row.p[i] + moving * row.v[i]
            near += row.pp[i] + T * (2.0 * row.pv[i] + T * row.vv[i])
            noise += row.P[i, i] + T * (2.0 * row.P[i, 3 + i] + T * row.P[3 + i, 3 + i])
        q = multiply(
            (row.q[0], row.q[1], row.q[2], row.q[3]),
            exponential(row.w[0] * moving, row.w[1] * moving, row.w[2] * moving),
        )
        orientation[n, 0], orientation[n, 1], orientation[n, 2], orientation[n, 3] = normalised(q)
        grown = abs(T * T * T) / 3.0
        position_std[n] = math.sqrt(max(near / 3.0 + row.q_position * grown, 0.0))
        rotation_std[n] = math.sqrt(max(noise / 3.0 + row.q_rotation * grown, 0.0))
