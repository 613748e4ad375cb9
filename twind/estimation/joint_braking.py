"""How hard a joint must have braked if it stands where its numbers began to repeat: a bound from below."""

from __future__ import annotations

import math
from typing import Any

from twind.estimation.compile import kernel
from twind.estimation.joint_lanes import nearest
from twind.estimation.joint_standstill import MOVING, number_at

SPAN_NS = 30_000_000  # between the samples that tell the speed at which a repetition began ...
LONGEST_S = 0.5  # ... but no further back than this
SHORTEST_S = 0.004  # over which a mean speed is taken
UNSEEN = 0.01  # sigmas of position that no encoder is trusted to show
RECENT = 8  # samples whose third differences tell the step of an encoder, its noise and the jitter of stamps
LONG_AGO = 64  # as many at most, while these leave nothing at all ...
EXACT = 1e-6  # ... of the least way between two


@kernel
def _unseen(row: Any, rings: Any, index: int, oldest: int, number: int) -> float:
    """Return how far the joint may have moved unseen at sample `number`.

    Third differences leave no motion, only the step of the encoder, noise and the jitter of stamps; where they are as large as
    the least way from one sample to the next, that is the step. An encoder that counted the same number of steps each
    time shows nothing of them yet: then more samples tell.
    """
    mask = rings.shape[0] - 1
    most, step = 0.0, math.inf
    z0 = rings[(number - 1) & mask, index].z
    d0 = d1 = 0.0
    for back in range(2, min(LONG_AGO, number - oldest) + 1):
        if back > RECENT and most > EXACT * step:
            break
        z1 = rings[(number - back) & mask, index].z
        first = nearest(z0, z1, row.modulus) - z1
        if first != 0.0:
            step = min(step, abs(first))
        if back > 3:
            most = max(most, abs(d1 - 2.0 * d0 + first))
        z0, d0, d1 = z1, first, d0
    return float(max(0.5 * most, min(step, most)) + UNSEEN * math.sqrt(row.r))


@kernel
def least_braking(row: Any, rings: Any, index: int, number: int) -> float:
    """Return the least acceleration that stops the joint where sample `number - 1` is; 0 where it hardly moved.

    The speed is a bound from below: the least of the means over the last 4 to 30 ms, which braking would have lowered.
    """
    mask = rings.shape[0] - 1
    oldest = max(0, number - rings.shape[0])
    if number - oldest < RECENT:
        return 0.0
    newest = rings[(number - 1) & mask, index]
    z, t = newest.z, newest.t_ns
    first = number_at(rings, index, number, t - SPAN_NS)
    second = number_at(rings, index, number, rings[first & mask, index].t_ns - SPAN_NS)
    a = (t - rings[first & mask, index].t_ns) * 1e-9
    b = (t - rings[second & mask, index].t_ns) * 1e-9
    if not (0.0 < a < b < LONGEST_S):
        return 0.0
    way = z - nearest(rings[first & mask, index].z, z, row.modulus)
    before = z - way - nearest(rings[second & mask, index].z, z, row.modulus)
    unseen = _unseen(row, rings, index, oldest, number)
    if way * before <= 0.0 or abs(way + before) < 4.0 * unseen:
        return 0.0
    speed, needed = abs(way) / a, 0.0
    back = 1
    while number - 1 - back > first or back == 1:
        sample = rings[(number - 1 - back) & mask, index]
        span = (t - sample.t_ns) * 1e-9
        if span >= SHORTEST_S:
            moved = abs(z - nearest(sample.z, z, row.modulus))
            speed = min(speed, max(moved, 2.0 * unseen) / span)
            root = math.sqrt(max(moved, unseen)) - math.sqrt(unseen)
            needed = max(needed, 2.0 * root * root / (span * span))
        back *= 2
    if not MOVING * math.sqrt(row.r) < speed < row.top_speed:  # a faster one is a position that wrapped around
        return 0.0
    behind = max(abs(before) / (b - a) * a - abs(way), 0.0)
    return float(max(needed, speed * speed / (2.0 * (behind + unseen))))
