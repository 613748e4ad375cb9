"""How noisy poses are, against what is stated or configured: third differences of samples that follow each other.

Over four samples motion is smooth and noise is not. The third difference D = sum w_i z_i, with the weights that a parabola
leaves no trace of, is noise of variance r sum w_i^2 plus little motion (after J. von Neumann, "Distribution of the ratio of
the mean square successive difference to the variance", Ann. Math. Statist. 12, 1941). Both are told apart by their neighbours:
white noise makes successive third differences alternate (correlation -0.75 at equal steps), smooth motion makes them agree.

With e = D / sqrt(r sum w_i^2), S the mean of e^2 and C that of e times the one before it, kappa < 0 the correlation of white
noise, the noise is at most S times what is stated, as motion only adds, and at least C / kappa times, as motion takes away.
What is stated is kept while it lies between the two and is else moved to the nearer one. Each sample's part in S and C is
bounded, so that outliers hardly move them, and the factor has hard bounds.

Noise that neighbouring samples share, such as drift, an offset or a filter in the tracker, leaves no trace in differences.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from twind.estimation import process_noise
from twind.estimation.compile import inlined, kernel
from twind.estimation.pose_layout import LEVELS
from twind.estimation.quaternions import conjugate, logarithm, multiply, normalised

if TYPE_CHECKING:
    from twind.estimation.quaternions import Quaternion, Vector

LEAST, MOST = 1e-4, 1024.0  # of the factor on variances: 1/100 and 32 times the standard deviation
YOUNG = 50.0  # third differences; fewer know the noise so little that what was concluded before is taken back
SPAN = 3  # steps that a third difference is made of
_GAP = 3.0  # usual intervals: a longer step begins a new span
_MEMORY = 100.0  # third differences that count
_RECENT = 1.0 / 30.0  # part of one in the share of third differences that alternate
_PRIOR = 2.0  # third differences that what is stated counts for at the start
_ENOUGH = 4.0  # third differences before the factor is used
_UNSURE = 4.0  # over the third differences seen: by so much of itself each bound may be wrong
_CAP = 4.0  # one third difference counts at most this often its usual square: chi-square/3 exceeds it in 0.7 % of cases
_WHITE = -0.75  # correlation of successive third differences of white noise at equal steps
_SET = (0.3, 0.7)  # log of the factor on a variance: up to the first it is left alone, from the second on used in full
_STATED = (0.8, 2.2)  # the same for a variance that a message states: 1.5 and 3 times its standard deviation


@kernel
def prepare(s: Any) -> None:
    """Begin as stated: white noise of just that variance."""
    s.noise_seen = 0.0
    s.noise_kappa = _WHITE
    for g in range(2):
        s.noise_square[g], s.noise_product[g], s.noise_factor[g] = 1.0, _WHITE, 1.0


@inlined
def begin(s: Any, t: int, p: Vector, q: Quaternion) -> None:
    """Begin a span at a pose: what lies before it says nothing about what follows."""
    s.span = s.span_paired = 0
    s.span_ns = t
    for i in range(3):
        s.span_p[i] = p[i]
    s.span_q[0], s.span_q[1], s.span_q[2], s.span_q[3] = q


@inlined
def applied(factor: float, stated: bool) -> float:  # noqa: FBT001  (a kernel)
    """Return the factor on a variance that is used of the one that was learnt, which moves a stated one only when far off."""
    if factor == 1.0:
        return 1.0
    first, full = _STATED if stated else _SET
    change = math.log(factor)
    size = abs(change)
    if size <= first:
        return 1.0
    if size < full:  # gradually, so that what is used does not jump
        return math.exp(math.copysign(full * (size - first) / (full - first), change))
    return float(factor)


@kernel
def learn(s: Any, t: int, p: Vector, q: Quaternion, r_position: float, r_rotation: float) -> None:
    """Use one pose.

    Args:
        s: State of the body.
        t: Stamp [ns].
        p: Measured position [m].
        q: Measured orientation.
        r_position: Mean variance of the position as stated or configured [m^2], with that of its stamp.
        r_rotation: The same of the rotation [rad^2].
    """
    T = (t - s.span_ns) * 1e-9
    if s.interval > 0.0 and T / s.interval > _GAP:
        begin(s, t, p, q)
        return
    step = (p[0] - s.span_p[0], p[1] - s.span_p[1], p[2] - s.span_p[2])
    turn = logarithm(normalised(multiply(conjugate((s.span_q[0], s.span_q[1], s.span_q[2], s.span_q[3])), q)))
    s.span_ns = t
    for i in range(3):
        s.span_p[i] = p[i]
    s.span_q[0], s.span_q[1], s.span_q[2], s.span_q[3] = q
    a, b = s.span_T[0], s.span_T[1]
    if s.span >= SPAN - 1:
        # Weights of the third divided difference times a common factor: they annihilate parabolas at uneven steps, too.
        w0, w1 = -b * T * (b + T), T * (a + b) * (a + b + T)
        w2, w3 = -a * (b + T) * (a + b + T), a * b * (a + b)
        length = math.sqrt(w0 * w0 + w1 * w1 + w2 * w2 + w3 * w3)
        w0, w1, w2, w3 = w0 / length, w1 / length, w2 / length, w3 / length
        kappa = s.span_weight[0] * w0 + s.span_weight[1] * w1 + s.span_weight[2] * w2
        s.noise_seen = min(s.noise_seen + 1.0, _MEMORY)
        gain = 1.0 / (min(s.noise_seen + _PRIOR, _MEMORY))
        for g in range(2):
            now, r = (step, r_position) if g == 0 else (turn, r_rotation)
            total = w0 * w0 * s.span_r[g, 0] + w1 * w1 * s.span_r[g, 1] + w2 * w2 * s.span_r[g, 2] + w3 * w3 * r
            shrink = 1.0 / math.sqrt(total)
            square = product = 0.0
            for i in range(3):  # weights sum to nothing, so steps serve as well as positions
                e = (w3 * now[i] + (w3 + w2) * s.span_step[g, 1, i] - w0 * s.span_step[g, 0, i]) * shrink
                square += e * e
                product += e * s.span_e[g, i]
                s.span_e[g, i] = e
            if square == 0.0:  # the same numbers again: a body at rest, as its source rounds
                continue
            most = 3.0 * _CAP * s.noise_square[g]
            if s.span_paired == 1:
                if g == 0:
                    s.alternates += _RECENT * ((1.0 if product < 0.0 else 0.0) - s.alternates)
                s.noise_product[g] += gain * (min(max(product, -most), most) / 3.0 - s.noise_product[g])
            s.noise_square[g] += gain * (min(square, most) / 3.0 - s.noise_square[g])
            s.noise_square[g] = min(max(s.noise_square[g], LEAST), MOST)
        if s.span_paired == 1:
            s.noise_kappa += gain * (kappa - s.noise_kappa)
        s.span_paired = 1
        s.span_weight[0], s.span_weight[1], s.span_weight[2] = w1, w2, w3
        if s.noise_seen >= _ENOUGH:
            unsure = 1.0 + _UNSURE / s.noise_seen
            for g in range(2):
                least, most = s.noise_product[g] / s.noise_kappa / unsure, s.noise_square[g] * unsure
                s.noise_factor[g] = max(min(max(1.0, least), most, MOST), LEAST)
    for g in range(2):
        if s.span == 0:
            s.span_r[g, 2] = r_position if g == 0 else r_rotation
        for i in range(3):
            s.span_step[g, 0, i] = s.span_step[g, 1, i]
            s.span_step[g, 1, i] = step[i] if g == 0 else turn[i]
        s.span_r[g, 0], s.span_r[g, 1], s.span_r[g, 2] = s.span_r[g, 1], s.span_r[g, 2], r_position if g == 0 else r_rotation
    s.span_T[0], s.span_T[1] = b, T
    s.span = min(s.span + 1, SPAN - 1)


@kernel
def doubt(s: Any, group: int, ratio: float) -> None:
    """Take back what was concluded from noise that turns out to be `ratio` times as large: covariance and votes.

    A gain that was too high let that much more noise into the estimate than the covariance says.
    """
    process_noise.prepare(s.likelihood[group])
    for k in range(LEVELS):
        for i in range(3):
            s.spread[group, k, i] *= ratio
    if group == 0:
        for i in range(3):
            s.pp[i] *= ratio
            s.pv[i] *= ratio
            s.vv[i] *= ratio
    else:
        for i in range(6):
            for j in range(6):
                s.P[i, j] *= ratio
