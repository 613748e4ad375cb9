"""How likely a recorded series is under given noise: one filter, one pass, no gate and no adaptation.

The filter is the one of the banks with a single process noise (`twind.estimation.singer`), and the measurement noise is the
banks' own: that of the sensor, plus what a stamp that is off by dt adds at the present velocity, (v dt)^2. The logarithm of the
likelihood is the sum over the innovations of the Gaussian density (Schweppe 1965; Bar-Shalom, Li, Kirubarajan 2001, 5.4.2).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from twind.estimation.compile import kernel
from twind.estimation.singer import transition

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_GAP_NS = 1_000_000_000  # a longer gap says nothing of the noise: the motion in between is unknown
_SETTLE = 3  # samples that tell position, velocity and acceleration; their innovations show the prior alone
_TWO_PI = 2.0 * math.pi


@kernel
def log_likelihood(
    t_ns: NDArray[np.int64],
    z: NDArray[np.float64],
    stated: NDArray[np.float64],
    late: NDArray[np.float64],
    r: float,
    q: float,
    stamp_var: float,
    alpha: float,
    prior_vv: float,
    prior_aa: float,
) -> float:
    """Sum the logarithms of the densities of all innovations of one series.

    Args:
        t_ns: (N,) ascending stamps [ns].
        z: (N,) positions, unwrapped [rad or m].
        stated: (N,) variances that the messages state; NaN where `r` is to be used.
        late: (N,) variance of each stamp's mapping [s^2].
        r: Variance of a position.
        q: Spectral density of the jerk (of the acceleration where `alpha` is infinite).
        stamp_var: Variance of the device's stamps [s^2].
        alpha: Inverse of how long an acceleration lasts [1/s].
        prior_vv: Variance of the velocity at the start.
        prior_aa: Variance of the acceleration at the start.
    """
    total = 0.0
    settled = -1
    p = v = a = pp = pv = pa = vv = va = aa = 0.0
    model = transition(0.0, alpha)
    model_dt = 0
    for n in range(t_ns.shape[0]):
        noise = stated[n] if stated[n] > 0.0 else r
        dt = t_ns[n] - t_ns[n - 1] if n > 0 else 0
        if settled < 0 or dt > _GAP_NS:
            p, v, a = z[n], 0.0, 0.0
            pp, pv, pa, vv, va, aa = noise, 0.0, 0.0, prior_vv, 0.0, prior_aa
            settled = 0
            continue
        if dt != model_dt:
            model_dt, model = dt, transition(dt * 1e-9, alpha)
        T = dt * 1e-9
        f1, f2, f3, q11, q12, q13, q22, q23, q33 = model
        pv1, pa1 = pv + T * vv + f1 * va, pa + T * va + f1 * aa
        pp = pp + T * pv + f1 * pa + T * pv1 + f1 * pa1 + q * q11
        pv = pv1 + f2 * pa1 + q * q12
        pa = f3 * pa1 + q * q13
        va1 = va + f2 * aa
        vv = vv + f2 * va + f2 * va1 + q * q22
        va = f3 * va1 + q * q23
        aa = f3 * f3 * aa + q * q33
        p, v, a = p + T * v + f1 * a, v + f2 * a, f3 * a
        noise += (v * v + vv) * (stamp_var + late[n])
        s = pp + noise
        y = z[n] - p
        if settled >= _SETTLE:
            total -= 0.5 * (math.log(_TWO_PI * s) + y * y / s)
        settled += 1
        k0, k1, k2 = pp / s, pv / s, pa / s
        p, v, a = p + k0 * y, v + k1 * y, a + k2 * y
        c = 1.0 - k0
        pv1, pa1 = pv - k1 * pp, pa - k2 * pp
        pp = c * c * pp + noise * k0 * k0
        vv = vv - k1 * pv - k1 * pv1 + noise * k1 * k1
        va = va - k2 * pv - k1 * pa1 + noise * k1 * k2
        aa = aa - k2 * pa - k2 * pa1 + noise * k2 * k2
        pv, pa = c * pv1 + noise * k0 * k1, c * pa1 + noise * k0 * k2
    return total if math.isfinite(total) else -math.inf
