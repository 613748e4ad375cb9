"""How a joint moved before its numbers began to repeat: was its last new number where undisturbed motion would have brought it?

The numbers before are continued by a polynomial, of the degree and from as many numbers as continued the motion best up to
just before; how well they did is what the last number is compared with, so encoder steps, noise, jitter of stamps and motion
that bends are all in it, whatever the machine. Only numbers that differ from the one before count: between two steps of an
encoder, and from a driver that publishes faster than it measures, the others tell nothing.
"""

from __future__ import annotations

import math
from typing import Any

from twind.estimation.compile import inlined, kernel
from twind.estimation.joint_lanes import nearest

MOST = 64  # numbers that are looked at
FEWEST = 4  # from which motion is continued; more in steps of a half
TRIED = 8  # numbers that a continuation is tried on ...
LEAST_TRIED = 3  # ... or as few
FARTHEST = 8  # numbers that are continued over
BEFORE_NS = 2_500_000_000  # older ones say nothing
OVERDUE = 2.5  # intervals without a new number: the joint stood already
MOVING = 10.0  # sigmas of position per second: slower is not moving
HIDDEN = 1.5  # steps of its encoder that a joint may still have to go
SHOWS = 3.0  # sigmas that no encoder hides
UNSEEN = 0.003  # sigmas of position that no encoder is trusted to show
EXACT = 1e-12  # of a position: what is less is the rounding of numbers themselves
NOISY = 24  # numbers in a row that differ, before noise is told by them
DRIFT = 0.5  # of the noise that motion may make up from one number to the next: stamps that jitter are not noise
FINE = 0.25  # of the noise: a larger step is an encoder's, which may flicker and cease to

TIMES, NUMBERS, ONE, OTHER, ERRORS = range(5)
"""Rows of the workspace: times before the standstill [s] and numbers relative to the last, newest first; two for polynomials;
by how much the numbers before the last were missed."""
WORK = (10, MOST)


@kernel
def number_at(rings: Any, index: int, end: int, t: int) -> int:
    """Return the number of the newest sample up to an instant; the oldest there is when there is none."""
    mask = rings.shape[0] - 1
    low, high = max(0, end - rings.shape[0]), end
    while high - low > 1:
        middle = (low + high) // 2
        if rings[middle & mask, index].t_ns <= t:
            low = middle
        else:
            high = middle
    return int(low)


@kernel
def collect(row: Any, rings: Any, index: int, end: int, t: int, work: Any) -> tuple[int, float, bool]:
    """Gather the numbers that were new, back from an instant.

    Returns:
        How many, the least step between two, and whether all that were looked at were new.
    """
    mask = rings.shape[0] - 1
    oldest = max(0, end - rings.shape[0])
    number = number_at(rings, index, end, t)
    count, step, way_after, every = 0, math.inf, 0.0, True
    last = rings[number & mask, index].z
    z = last
    while number > oldest and count < MOST:
        sample = rings[number & mask, index]
        if t - sample.t_ns > BEFORE_NS:
            break
        before = nearest(rings[(number - 1) & mask, index].z, z, row.modulus)
        if before != z:
            work[TIMES, count] = (sample.t_ns - t) * 1e-9
            work[NUMBERS, count] = z - last
            way = z - before
            step = min(step, abs(way))
            if abs(way - way_after) > EXACT * max(1.0, abs(z)):  # what an encoder counts differs by few of its steps
                step = min(step, abs(way - way_after))
            way_after = way
            count += 1
        elif count < NOISY:
            every = False
        z = before
        number -= 1
    return count, step, every


@kernel
def _continue(work: Any, first: int, n: int, t: float, degree: int) -> tuple[float, float, float, float]:
    """Continue numbers `first` to `first + n` to a time by polynomials of degree 1, 2 and 3.

    Orthogonal polynomials by Forsythe's recurrence (J. SIAM 5 (1957), 74 to 88).

    Returns:
        Where each of them is then, and the slope of the one of `degree`.
    """
    mean = centre = 0.0
    for i in range(n):
        mean += work[NUMBERS, first + i]
        centre += work[TIMES, first + i]
        work[ONE, i], work[OTHER, i] = 1.0, 0.0
    value, slope, chosen = mean / n, 0.0, 0.0
    alpha, beta, gamma = centre / n, 0.0, float(n)
    p, p_before, dp, dp_before = 1.0, 0.0, 0.0, 0.0
    linear = square = cubic = value
    for d in range(1, min(3, n - 1) + 1):
        norm = product = shifted = 0.0
        for i in range(n):
            tau = work[TIMES, first + i]
            here = (tau - alpha) * work[ONE, i] - beta * work[OTHER, i]
            work[OTHER, i], work[ONE, i] = work[ONE, i], here
            norm += here * here
            product += work[NUMBERS, first + i] * here
            shifted += tau * here * here
        if not norm > 0.0:
            break
        ahead, dahead = (t - alpha) * p - beta * p_before, p + (t - alpha) * dp - beta * dp_before
        p_before, p, dp_before, dp = p, ahead, dp, dahead
        value += product / norm * p
        slope += product / norm * dp
        alpha, beta, gamma = shifted / norm, norm / gamma, norm
        if d == 1:
            linear = square = cubic = value
        elif d == 2:
            square = cubic = value
        else:
            cubic = value
        if d == degree:
            chosen = slope
    return linear, square, cubic, chosen


@inlined
def _of(degree: int, linear: float, square: float, cubic: float) -> float:
    return linear if degree == 1 else (square if degree == 2 else cubic)


@kernel
def undisturbed(row: Any, work: Any, count: int, step: float, braking_s: float) -> tuple[float, float, float]:
    """Compare the last number with where those before lead.

    Args:
        row: The joint's settings.
        work: What `collect` gathered.
        count: How many.
        step: The least step between two.
        braking_s: How long a machine may have been braking unseen [s]: the motion is taken from before that, if possible.

    Returns:
        The speed with which it would have gone on [rad/s], by how much the last number stayed behind [rad], and the variance
        of that; a speed of 0 where nothing can be said.
    """
    few = min(count - 1, 8)
    if few < FEWEST:
        return 0.0, 0.0, 1.0
    interval = (work[TIMES, 0] - work[TIMES, few]) / few
    if not interval > 0.0 or -work[TIMES, 0] > OVERDUE * interval:
        return 0.0, 0.0, 1.0
    over = max(min(int(braking_s / interval), FARTHEST, (count - FEWEST - LEAST_TRIED) // 2), 1)
    best, worst, best_n, best_degree = math.inf, 0.0, 0, 0
    n = FEWEST
    while count - over - n >= LEAST_TRIED:
        tried = min(count - over - n, TRIED)
        first = second = third = 0.0
        for m in range(1, tried + 1):
            linear, square, cubic, _ = _continue(work, m + over, n, work[TIMES, m], 0)
            z = work[NUMBERS, m]
            first += (linear - z) ** 2
            second += (square - z) ** 2
            third += (cubic - z) ** 2
        share = (1.0 + 2.0 / tried) / tried
        worst = max(worst, share * second)
        if share * first < best:
            best, best_n, best_degree = share * first, n, 1
        if share * second < best:
            best, best_n, best_degree = share * second, n, 2
        if n > FEWEST and share * third < best:
            best, best_n, best_degree = share * third, n, 3
        n += n // 2
    if best_n == 0:
        return 0.0, 0.0, 1.0
    for m in range(TRIED + 1):
        work[ERRORS, m] = 0.0
        if 0 < m <= count - over - best_n:
            linear, square, cubic, _ = _continue(work, m + over, best_n, work[TIMES, m], 0)
            work[ERRORS, m] = _of(best_degree, linear, square, cubic) - work[NUMBERS, m]
    linear, square, cubic, slope = _continue(work, over, best_n, 0.0, best_degree)
    ahead = _of(best_degree, linear, square, cubic)
    # Mean speed up to the last number, which braking would have lowered.
    back = over + min(best_n, FEWEST) - 1
    chord = -work[NUMBERS, back] / -work[TIMES, back]
    if slope * chord <= 0.0:
        return 0.0, 0.0, 1.0
    speed = min(abs(slope), abs(chord))
    sign = 1.0 if slope > 0.0 else -1.0
    # What it still had to go when it braked already as it went on: what is hidden of that stops by itself.
    if 2 * back < count:
        earlier = (work[NUMBERS, back] - work[NUMBERS, 2 * back]) / (work[TIMES, back] - work[TIMES, 2 * back])
        braked = 2.0 * sign * (earlier - chord) / (work[TIMES, 0] - work[TIMES, 2 * back])
        hidden = HIDDEN * min(step, SHOWS * math.sqrt(best))
        speed = math.sqrt(max(speed * speed - 2.0 * max(braked, 0.0) * hidden, 0.0))
    late = sign * ahead
    floor = UNSEEN * math.sqrt(row.r)
    variance = max(best, min(step * step / 12.0, worst)) + floor * floor
    if work[TIMES, 0] < 0.0:  # another joint was new after it: this one was on its way from one step to the next
        late -= 0.5 * max(0.0, step - speed * interval)
        variance += step * step / 12.0
    for m in range(1, TRIED + 1):
        work[ERRORS, m] *= sign
    if not speed < row.top_speed:  # a faster one is a position that wrapped around
        return 0.0, 0.0, 1.0
    return speed, late, variance


@kernel
def noisy(work: Any, count: int, every: bool, step: float) -> bool:  # noqa: FBT001  (kernels know no keywords)
    """Say whether the last numbers differ from each other by noise that no encoder's step and no motion explains."""
    if count < NOISY or not every:
        return False
    squares = 0.0
    for i in range(NOISY - 3):
        third = work[NUMBERS, i] - 3.0 * work[NUMBERS, i + 1] + 3.0 * work[NUMBERS, i + 2] - work[NUMBERS, i + 3]
        squares += third * third
    noise = math.sqrt(squares / (20.0 * (NOISY - 3)))
    drift = abs(work[NUMBERS, 0] - work[NUMBERS, NOISY - 1]) / (NOISY - 1)
    return bool(drift < DRIFT * noise and step < FINE * noise)
