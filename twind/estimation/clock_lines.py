"""The line that lies below all one-way delays of a window, and whether delays drift at all. Pure kernels over kept minima.

One-way delays `receive - device` are offset plus skew plus a queueing delay that is never negative, so the line that lies
below all of them and is highest at the middle of the window is the clock (the linear programme of Moon, Skelly and Towsley,
"Estimation and Removal of Clock Skew from Network Delay Measurements", INFOCOM 1999; Zhang, Liu and Xia solve it by the lower
convex hull). Only the smallest delay of each of `BUCKETS` slices of the window can carry that line, so a stream's memory is
fixed.

A window is three arrays of `BUCKETS`: device stamp and smallest delay of each slice, relative [ns], and the slice's number,
which says where in time it lies and whether the entry is still of this window.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from twind.estimation.compile import kernel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

BUCKETS = 64

DRIFT_NS = 750_000.0  # less than this within a window is what a disciplined clock does too
FEWEST = 12  # slices that a drift is judged from: below it, chance orders them too easily
SURE_SIGMAS = 4.5  # of Kendall's statistic: enough alone
LIKELY_SIGMAS = 3.5  # enough together with the likelihood
LIKELY_LOG_RATIO = 25.0
YOUNG_DRIFT_NS = 600_000.0  # of a young clock, for which nothing speaks yet
YOUNG_FROM, YOUNG = 24, 128  # slices from when and until when a clock is judged as a young one
CLEAR, HINT = 12.0, 5.0  # evidence against a young clock: at any look, and once, when its first window is nearly full
COARSEST = 2  # slices taken together, where most are held up by one late message


@kernel
def keep(slices: Ints, xs: Floats, ys: Floats, number: int, x: float, y: float) -> None:
    """Keep a delay if it is the smallest of its slice."""
    slot = number % BUCKETS
    if slices[slot] != number or y < ys[slot]:
        slices[slot] = number
        xs[slot], ys[slot] = x, y


@kernel
def support(slices: Ints, xs: Floats, ys: Floats, newest: int, size: int, skew: float, middle: float) -> float:
    """Height at `middle` of the highest line of this slope that lies below every kept delay."""
    height = math.inf
    for slot in range(BUCKETS):
        if slices[slot] > newest - size and slices[slot] >= 0:
            height = min(height, ys[slot] - skew * (xs[slot] - middle))
    return height


@kernel
def extent(slices: Ints, xs: Floats, newest: int, size: int) -> tuple[int, float, float, float]:
    """Return how many slices are kept, and the first, mean and last device stamp of theirs."""
    first, last, total, count = math.inf, -math.inf, 0.0, 0
    for slot in range(BUCKETS):
        if slices[slot] > newest - size and slices[slot] >= 0:
            x = xs[slot]
            first, last, total, count = min(first, x), max(last, x), total + x, count + 1
    return count, first, total / max(count, 1), last


@kernel
def best_skew(slices: Ints, xs: Floats, ys: Floats, newest: int, size: int, middle: float, low: float, high: float) -> float:
    """Return the slope within bounds whose line lies highest at `middle`.

    It is that of the edge of the lower convex hull that passes there: found by turning a line until it rests on one point on
    either side, each turn laying it through the two that it met last, or halving the bracket where that would leave it.
    """
    skew = min(max(0.0, low), high)
    below, above = False, False  # whether an end of the bracket was tried
    for _ in range(60):
        left, right, left_slot, right_slot = math.inf, math.inf, -1, -1
        for slot in range(BUCKETS):
            if slices[slot] > newest - size and slices[slot] >= 0:
                height = ys[slot] - skew * (xs[slot] - middle)
                if xs[slot] <= middle:
                    if height < left:
                        left, left_slot = height, slot
                elif height < right:
                    right, right_slot = height, slot
        if left_slot < 0 or right_slot < 0 or left == right:
            return skew
        if left < right:  # a line that rises more lies higher
            if skew == high:
                return skew
            low, below = skew, True
        else:
            if skew == low:
                return skew
            high, above = skew, True
        turned: float = (ys[right_slot] - ys[left_slot]) / (xs[right_slot] - xs[left_slot])
        if turned <= low:
            turned = 0.5 * (low + high) if below else low
        elif turned >= high:
            turned = 0.5 * (low + high) if above else high
        if abs(turned - skew) < 1e-13:
            return turned
        skew = turned
    return skew


@kernel
def trend(slices: Ints, ys: Floats, newest: int) -> float:
    """Return Kendall's statistic of the kept delays over time, in sigmas: standard normal when their order is chance.

    It looks at the order of the delays alone, so it does not depend on how they are distributed. Ties make it smaller.
    """
    score, count = 0, 0
    for later in range(newest - BUCKETS + 1, newest + 1):
        if later < 0 or slices[later % BUCKETS] != later:
            continue
        count += 1
        y = ys[later % BUCKETS]
        for earlier in range(max(newest - BUCKETS + 1, 0), later):
            slot = earlier % BUCKETS
            if slices[slot] == earlier:
                score += int(y > ys[slot]) - int(y < ys[slot])
    if count < FEWEST:
        return 0.0
    return score / math.sqrt(count * (count - 1.0) * (2.0 * count + 5.0) / 18.0)


@kernel
def merge(slices: Ints, xs: Floats, ys: Floats, newest: int, group: int, to_slices: Ints, to_xs: Floats, to_ys: Floats) -> None:
    """Write a window of coarser slices: the smallest delay of every `group` of them."""
    to_slices[:] = -1
    for slot in range(BUCKETS):
        if slices[slot] > newest - BUCKETS and slices[slot] >= 0:
            keep(to_slices, to_xs, to_ys, slices[slot] // group, xs[slot], ys[slot])


@kernel
def drifts(slices: Ints, xs: Floats, ys: Floats, newest: int, max_skew: float, enough: float) -> bool:
    """Say whether the smallest delays drift as those of a free-running clock do: steadily, all along, and beyond chance.

    Three conditions. Beyond chance: by Kendall's test alone, or by it and by the likelihood ratio of the best line against a
    level one; queueing above a sharp floor is near exponential, for which the best line is the likeliest and the ratio is the
    quotient of the mean distances. Enough: `DRIFT_NS` over the window. Steady: delays lie about as close to the line as
    to each other, and the line touches the first, the middle and the last third of the window. A changed route or a backlog
    moves delays in steps or bends them, and fails that.

    Of a young clock less will do: where `enough` is finite, the logarithms of what both tests say, added up, need only exceed
    it. Where the floor is soft, distances spread less than exponential ones, and the ratio says less by the square of that.
    """
    young = math.isfinite(enough)
    sigmas = trend(slices, ys, newest)
    if abs(sigmas) < LIKELY_SIGMAS and not young:
        return False
    count, first, middle, last = extent(slices, xs, newest, BUCKETS)
    if count < FEWEST:
        return False
    skew = best_skew(slices, xs, ys, newest, BUCKETS, middle, -max_skew, max_skew)
    if abs(skew) * (last - first) < (YOUNG_DRIFT_NS if young else DRIFT_NS) or skew * sigmas < 0.0:
        return False
    level = support(slices, xs, ys, newest, BUCKETS, 0.0, middle)
    height = support(slices, xs, ys, newest, BUCKETS, skew, middle)
    mean, total, square, before = 0.0, 0.0, 0.0, math.nan
    early, amid, late = math.inf, math.inf, math.inf
    for number in range(max(newest - BUCKETS + 1, 0), newest + 1):
        slot = number % BUCKETS
        if slices[slot] == number:
            mean += ys[slot] / count
            if not math.isnan(before):
                total += abs(ys[slot] - before)
            before = ys[slot]
            distance = ys[slot] - height - skew * (xs[slot] - middle)
            square += distance * distance / count
            third = 3.0 * (xs[slot] - first) / (last - first)
            if third < 1.0:
                early = min(early, distance)
            elif third < 2.0:
                amid = min(amid, distance)
            else:
                late = min(late, distance)
    noise = max(mean - height, 1.0)
    if noise > 3.0 * total / (count - 1) + 0.1 * DRIFT_NS or max(early, amid, late) > 0.5 * noise + 0.1 * DRIFT_NS:
        return False
    ratio = count * math.log((mean - level) / noise)
    spread = min(square / (noise * noise) - 1.0, 1.0)
    if young and ratio * spread * spread + 0.5 * sigmas * sigmas >= enough:
        return True
    return bool(abs(sigmas) >= SURE_SIGMAS or (abs(sigmas) >= LIKELY_SIGMAS and ratio >= LIKELY_LOG_RATIO))
