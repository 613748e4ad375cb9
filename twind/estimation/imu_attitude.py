"""Attitude from an IMU alone, in the manner of VQF.

D. Laidig, T. Seel, "VQF: Highly accurate IMU orientation estimation with bias estimation and magnetic disturbance rejection",
Information Fusion 91, 2023: the gyroscope is integrated to a frame that hardly turns; only there is the specific force
low-passed (second-order Butterworth), so that accelerations of the body average out; what is left points up and corrects the
tilt. Heading drifts: nothing here observes it. While the sensor lies still its rate is its bias.

Stamps may be irregular: the low pass keeps output and slope and steps by the trapezoidal rule, which for a constant step is
the bilinear transform of the paper. The order of operations, and the averaging of the first seconds, are the paper's too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from twind.estimation.compile import kernel
from twind.estimation.quaternions import exponential, multiply, normalised, rotate
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    from twind.estimation.quaternions import Vector

TAU_S = 3.0  # of the low pass, as in the paper
GAP_NS = 2_000_000_000  # a silence after which the attitude starts anew
STILL_S, STILL_TAU_S = 1.5, 0.5  # how long signals must keep still, and the low pass that says around what
STILL_RATE, STILL_FORCE = math.radians(2.0), 0.5  # rad/s and m/s^2 off their low pass, as in the paper
MAX_BIAS, BIAS_TAU_S = math.radians(2.0), 3.0  # a larger rate at rest is a turning sensor
TILT_VAR = 0.02**2  # rad^2; what the paper's benchmark shows for its tilt
HEADING_WALK = 0.003**2  # rad^2/s


@kernel
def _begin(s: Any) -> None:
    for i in range(3):
        s.p[i] = s.v[i] = s.w[i] = 0.0
        s.bias[i] = s.acc_in[i] = s.acc_low[i] = s.acc_slope[i] = s.still_gyro[i] = s.still_acc[i] = 0.0
        s.gyro_q[1 + i] = s.tilt_q[1 + i] = 0.0
    s.gyro_q[0] = s.tilt_q[0] = 1.0
    s.averaged = 0
    s.averaged_s = s.still_s = s.heading_var = 0.0
    s.P[:, :] = 0.0


@kernel
def _learn_bias(s: Any, T: float, acc: Vector, gyro: Vector) -> None:
    """Take the low-passed rate for the bias once both sensors have been still for long enough."""
    gain = T / (T + STILL_TAU_S)
    rate = force = bias = 0.0
    for i in range(3):
        s.still_gyro[i] += gain * (gyro[i] - s.still_gyro[i])
        s.still_acc[i] += gain * (acc[i] - s.still_acc[i])
        rate = max(rate, abs(gyro[i] - s.still_gyro[i]))
        force = max(force, abs(acc[i] - s.still_acc[i]))
        bias = max(bias, abs(s.still_gyro[i]))
    s.still_s = s.still_s + T if rate < STILL_RATE and force < STILL_FORCE and bias < MAX_BIAS else 0.0
    if s.still_s > STILL_S:
        for i in range(3):
            s.bias[i] += T / (T + BIAS_TAU_S) * (s.still_gyro[i] - s.bias[i])


@kernel
def _low_pass(s: Any, T: float, x: Vector) -> None:
    """Step the Butterworth filter of the specific force in the almost-inertial frame."""
    s.averaged_s += T
    if s.averaged_s < TAU_S - 0.5 * T or s.averaged == 0:  # the first seconds are averaged
        s.averaged += 1
        for i in range(3):
            s.acc_low[i] += (x[i] - s.acc_low[i]) / s.averaged
            s.acc_in[i] = s.acc_low[i]
        return
    k = math.tan(T / (math.sqrt(2.0) * TAU_S))
    damped = math.sqrt(2.0) * k
    for i in range(3):
        slope = s.acc_slope[i] * (1.0 - damped - k * k) + k * (x[i] + s.acc_in[i] - 2.0 * s.acc_low[i])
        slope /= 1.0 + damped + k * k
        s.acc_low[i] += k * (s.acc_slope[i] + slope)
        s.acc_slope[i] = slope
        s.acc_in[i] = x[i]


@kernel
def track_attitude(s: Any, t: int, acc: Vector, gyro: Vector) -> float:
    """Advance orientation `q` and rate `w` of a state that no pose supports; return NaN, there is no innovation to judge."""
    first = s.t_ns == NO_STAMP or t - s.t_ns > GAP_NS
    if first:
        _begin(s)
    T = 0.0 if first else (t - s.t_ns) * 1e-9
    if first:
        for i in range(3):
            s.still_gyro[i], s.still_acc[i] = gyro[i], acc[i]
    _learn_bias(s, T, acc, gyro)
    w = (gyro[0] - s.bias[0], gyro[1] - s.bias[1], gyro[2] - s.bias[2])
    inertial = multiply((s.gyro_q[0], s.gyro_q[1], s.gyro_q[2], s.gyro_q[3]), exponential(w[0] * T, w[1] * T, w[2] * T))
    inertial = normalised(inertial)
    s.gyro_q[0], s.gyro_q[1], s.gyro_q[2], s.gyro_q[3] = inertial
    tilt = (s.tilt_q[0], s.tilt_q[1], s.tilt_q[2], s.tilt_q[3])
    if acc[0] != 0.0 or acc[1] != 0.0 or acc[2] != 0.0:
        _low_pass(s, T, rotate(inertial, acc))
        x, y, z = rotate(tilt, (s.acc_low[0], s.acc_low[1], s.acc_low[2]))
        length = math.sqrt(x * x + y * y + z * z)
        if length > 0.0:
            half = math.sqrt(max(0.5 * (z / length + 1.0), 0.0))
            # The shortest turn that makes the low-passed force point up (eq. 7); upside down any horizontal axis will do.
            turn = (half, 0.5 * y / length / half, -0.5 * x / length / half, 0.0) if half > 1e-6 else (0.0, 1.0, 0.0, 0.0)
            tilt = normalised(multiply(turn, tilt))
            s.tilt_q[0], s.tilt_q[1], s.tilt_q[2], s.tilt_q[3] = tilt
    s.q[0], s.q[1], s.q[2], s.q[3] = normalised(multiply(tilt, inertial))
    s.heading_var = min(s.heading_var + HEADING_WALK * T, math.pi * math.pi)
    for i in range(3):
        s.w[i] = w[i]
        s.P[i, i] = TILT_VAR + s.heading_var / 3.0
        s.P[3 + i, 3 + i] = STILL_RATE * STILL_RATE
    s.t_ns = t
    return math.nan
