"""Which line the kept delays of a stream speak for: the mean of all that lie below them, over as long as they agree on one.

Queueing above a sharp floor is near exponential. Then a line that lies at height h at the middle of n delays, and below all of
them, is as likely as exp(n h / mean queueing), so the highest is the likeliest; but the mean over all lines by that weight is
nearer to the truth (Pitman's estimator, E. J. G. Pitman, "The estimation of the location and scale parameters of a continuous
population of any given form", Biometrika 30, 1939): it does not rest on the two delays that the highest happens to touch, and
it lies as much lower as delays lie above a floor that none of them reaches. Where messages are few, even that is too little
from one window, and older slices count as long as one line fits them all.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from twind.estimation.clock_lines import BUCKETS, best_skew, extent, support
from twind.estimation.compile import kernel

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

SHARP_NS = 10_000.0  # a line known better than this needs no older delays: rates of clocks change within minutes
BLURRED_NS = 1e6  # delays that tell less than this are a backlog that flows or too few: the highest line below them is safer
LONGER = 1.25  # by how much older slices must lengthen the window to count
FEWEST = 8  # slices in a longer window
UNLIKELY = 8.0  # a third of a window that far above its line, in units of what is exponential there, is another line's


@kernel
def mean_line(
    slices: Ints, xs: Floats, ys: Floats, newest: int, size: int, middle: float, low: float, high: float
) -> tuple[float, float, float]:
    """Return height at `middle` and slope of the mean line, and how sharply it is known: the likelihood's rate [1/ns].

    The highest line where delays tell too little.

    By walking along the lower convex hull: while the slope goes from one edge's to the next, the line turns about one delay,
    and its height, the logarithm of its weight, changes evenly.
    """
    skew = best_skew(slices, xs, ys, newest, size, middle, low, high)
    top = support(slices, xs, ys, newest, size, skew, middle)
    count, total = 0, 0.0
    x, y, least = 0.0, 0.0, math.inf
    for slot in range(BUCKETS):
        if slices[slot] > newest - size and slices[slot] >= 0:
            count += 1
            total += ys[slot] - top - skew * (xs[slot] - middle)
            height = ys[slot] - low * (xs[slot] - middle)
            if height < least or (height == least and xs[slot] > x):
                x, y, least = xs[slot], ys[slot], height
    if count < 3:
        return top, skew, 0.0
    typical = _median(slices, xs, ys, newest, size, count, top - skew * middle, skew, total / count)
    rate = math.log(2.0) * (count - 2.0) / max(typical, 1.0)  # two delays lie on the line by its choice
    if rate * BLURRED_NS < 1.0:
        return top, skew, rate
    weight, slopes, heights = 0.0, 0.0, 0.0
    begin, above = low, least - top
    while begin < high:
        end, next_x, next_y = high, x, y
        for slot in range(BUCKETS):
            if slices[slot] > newest - size and slices[slot] >= 0 and xs[slot] > x:
                slope = (ys[slot] - y) / (xs[slot] - x)
                if slope < end or (slope == end and xs[slot] > next_x):
                    end, next_x, next_y = slope, xs[slot], ys[slot]
        end = max(end, begin)  # of an edge that rounding turns back
        ahead = y - end * (x - middle) - top
        mean, first = _mean_exponential(rate * above, rate * ahead)
        width = end - begin
        weight += width * mean
        slopes += width * (begin * mean + width * first)
        heights += width * (above * mean + (ahead - above) * first)
        if next_x == x:
            break
        begin, above, x, y = end, ahead, next_x, next_y
    if weight <= 0.0:
        return top, skew, rate
    return top + heights / weight - 1.0 / rate, slopes / weight, rate


@kernel
def _median(
    slices: Ints, xs: Floats, ys: Floats, newest: int, size: int, count: int, line: float, skew: float, mean: float
) -> float:
    """Return the median distance from a line, nearly [ns]: a backlog that flows moves the mean by orders of magnitude."""
    low, high = 0.0, 2.0 * mean
    for _ in range(64):
        half = 0.5 * (low + high)
        below = 0
        for slot in range(BUCKETS):
            if slices[slot] > newest - size and slices[slot] >= 0 and ys[slot] - line - skew * xs[slot] <= half:
                below += 1
        if 2 * below >= count:
            high = half
        else:
            low = half
        if high - low <= 0.1 * low or high < 1.0:
            break
    return 0.5 * (low + high)


@kernel
def _mean_exponential(begin: float, end: float) -> tuple[float, float]:
    """Return the integrals of exp(f) and of u exp(f) over u from 0 to 1, where f goes evenly from `begin` to `end`."""
    change = end - begin
    if abs(change) < 1e-3:
        half = math.exp(0.5 * (begin + end))
        return half, half * (0.5 + change / 12.0)
    last = math.exp(end)
    mean = (last - math.exp(begin)) / change
    return mean, (last - mean) / change


@kernel
def _fits(slices: Ints, xs: Floats, ys: Floats, newest: int, size: int, height: float, skew: float, rate: float) -> bool:
    """Say whether every third of a window comes as near to the line as chance brings it; `height` is that at zero."""
    _, first, _, last = extent(slices, xs, newest, size)
    early, amid, late = math.inf, math.inf, math.inf
    for slot in range(BUCKETS):
        if slices[slot] > newest - size and slices[slot] >= 0:
            distance = ys[slot] - height - skew * xs[slot]
            third = 3.0 * (xs[slot] - first) / (last - first)
            if third < 1.0:
                early = min(early, distance)
            elif third < 2.0:
                amid = min(amid, distance)
            else:
                late = min(late, distance)
    return bool(max(early, amid, late) * rate / 3.0 < UNLIKELY)


@kernel
def settle(row: Any, bound: float, shortest: float, lengthen: bool) -> tuple[bool, float, float]:  # noqa: FBT001  (a kernel)
    """Return whether there is a line, its height at the epoch's first stamp, and its slope, at most `bound`.

    Of a window shorter than `shortest` the slope is not judged. `lengthen`: older slices may count.
    """
    newest = row.slice
    count, first, middle, last = extent(row.best_slice, row.best_x, newest, BUCKETS)
    if count == 0:
        return False, 0.0, 0.0
    if last - first < shortest:
        skew = row.skew
        return True, support(row.best_slice, row.best_x, row.best_y, newest, BUCKETS, skew, middle) - skew * middle, skew
    height, skew, rate = mean_line(row.best_slice, row.best_x, row.best_y, newest, BUCKETS, middle, -bound, bound)
    line, span = height - skew * middle, last - first
    if not lengthen or rate * SHARP_NS >= 1.0:
        return True, line, skew
    highest = height + 1.0 / rate
    size, latest = BUCKETS, -1
    for slot in range(BUCKETS):
        latest = max(latest, row.long_slice[slot])
    while size >= BUCKETS // 4:
        count, begin, amid, end = extent(row.long_slice, row.long_x, latest, size)
        if count >= FEWEST and end - begin >= LONGER * span:
            long_height, long_skew, long_rate = mean_line(
                row.long_slice, row.long_x, row.long_y, latest, size, amid, -bound, bound
            )
            long_line = long_height - long_skew * amid
            if (highest - long_line - long_skew * middle) * rate < UNLIKELY and _fits(
                row.long_slice, row.long_x, row.long_y, latest, size, long_line, long_skew, long_rate
            ):
                return True, long_line, long_skew
        size //= 2
    return True, line, skew
