"""Whether a source repeats itself: fresh stamps, old numbers.

Frozen: the same number, to its last bit, in every joint of a message for almost a second, although at least one of them was
moving when it began. A machine cannot stop between two samples; a controller that has lost its robot repeats itself.
"""

from __future__ import annotations

import math
from typing import Any

from twind.estimation.compile import inlined, kernel
from twind.estimation.joint_records import RESTART_NS, VV, V

MOVING = 150.0  # sigmas of position per second: a joint this fast cannot stop from one sample to the next
FROZEN_NS = 800_000_000
SPAN_NS = 30_000_000  # between the samples that tell the speed at which a repetition began ...
LONGEST_S = 0.5  # ... but no further back than this
BRAKING = 30.0  # rad/s^2 or m/s^2 at which a joint may brake


@inlined
def begins_to_repeat(arrival: Any, number: int, t: int, z: float) -> bool:
    """Note whether the newest sample repeats the one before exactly; say whether it is the first to do so."""
    if number == 0 or z != arrival.newest_z or t - arrival.newest_ns > RESTART_NS:
        arrival.same_ns = t
        arrival.abrupt = 0
        return False
    return bool(arrival.same_ns == arrival.newest_ns)


@kernel
def watch_first_repeat(row: Any, arrival: Any, track: Any, rings: Any, index: int, number: int, t: int) -> None:
    """Note whether the joint was moving when its source began to repeat itself."""
    speed = track.x[V + track.shown]
    moving = speed * speed > MOVING * MOVING * row.r + 16.0 * track.x[VV + track.shown]
    arrival.abrupt = track.still == 0 and (moving or _stopped_dead(row, arrival, rings, index, number, t))


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
def _stopped_dead(row: Any, arrival: Any, rings: Any, index: int, number: int, t: int) -> bool:
    """Say whether the samples themselves show a speed that no joint loses until the first repeat.

    The filter is no witness where it follows exact numbers closely: it then knows the speed worse than they tell. So the
    slope of a parabola through three of them is taken at the newest, which is zero for a joint that braked to a stand.
    """
    mask = rings.shape[0] - 1
    oldest = max(0, number - rings.shape[0])
    first = _newest_before(rings, index, oldest, number, arrival.newest_ns - SPAN_NS)
    second = _newest_before(rings, index, oldest, number, arrival.newest_ns - 2 * SPAN_NS)
    a = (arrival.newest_ns - rings[first & mask, index].t_ns) * 1e-9
    b = (arrival.newest_ns - rings[second & mask, index].t_ns) * 1e-9
    if not (0.0 < a < b < LONGEST_S):
        return False
    c0, c1, c2 = (a + b) / (a * b), -b / (a * (b - a)), a / (b * (b - a))
    speed = abs(c0 * arrival.newest_z + c1 * rings[first & mask, index].z + c2 * rings[second & mask, index].z)
    noise = math.sqrt(row.r * (c0 * c0 + c1 * c1 + c2 * c2))
    least = max(MOVING * math.sqrt(row.r), 3.0 * noise, BRAKING * (t - arrival.newest_ns) * 1e-9)
    top = row.top_speed  # a faster one is a position that wrapped around
    return bool(least < speed < top)


@inlined
def repeats(arrival: Any, t: int) -> bool:
    """Say whether the number has been the same for long."""
    return bool(t - arrival.same_ns > FROZEN_NS)
