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

import numpy as np

from twind.estimation.compile import kernel
from twind.estimation.pose_layout import LEVELS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.estimation.quaternions import Vector

STEP = 16.0  # ratio of neighbouring spectral densities: 4 in their square roots
CENTRE = 2  # the candidate that is the configured noise itself: two below, three above
_MEMORY = 0.99  # per sample
_PRIOR = 2.0  # log likelihood that one level off the configured noise starts behind
_SURPRISE = 60.0  # one sample's normalised innovation squared counts at most this: no single sample decides
_SKEW = 0.15  # levels by which the parabola peaks too high: likelihood falls twice as fast towards less noise as towards more
_SKEW_FAR = 0.05  # the same towards the least candidate, per level that it is further off
_REST = 2.0  # levels from the least candidate, that of a body at rest, to the next
_LEAST = 1e-18


@kernel
def prepare(likelihood: NDArray[np.float32]) -> None:
    """Begin as the configuration says."""
    for k in range(LEVELS):
        likelihood[k] = -_PRIOR * (k - CENTRE) * (k - CENTRE)


@kernel
def restart(
    offset: NDArray[np.float32], rate: NDArray[np.float32], spread: NDArray[np.float32], v: Vector, r: float, prior: float
) -> None:
    """Put every candidate at a sample of variance `r`, moving with `v`, of which the variance is `prior`."""
    for k in range(LEVELS):
        for i in range(3):
            offset[k, i] = 0.0
            rate[k, i] = v[i]
        spread[k, 0], spread[k, 1], spread[k, 2] = r, 0.0, prior


@kernel
def best(likelihood: NDArray[np.float32]) -> int:
    """Find the candidate that fits best."""
    first = 0
    for k in range(1, LEVELS):
        if likelihood[k] > likelihood[first]:
            first = k
    return first


@kernel
def vote(
    likelihood: NDArray[np.float32],
    offset: NDArray[np.float32],
    rate: NDArray[np.float32],
    spread: NDArray[np.float32],
    T: float,
    step: Vector,
    r: float,
    q: float,
    scale: float,
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
        scale: Measured over stated variance. Sharper poses show a calmer body: were the candidates not less, they would
            follow the noise of such poses at rest.

    Returns:
        The spectral density that fits best: the peak of a parabola through the best candidate and its neighbours.
    """
    single = np.float32  # the votes only choose; their precision is not the filter's
    dt, noise, least = single(T), single(r), single(_LEAST)
    one, half, three, third = single(1.0), single(0.5), single(3.0), single(1.0 / 3.0)
    memory, cap = single(_MEMORY), single(_SURPRISE)
    x, y, z = single(step[0]), single(step[1]), single(step[2])
    calm = math.sqrt(min(scale, 1.0))
    q *= calm
    density, still = single(q / STEP**CENTRE), single(calm * STEP ** (1.0 - _REST))
    first = 0
    density *= still
    density_of_rest = density
    for k in range(LEVELS):
        a, b, c = spread[k, 0], spread[k, 1], spread[k, 2]
        vv = c + density * dt
        pv = b + dt * (c + half * density * dt)
        pp = a + dt * (b + b + dt * (c + density * dt * third))
        s = pp + noise
        inverse = one / s
        k1, left = pv * inverse, noise * inverse
        ex = offset[k, 0] + dt * rate[k, 0] - x
        ey = offset[k, 1] + dt * rate[k, 1] - y
        ez = offset[k, 2] + dt * rate[k, 2] - z
        offset[k, 0], offset[k, 1], offset[k, 2] = left * ex, left * ey, left * ez
        rate[k, 0] -= k1 * ex
        rate[k, 1] -= k1 * ey
        rate[k, 2] -= k1 * ez
        spread[k, 0], spread[k, 1], spread[k, 2] = pp * left, pv * left, max(vv - k1 * pv, least)
        surprise = (ex * ex + ey * ey + ez * ez) * inverse
        likelihood[k] = memory * likelihood[k] - half * (three * math.log(s) + min(surprise, cap))
        if likelihood[k] > likelihood[first]:
            first = k
        density *= single(STEP) if k > 0 else single(STEP) / still
    if not math.isfinite(likelihood[first]):
        prepare(likelihood)
        return q
    if first == 0:
        return float(density_of_rest)
    level = float(first)
    if 0 < first < LEVELS - 1:
        left, right = likelihood[first] - likelihood[first - 1], likelihood[first] - likelihood[first + 1]
        far = _REST if first == 1 else 1.0  # levels to the left neighbour
        if left + far * right > 0.0:
            level += 0.5 * (left - far * far * right) / (left + far * right) - _SKEW_FAR * (far - 1.0)
    return float(q * math.exp((level - _SKEW - CENTRE) * math.log(STEP)))
