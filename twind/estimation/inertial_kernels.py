"""Kernels of the inertial filter: fifteen error states, with an IMU as the input that drives them.

Nominal state p, v (world), q (body to world) and the biases of gyroscope and accelerometer. Error state (dp, dv, dtheta, dbg,
dba), rotation error in the body frame. J. Sola, "Quaternion kinematics for the error-state Kalman filter", arXiv 1711.02508:
nominal integration (eq. 260), error transition (eqs. 268 to 270), injection and reset (eqs. 283 to 287). The newest IMU sample
holds until the next; after `HELD_S` it says nothing any more and the configured process noise takes its place.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.estimation import measurement_noise
from twind.estimation.compile import kernel
from twind.estimation.imu_attitude import track_attitude
from twind.estimation.pose_frozen import note_agreement, watch_motion, watch_pose
from twind.estimation.pose_kernels import (
    PRIOR_SPEED,
    RESTART_NS,
    RIVALS,
    challenge,
    note_interval,
    reset_track,
    start_track,
    states_position,
    states_rotation,
)  # fmt: skip
from twind.estimation.quaternions import conjugate, exponential, logarithm, multiply, normalised, rotate
from twind.estimation.rotation_covariance import quadratic
from twind.model.estimates import Verdict
from twind.model.messages import Channel
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.estimation.quaternions import Quaternion, Vector

INERTIAL_ROW = np.dtype(
    [
        ("P", "f8", (15, 15)), ("gyro_bias", "f8", (3,)), ("acc_bias", "f8", (3,)),
        ("gyro", "f8", (3,)), ("acc", "f8", (3,)), ("imu_ns", "i8"),  # newest IMU sample
    ],
    align=True,
)  # fmt: skip

GRAVITY = 9.80665  # m/s^2
HELD_S = 0.1
GYRO_NOISE, ACC_NOISE = 0.005**2, 0.05**2  # spectral densities [rad^2/s] and [m^2/s^3]: a sensor shaken on a machine
GYRO_WALK, ACC_WALK = 0.0005**2, 0.005**2  # of the biases [rad^2/s^3] and [m^2/s^5]
GYRO_PRIOR, ACC_PRIOR = 0.1**2, 0.3**2  # of the biases at the start [rad^2/s^2] and [m^2/s^4]
TOP_GYRO, TOP_FORCE = 60.0, 500.0  # rad/s and m/s^2 beyond which no sensor measures

_ACCEPTED, _GATED, _RESET = int(Verdict.ACCEPTED), int(Verdict.GATED), int(Verdict.RESET)
_POSE, _TWIST_WORLD, _IMU = int(Channel.POSE), int(Channel.TWIST_WORLD), int(Channel.IMU)


@kernel
def _begin(s: Any, ine: Any, rp: Vector, rq: Vector) -> None:
    """Give a fresh track its covariance; the biases stay what they were, and grow uncertain."""
    ine.P[:, :] = 0.0
    for i in range(3):
        ine.P[i, i], ine.P[3 + i, 3 + i], ine.P[6 + i, 6 + i] = rp[i], PRIOR_SPEED * PRIOR_SPEED, rq[i]
        ine.P[9 + i, 9 + i], ine.P[12 + i, 12 + i] = GYRO_PRIOR, ACC_PRIOR
    _mirror(s, ine)


@kernel
def _take_back(P: NDArray[np.float64], group: int, ratio: float) -> None:
    """Take back what P (15, 15) concluded from noise that turns out to be `ratio` times as large; see `measurement_noise`."""
    root = math.sqrt(ratio)
    for i in range(15):
        rotational = 6 <= i < 12  # rotation and the bias of the gyroscope; else position, velocity, that of the accelerometer
        if rotational == (group == 1):
            for k in range(15):
                P[i, k] *= root
                P[k, i] *= root


@kernel
def _mirror(s: Any, ine: Any) -> None:
    """Show rate and covariance where prediction reads them."""
    for i in range(3):
        s.w[i] = ine.gyro[i] - ine.gyro_bias[i]
        s.pp[i], s.pv[i], s.vv[i] = ine.P[i, i], ine.P[i, 3 + i], ine.P[3 + i, 3 + i]
        for j in range(3):
            s.P[i, j] = ine.P[6 + i, 6 + j]
            s.P[i, 3 + j] = s.P[3 + j, i] = -ine.P[6 + i, 9 + j]
            s.P[3 + i, 3 + j] = ine.P[9 + i, 9 + j]


@kernel
def _acceleration(s: Any, ine: Any, t: int) -> Vector:
    """Compute the acceleration in the world that the newest IMU sample shows; none when there is no fresh one."""
    if ine.imu_ns == NO_STAMP or (t - ine.imu_ns) * 1e-9 > HELD_S:
        return (0.0, 0.0, 0.0)
    a = (ine.acc[0] - ine.acc_bias[0], ine.acc[1] - ine.acc_bias[1], ine.acc[2] - ine.acc_bias[2])
    x, y, z = rotate((s.q[0], s.q[1], s.q[2], s.q[3]), a)
    return (x, y, z - GRAVITY)


@kernel
def _propagate(P: NDArray[np.float64], s: Any, ine: Any, T: float, q_position: float, q_rotation: float) -> None:
    """Carry P (15, 15) over T [s]: rows, then columns, in the order in which they need each other's old values."""
    q = (s.q[0], s.q[1], s.q[2], s.q[3])
    a = (ine.acc[0] - ine.acc_bias[0], ine.acc[1] - ine.acc_bias[1], ine.acc[2] - ine.acc_bias[2])
    w = (s.w[0] * T, s.w[1] * T, s.w[2] * T)
    back = conjugate(exponential(w[0], w[1], w[2]))
    for side in range(2):
        for k in range(15):
            for i in range(3):
                if side == 0:
                    P[i, k] += T * P[3 + i, k]
                else:
                    P[k, i] += T * P[k, 3 + i]
            if side == 0:
                theta, force = (P[6, k], P[7, k], P[8, k]), (P[12, k], P[13, k], P[14, k])
                rate = (P[9, k], P[10, k], P[11, k])
            else:
                theta, force = (P[k, 6], P[k, 7], P[k, 8]), (P[k, 12], P[k, 13], P[k, 14])
                rate = (P[k, 9], P[k, 10], P[k, 11])
            # dv' = dv - R ([a]x dtheta + dba) T,  dtheta' = Exp(-w T) dtheta - dbg T
            pushed = rotate(
                q,
                (
                    a[1] * theta[2] - a[2] * theta[1] + force[0],
                    a[2] * theta[0] - a[0] * theta[2] + force[1],
                    a[0] * theta[1] - a[1] * theta[0] + force[2],
                ),
            )
            turned = rotate(back, theta)
            for i in range(3):
                if side == 0:
                    P[3 + i, k] -= T * pushed[i]
                    P[6 + i, k] = turned[i] - T * rate[i]
                else:
                    P[k, 3 + i] -= T * pushed[i]
                    P[k, 6 + i] = turned[i] - T * rate[i]
    for i in range(3):
        P[i, i] += q_position * T * T * T / 3.0
        P[i, 3 + i] += q_position * T * T / 2.0
        P[3 + i, i] += q_position * T * T / 2.0
        P[3 + i, 3 + i] += q_position * T
        P[6 + i, 6 + i] += q_rotation * T
        P[9 + i, 9 + i] += GYRO_WALK * T
        P[12 + i, 12 + i] += ACC_WALK * T
    for i in range(15):
        for j in range(i):
            P[i, j] = P[j, i] = 0.5 * (P[i, j] + P[j, i])


@kernel
def _correct(P: NDArray[np.float64], i: int, r: float, y: float, dx: NDArray[np.float64], K: NDArray[np.float64]) -> None:
    """Apply one scalar measurement of error state i to P (15, 15) in Joseph form; add the correction to `dx` (15,)."""
    s, e = P[i, i] + r, y - dx[i]
    left, own = r / s, P[i, i]
    for a in range(15):
        K[0, a] = P[a, i]
        K[1, a] = P[a, i] / s
        dx[a] += K[1, a] * e
    for a in range(15):
        rest = left * own if a == i else K[0, a] - K[1, a] * own
        for b in range(a, 15):
            P[a, b] += K[1, a] * r * K[1, b] - K[1, a] * K[0, b] - rest * K[1, b]
            P[b, a] = P[a, b]


@kernel
def _inject(s: Any, ine: Any, q: Quaternion, P: NDArray[np.float64], dx: NDArray[np.float64]) -> None:
    """Add the correction to the predicted state, and move the covariance to the new tangent space."""
    x, y, z = 0.5 * dx[6], 0.5 * dx[7], 0.5 * dx[8]
    for k in range(15):
        a, b, c = P[6, k], P[7, k], P[8, k]
        P[6, k], P[7, k], P[8, k] = a + z * b - y * c, b + x * c - z * a, c + y * a - x * b
    for k in range(15):
        a, b, c = P[k, 6], P[k, 7], P[k, 8]
        P[k, 6], P[k, 7], P[k, 8] = a + z * b - y * c, b + x * c - z * a, c + y * a - x * b
    for i in range(3):
        s.p[i] += dx[i]
        s.v[i] += dx[3 + i]
        ine.gyro_bias[i] += dx[9 + i]
        ine.acc_bias[i] += dx[12 + i]
    s.q[0], s.q[1], s.q[2], s.q[3] = normalised(multiply(q, exponential(dx[6], dx[7], dx[8])))
    for i in range(15):
        for j in range(15):
            ine.P[i, j] = 0.5 * (P[i, j] + P[j, i])


@kernel
def use_inertial_sample(
    s: Any, c: Any, ine: Any, sample: Any, gate: float, P: NDArray[np.float64], dx: NDArray[np.float64], K: NDArray[np.float64]
) -> tuple[int, float]:
    """Use one sample of a body whose IMU drives it; return its verdict and distance."""
    t, kind = sample.t_ns, sample.channel
    a = (sample.linear[0], sample.linear[1], sample.linear[2])
    b = (sample.angular[0], sample.angular[1], sample.angular[2])
    ra = (sample.linear_var[0], sample.linear_var[1], sample.linear_var[2])
    rb = (sample.angular_var[0], sample.angular_var[1], sample.angular_var[2])
    z = (sample.angular[0], sample.angular[1], sample.angular[2], sample.angular[3])
    if kind == _IMU:
        if max(abs(a[0]), abs(a[1]), abs(a[2])) > TOP_FORCE or max(abs(b[0]), abs(b[1]), abs(b[2])) > TOP_GYRO:
            return _GATED, math.nan
        for i in range(3):
            ine.acc[i], ine.gyro[i] = a[i], b[i]
        ine.imu_ns = t
    thawed = kind == _POSE and watch_pose(s, t, a, z)
    fresh = s.posed == 1 and s.t_ns != NO_STAMP and t - s.t_ns <= RESTART_NS and not thawed
    if not fresh:
        if kind != _POSE:
            tracked = kind == _IMU and s.posed == 0
            return (_ACCEPTED, track_attitude(s, t, a, b)) if tracked else (_GATED, math.nan)
        still = (0.0, 0.0, 0.0)
        start_track(s, c, a, z, still, still, ra, rb, t)
        _begin(s, ine, ra, rb)
        return _ACCEPTED, math.nan

    since = (t - s.pose_ns) * 1e-9
    young = s.noise_seen < measurement_noise.YOUNG
    mean_p, mean_q = (ra[0] + ra[1] + ra[2]) / 3.0, (rb[0] + rb[1] + rb[2]) / 3.0
    if kind == _POSE:
        stated, turn_stated = states_position(c, ra), states_rotation(c, rb)
        scale = measurement_noise.applied(s.noise_factor[0], stated)
        turn_scale = measurement_noise.applied(s.noise_factor[1], turn_stated)
        if young:  # also from what will be refused: who knows the noise too small refuses too much
            before, turn_before = scale, turn_scale
            measurement_noise.learn(s, t, a, z, mean_p, mean_q)
            scale = measurement_noise.applied(s.noise_factor[0], stated)
            turn_scale = measurement_noise.applied(s.noise_factor[1], turn_stated)
            if scale > before:
                _take_back(ine.P, 0, scale / before)
            if turn_scale > turn_before:
                _take_back(ine.P, 1, turn_scale / turn_before)
        ra = (scale * ra[0], scale * ra[1], scale * ra[2])
        rb = (turn_scale * rb[0], turn_scale * rb[1], turn_scale * rb[2])
    T = (t - s.t_ns) * 1e-9
    held = ine.imu_ns != NO_STAMP and (t - ine.imu_ns) * 1e-9 <= HELD_S
    if not held:  # no IMU any more: coast as a body without one would
        for i in range(3):
            ine.gyro[i] = s.w[i] + ine.gyro_bias[i]
    push = _acceleration(s, ine, t)
    for i in range(3):
        s.w[i] = ine.gyro[i] - ine.gyro_bias[i]
    for i in range(15):
        for j in range(15):
            P[i, j] = ine.P[i, j]
    _propagate(P, s, ine, T, ACC_NOISE if held else c.q_position, GYRO_NOISE if held else c.q_rotation)
    turned = normalised(multiply((s.q[0], s.q[1], s.q[2], s.q[3]), exponential(s.w[0] * T, s.w[1] * T, s.w[2] * T)))
    p = (
        s.p[0] + T * (s.v[0] + 0.5 * T * push[0]),
        s.p[1] + T * (s.v[1] + 0.5 * T * push[1]),
        s.p[2] + T * (s.v[2] + 0.5 * T * push[2]),
    )
    v = (s.v[0] + T * push[0], s.v[1] + T * push[1], s.v[2] + T * push[2])
    dx[:] = 0.0
    nis = math.nan
    if kind != _IMU:
        late = sample.sigma_t * sample.sigma_t
        if kind == _POSE:
            first, second = 0, 6
            y = (a[0] - p[0], a[1] - p[1], a[2] - p[2])
            e = logarithm(normalised(multiply(conjugate(turned), z)))
            ra = (ra[0] + late * v[0] ** 2, ra[1] + late * v[1] ** 2, ra[2] + late * v[2] ** 2)
            rb = (rb[0] + late * s.w[0] ** 2, rb[1] + late * s.w[1] ** 2, rb[2] + late * s.w[2] ** 2)
        else:
            first, second = 3, 9
            if kind == _TWIST_WORLD:
                b = rotate(conjugate(turned), b)
            else:
                most = max(ra[0], ra[1], ra[2]) + max(P[6, 6], P[7, 7], P[8, 8]) * (a[0] ** 2 + a[1] ** 2 + a[2] ** 2)
                ra, a = (most, most, most), rotate(turned, a)
            y = (a[0] - v[0], a[1] - v[1], a[2] - v[2])
            e = (s.w[0] - b[0], s.w[1] - b[1], s.w[2] - b[2])  # of the bias: the gyroscope shows w + bg
        nis_linear, nis_angular = quadratic(P, first, ra, y), quadratic(P, second, rb, e)
        nis = nis_linear + nis_angular
        if not (nis_linear <= gate and nis_angular <= gate):
            if kind == _POSE and challenge(s, a, z, ra, rb, t):
                agree = s.rivals >= RIVALS
                start = (s.rival_v[0], s.rival_v[1], s.rival_v[2]) if agree else (0.0, 0.0, 0.0)
                reset_track(s, c, a, z, start, (s.w[0], s.w[1], s.w[2]), ra, rb, t)
                _begin(s, ine, ra, rb)
                return _RESET, nis
            return _GATED, nis
        for i in range(3):
            _correct(P, first + i, ra[i], y[i], dx, K)
        for i in range(3):
            _correct(P, second + i, rb[i], e[i], dx, K)
    for i in range(3):
        s.p[i], s.v[i] = p[i], v[i]
    _inject(s, ine, turned, P, dx)
    _mirror(s, ine)
    s.t_ns = t
    if kind == _POSE:
        if not young:
            measurement_noise.learn(s, t, a, z, mean_p, mean_q)
        note_interval(s, since)
        s.pose_ns = t
        s.rivals = s.refused = 0
    else:
        watch_motion(s, t, (0.0, 0.0, 0.0) if kind == _IMU else a, b)  # with its bias, which poses that stand would change
        note_agreement(s)
    return _ACCEPTED, nis
