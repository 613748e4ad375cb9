"""The models of one joint side by side: the same filter with eight process noises, in Joseph form.

Every lane is a plain Kalman filter and sees every accepted sample; which one is shown is decided elsewhere
(`joint_choice`). One vector holds a quantity of all lanes.
"""

from __future__ import annotations

import math
from typing import Any

from twind.estimation.compile import inlined, kernel
from twind.estimation.eight import load, store
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
def predict_lanes(row: Any, track: Any, pace: Any, ahead: Any) -> None:
    """Write to `ahead` what every lane will be one step later."""
    T, m, x = pace.T, pace.model, track.x
    f1, f2, f3, q11, q12, q13, q22, q23, q33 = m[0], m[1], m[2], m[3], m[4], m[5], m[6], m[7], m[8]
    q = row.q_same + row.q_top * load(STEPS, 0)  # as in `density`
    p, v, a = load(x, P), load(x, V), load(x, A)
    store(ahead, P, p + T * v + f1 * a)
    store(ahead, V, v + f2 * a)
    store(ahead, A, f3 * a)
    # F P F', with the rows of F P written out
    pp, pv, pa, vv, va, aa = load(x, PP), load(x, PV), load(x, PA), load(x, VV), load(x, VA), load(x, AA)
    pv1 = pv + T * vv + f1 * va
    pa1 = pa + T * va + f1 * aa
    va1 = va + f2 * aa
    store(ahead, PP, pp + T * pv + f1 * pa + T * pv1 + f1 * pa1 + q * q11)
    store(ahead, PV, pv1 + f2 * pa1 + q * q12)
    store(ahead, PA, f3 * pa1 + q * q13)
    store(ahead, VV, vv + f2 * va + f2 * va1 + q * q22)
    store(ahead, VA, f3 * va1 + q * q23)
    store(ahead, AA, f3 * f3 * aa + q * q33)


@inlined
def update_lanes(row: Any, track: Any, ahead: Any, z: float, stamp_var: float) -> None:
    """Update every lane, from what was predicted, with a position. A stamp that is off by dt puts the sample off by v dt."""
    x = track.x
    p, v, a = load(ahead, P), load(ahead, V), load(ahead, A)
    pp, pv, pa = load(ahead, PP), load(ahead, PV), load(ahead, PA)
    vv, va, aa = load(ahead, VV), load(ahead, VA), load(ahead, AA)
    r = row.r + (v * v + vv) * stamp_var
    y = z - p
    w = 1.0 / (pp + r)
    k0, k1, k2 = pp * w, pv * w, pa * w
    store(x, P, p + k0 * y)
    store(x, V, v + k1 * y)
    store(x, A, a + k2 * y)
    _join(x, r, (k0, k1, k2), (pp, pv, pa, vv, va, aa))


@inlined
def _join(x: Any, r: Any, gain: tuple[Any, Any, Any], P: tuple[Any, ...]) -> None:
    """Joseph form: (I - K H) P (I - K H)' + K r K'; keeps P positive however small r is."""
    k0, k1, k2 = gain
    pp, pv, pa, vv, va, aa = P
    c = 1.0 - k0
    pv1, pa1 = pv - k1 * pp, pa - k2 * pp
    store(x, PP, c * c * pp + r * k0 * k0)
    store(x, PV, c * pv1 + r * k0 * k1)
    store(x, PA, c * pa1 + r * k0 * k2)
    store(x, VV, vv - k1 * pv - k1 * pv1 + r * k1 * k1)
    store(x, VA, va - k2 * pv - k1 * pa1 + r * k1 * k2)
    store(x, AA, aa - k2 * pa - k2 * pa1 + r * k2 * k2)


@kernel
def update_rates(track: Any, rate: float, variance: float) -> None:
    """Update every lane with a velocity at the lane's own instant."""
    x = track.x
    pp, pv, pa, vv, va, aa = load(x, PP), load(x, PV), load(x, PA), load(x, VV), load(x, VA), load(x, AA)
    v = load(x, V)
    y = rate - v
    w = 1.0 / (vv + variance)
    k0, k1, k2 = pv * w, vv * w, va * w
    store(x, P, load(x, P) + k0 * y)
    store(x, V, v + k1 * y)
    store(x, A, load(x, A) + k2 * y)
    c = 1.0 - k1
    pv1, va1 = pv - k0 * vv, va - k2 * vv
    store(x, PP, pp - k0 * pv - k0 * pv1 + variance * k0 * k0)
    store(x, PV, c * pv1 + variance * k0 * k1)
    store(x, PA, pa - k0 * va - k2 * pv1 + variance * k0 * k2)
    store(x, VV, c * c * vv + variance * k1 * k1)
    store(x, VA, c * va1 + variance * k1 * k2)
    store(x, AA, aa - k2 * va - k2 * va1 + variance * k2 * k2)
