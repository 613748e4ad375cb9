"""The models of one joint side by side: the same filter with eight process noises, in Joseph form.

Every lane is a plain Kalman filter and sees every accepted sample; which one is shown is decided elsewhere
(`joint_choice`). The loops run over lanes with no branch inside, so the compiler turns them into vector instructions.
"""

from __future__ import annotations

import math
from typing import Any

from twind.estimation.compile import inlined, kernel
from twind.estimation.joint_records import AA, LANES, PA, PP, PV, STEPS, VA, VV, A, P, V


@inlined
def nearest(value: float, reference: float, modulus: float) -> float:
    """Add whole turns to `value` so that it lies nearest to `reference`; a modulus of 0 leaves it."""
    if modulus == 0.0:
        return value
    return value - modulus * math.floor((value - reference) / modulus + 0.5)


@kernel
def start_lanes(row: Any, track: Any, z: float, v: float) -> None:
    """Begin a new track: the position is known, the motion is not."""
    x = track.x
    for k in range(LANES):
        x[P + k], x[V + k], x[A + k] = z, v, 0.0
        x[PP + k], x[PV + k], x[PA + k] = row.r, 0.0, 0.0
        x[VV + k], x[VA + k], x[AA + k] = row.prior_vv, 0.0, row.prior_aa


@inlined
def density(row: Any, k: int) -> float:
    """Return the spectral density of one lane's jerk (of its acceleration for the CV model)."""
    return float(row.q_same + row.q_top * STEPS[k])


@inlined
def foresee(row: Any, track: Any, k: int, model: tuple[float, ...], T: float) -> tuple[float, float, float, float]:
    """Return position, velocity and their variances of one lane, `T` later [s]."""
    x = track.x
    f1, f2, _, q11, _, _, q22, _, _ = model
    q = density(row, k)
    p = x[P + k] + T * x[V + k] + f1 * x[A + k]
    v = x[V + k] + f2 * x[A + k]
    pv1 = x[PV + k] + T * x[VV + k] + f1 * x[VA + k]
    pa1 = x[PA + k] + T * x[VA + k] + f1 * x[AA + k]
    pp = x[PP + k] + T * x[PV + k] + f1 * x[PA + k] + T * pv1 + f1 * pa1 + q * q11
    vv = x[VV + k] + 2.0 * f2 * x[VA + k] + f2 * f2 * x[AA + k] + q * q22
    return p, v, pp, vv


@inlined
def update_lanes(row: Any, track: Any, model: tuple[float, ...], T: float, z: float, stamp_var: float) -> None:
    """Predict every lane by `T` and update it with a position. A stamp that is off by dt puts the sample off by v dt."""
    f1, f2, f3, q11, q12, q13, q22, q23, q33 = model
    r0 = row.r
    x = track.x
    q_same, q_top = row.q_same, row.q_top
    for k in range(LANES):
        q = q_same + q_top * STEPS[k]  # as in `density`; settings are not read in the loop
        # F P F', with the rows of F P written out
        pv1 = x[PV + k] + T * x[VV + k] + f1 * x[VA + k]
        pa1 = x[PA + k] + T * x[VA + k] + f1 * x[AA + k]
        pp = x[PP + k] + T * x[PV + k] + f1 * x[PA + k] + T * pv1 + f1 * pa1 + q * q11
        pv = pv1 + f2 * pa1 + q * q12
        pa = f3 * pa1 + q * q13
        va1 = x[VA + k] + f2 * x[AA + k]
        vv = x[VV + k] + f2 * x[VA + k] + f2 * va1 + q * q22
        va = f3 * va1 + q * q23
        aa = f3 * f3 * x[AA + k] + q * q33
        p = x[P + k] + T * x[V + k] + f1 * x[A + k]
        v = x[V + k] + f2 * x[A + k]
        a = f3 * x[A + k]
        r = r0 + (v * v + vv) * stamp_var
        y = z - p
        w = 1.0 / (pp + r)
        k0, k1, k2 = pp * w, pv * w, pa * w
        x[P + k], x[V + k], x[A + k] = p + k0 * y, v + k1 * y, a + k2 * y
        # Joseph form: (I - K H) P (I - K H)' + K r K'; keeps P positive however small r is.
        c = 1.0 - k0
        pv1, pa1 = pv - k1 * pp, pa - k2 * pp
        x[PP + k] = c * c * pp + r * k0 * k0
        x[PV + k] = c * pv1 + r * k0 * k1
        x[PA + k] = c * pa1 + r * k0 * k2
        x[VV + k] = vv - k1 * pv - k1 * pv1 + r * k1 * k1
        x[VA + k] = va - k2 * pv - k1 * pa1 + r * k1 * k2
        x[AA + k] = aa - k2 * pa - k2 * pa1 + r * k2 * k2


@kernel
def update_rates(track: Any, rate: float, variance: float) -> None:
    """Update every lane with a velocity at the lane's own instant."""
    x = track.x
    for k in range(LANES):
        pp, pv, pa, vv, va, aa = x[PP + k], x[PV + k], x[PA + k], x[VV + k], x[VA + k], x[AA + k]
        y = rate - x[V + k]
        w = 1.0 / (vv + variance)
        k0, k1, k2 = pv * w, vv * w, va * w
        x[P + k], x[V + k], x[A + k] = x[P + k] + k0 * y, x[V + k] + k1 * y, x[A + k] + k2 * y
        c = 1.0 - k1
        pv1, va1 = pv - k0 * vv, va - k2 * vv
        x[PP + k] = pp - k0 * pv - k0 * pv1 + variance * k0 * k0
        x[PV + k] = c * pv1 + variance * k0 * k1
        x[PA + k] = pa - k0 * va - k2 * pv1 + variance * k0 * k2
        x[VV + k] = c * c * vv + variance * k1 * k1
        x[VA + k] = c * va1 + variance * k1 * k2
        x[AA + k] = aa - k2 * va - k2 * va1 + variance * k2 * k2
