"""Whether a source repeats itself: fresh stamps, old numbers.

Frozen: the same number, to its last bit, in every joint of a message for almost a second, although at least one of them was
moving when it began. A machine cannot stop between two samples; a controller that has lost its robot repeats itself.
"""

from __future__ import annotations

from typing import Any

from twind.estimation.compile import kernel
from twind.estimation.joint_records import RESTART_NS, VV, V

MOVING = 150.0  # sigmas of position per second: a joint this fast cannot stop from one sample to the next
FROZEN_NS = 800_000_000


@kernel
def watch_repeats(row: Any, track: Any, number: int, t: int, z: float) -> None:
    """Note whether the newest sample repeats the one before exactly, and whether the joint was moving when that began."""
    if number == 0 or z != row.newest_z or t - row.newest_ns > RESTART_NS:
        row.same_ns = t
        row.abrupt = 0
    elif row.same_ns == row.newest_ns:  # the first repeat
        speed = track.x[V + track.shown]
        moving = speed * speed > MOVING * MOVING * row.r + 16.0 * track.x[VV + track.shown]
        row.abrupt = moving and track.still == 0


@kernel
def repeats(row: Any, t: int) -> bool:
    """Say whether the number has been the same for long."""
    return bool(t - row.same_ns > FROZEN_NS)
