"""Whether a source repeats itself: fresh stamps, old numbers.

Frozen: the same number to its last bit, in every joint of a message, for almost a second, although for one joint at least that
cannot be true:

- it would have had to brake harder than joints do: from the speed v that its last samples show, in the way d by which they
  stayed behind that speed plus what an encoder does not show, at v^2 / 2 d or more;
- so would the joints that stopped at one instant, taken together: machines stop each axis a little earlier or later, and
  none of them as hard as it can;
- its encoder has dithered at rest and never repeated itself there;
- the velocity that it reports, and that was found honest, is repeated as well and is not zero.

Any other number ends it. When a joint then goes on from where it stood, it had stopped in truth: much harder braking is
granted to it from then on.
"""

from __future__ import annotations

import math
from typing import Any

from twind.estimation.compile import inlined, kernel
from twind.estimation.joint_channels import USED
from twind.estimation.joint_lanes import nearest
from twind.estimation.joint_records import FARTHEST_NS, RESTART_NS
from twind.estimation.joint_rest import RESTLESS

FROZEN_NS = 800_000_000
SPAN_NS = 30_000_000  # between the samples that tell the speed at which a repetition began ...
LONGEST_S = 0.5  # ... but no further back than this
BRAKING = 40.0  # rad/s^2 or m/s^2: more than arms do, and the emergency stops of arms
BRAKING_TOGETHER = 45.0  # root of the sum of squares, over the joints of a machine that came to a stand at one instant
GRANTED = 4.0  # times the braking that a joint showed when it had stopped in truth
WHERE_IT_STOOD = 10.0  # sigmas of position between the numbers before and after a standstill
SHORTEST_S = 0.004  # over which a mean speed is taken
UNSEEN = 0.01  # sigmas of position that no encoder is trusted to show
MOVING = 10.0  # sigmas of position per second: slower is not moving
TOGETHER = 2  # in place of whether a standstill is abrupt: it is not, and its joints were judged together
RECENT = 8  # samples whose third differences tell the step of an encoder, its noise and the jitter of stamps

LONG_AGO = 64  # as many at most, while these leave nothing at all ...
EXACT = 1e-6  # ... of the least way between two


@inlined
def begins_to_repeat(arrival: Any, number: int, t: int, z: float) -> bool:
    """Note whether the newest sample repeats the one before exactly; say whether it is the first to do so."""
    if number == 0 or z != arrival.newest_z or t - arrival.newest_ns > RESTART_NS:
        arrival.same_ns = t
        arrival.abrupt = 0
        return False
    return bool(arrival.same_ns == arrival.newest_ns)


@inlined
def repeats(arrival: Any, t: int) -> bool:
    """Say whether the number has been the same for long."""
    return bool(t - arrival.same_ns > FROZEN_NS)


@kernel
def watch_first_repeat(
    row: Any, arrival: Any, track: Any, ledger: Any, rings: Any, index: int, number: int, rate: float
) -> None:
    """Note whether it cannot be true that the joint stands from the newest sample on."""
    least = MOVING * math.sqrt(row.r)
    ledger.braking = 0.0
    arrival.abrupt = (
        track.still > RESTLESS
        or ledger.dithers == 1
        or (ledger.channel == USED and rate == ledger.last_rate and least < abs(rate) < row.top_speed)
    )
    if arrival.abrupt == 0 and track.still == 0:
        ledger.braking = _braking(row, arrival, rings, index, number)
        arrival.abrupt = ledger.braking > max(BRAKING, ledger.hardest)


@kernel
def stopped_together(arrivals: Any, ledgers: Any, joints: Any) -> bool:
    """Say whether the joints of a message that stood still at one instant would have had to brake too hard taken together.

    Asked once for each standstill of the machine, so rest costs nothing.
    """
    since, fresh, squares, granted = -FARTHEST_NS, False, 0.0, 0.0
    for index in joints:
        if index >= 0 and arrivals[index].abrupt != TOGETHER:
            arrivals[index].abrupt = TOGETHER
            fresh = True
    if not fresh:
        return False
    for index in joints:
        if index >= 0 and ledgers[index].braking > 0.0:
            since = max(since, arrivals[index].same_ns)
    for index in joints:
        if index >= 0 and arrivals[index].same_ns == since:
            squares += ledgers[index].braking ** 2
            granted += ledgers[index].hardest ** 2
    if squares <= max(BRAKING_TOGETHER * BRAKING_TOGETHER, granted):
        return False
    for index in joints:
        if index >= 0:
            arrivals[index].abrupt = 1
    return True


@inlined
def resume(row: Any, arrival: Any, ledger: Any, z: float) -> None:
    """Note how a joint goes on that was thought frozen: from where it stood, or from elsewhere."""
    if abs(nearest(z, arrival.newest_z, row.modulus) - arrival.newest_z) < WHERE_IT_STOOD * math.sqrt(row.r):
        ledger.hardest = max(ledger.hardest, GRANTED * ledger.braking)


@kernel
def _newest_before(rings: Any, index: int, oldest: int, end: int, t: int) -> int:
    """Return the number of the newest sample up to an instant; the oldest there is when there is none."""
    mask = rings.shape[0] - 1
    low, high = oldest, end
    while high - low > 1:
        middle = (low + high) // 2
        if rings[middle & mask, index].t_ns <= t:
            low = middle
        else:
            high = middle
    return low


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
def _braking(row: Any, arrival: Any, rings: Any, index: int, number: int) -> float:
    """Return the least acceleration that stops the joint where the newest sample is; 0 where it hardly moved.

    The speed is a bound from below: the least of the means over the last 4 to 30 ms, which braking would have lowered.
    """
    mask = rings.shape[0] - 1
    oldest = max(0, number - rings.shape[0])
    if number - oldest < RECENT:
        return 0.0
    z, t = arrival.newest_z, arrival.newest_ns
    first = _newest_before(rings, index, oldest, number, t - SPAN_NS)
    second = _newest_before(rings, index, oldest, number, rings[first & mask, index].t_ns - SPAN_NS)
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
