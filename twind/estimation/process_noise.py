"""Which process noise fits a body: small filters, one per candidate, that vote by the likelihood of what was measured.

The candidates are fixed multiples of the configured noise, so adaptation has hard bounds. Each is a constant-velocity filter
of three axes that share one covariance, run on the steps between accepted samples; for rotation those steps are the body-frame
rotation vectors from sample to sample, which add up like a position as long as one step is small. The votes decide by
likelihood with exponential forgetting (multiple-model estimation: Bar-Shalom, Li, Kirubarajan, "Estimation with Applications
to Tracking and Navigation", 2001, section 11.6.2); only the choice of the noise reaches the pose filter.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from twind.estimation.compile import kernel
from twind.estimation.pose_layout import LEVELS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from twind.estimation.quaternions import Vector

STEP = 16.0  # ratio of neighbouring spectral densities: 4 in their square roots
CENTRE = 2  # the candidate that is the configured noise itself: two below, three above
_MEMORY = 0.99  # per sample
_PRIOR = 2.0  # log likelihood that one level off the configured noise starts behind
_SURPRISE = 60.0  # one sample's normalised innovation squared counts at most this: no single sample decides
_LEAST = 1e-18


@kernel
def prepare(likelihood: NDArray[np.float64]) -> None:
    """Begin as the configuration says."""
    for k in range(LEVELS):
        likelihood[k] = -_PRIOR * (k - CENTRE) * (k - CENTRE)


@kernel
def restart(
    offset: NDArray[np.float64], rate: NDArray[np.float64], spread: NDArray[np.float64], v: Vector, r: float, prior: float
) -> None:
    """Put every candidate at a sample of variance `r`, moving with `v`, of which the variance is `prior`."""
    for k in range(LEVELS):
        for i in range(3):
            offset[k, i] = 0.0
            rate[k, i] = v[i]
        spread[k, 0], spread[k, 1], spread[k, 2] = r, 0.0, prior


@kernel
def vote(
    likelihood: NDArray[np.float64],
    offset: NDArray[np.float64],
    rate: NDArray[np.float64],
    spread: NDArray[np.float64],
    T: float,
    step: Vector,
    r: float,
    q: float,
) -> float:
    """Use one accepted sample.

    Args:
        likelihood: (LEVELS,) log likelihood of each candidate.
        offset: (LEVELS, 3) estimated minus measured position at the last sample.
        rate: (LEVELS, 3) estimated velocity.
        spread: (LEVELS, 3) covariance: of position, of both, of velocity.
        T: Time since the last sample [s].
        step: How far the measurement moved since.
        r: Its variance.
        q: The configured spectral density.

    Returns:
        The spectral density that fits best: the peak of a parabola through the best candidate and its neighbours.
    """
    best = 0
    for k in range(LEVELS):
        density = q * STEP ** (k - CENTRE)
        a, b, c = spread[k, 0], spread[k, 1], spread[k, 2]
        pp = a + T * (2.0 * b + T * c) + density * T * T * T / 3.0
        pv = b + T * c + density * T * T / 2.0
        vv = c + density * T
        s = pp + r
        k0, k1 = pp / s, pv / s
        surprise = 0.0
        for i in range(3):
            moved = offset[k, i] + T * rate[k, i] - step[i]
            surprise += moved * moved
            offset[k, i] = moved - k0 * moved
            rate[k, i] -= k1 * moved
        spread[k, 0], spread[k, 1], spread[k, 2] = pp * r / s, pv * r / s, max(vv - k1 * pv, _LEAST)
        likelihood[k] = _MEMORY * likelihood[k] - 0.5 * (3.0 * math.log(s) + min(surprise / s, _SURPRISE))
        if likelihood[k] > likelihood[best]:
            best = k
    level = float(best)
    if 0 < best < LEVELS - 1:
        left, right = likelihood[best] - likelihood[best - 1], likelihood[best] - likelihood[best + 1]
        if left + right > 0.0:
            level += 0.5 * (left - right) / (left + right)
    return float(q * math.exp((level - CENTRE) * math.log(STEP)))
