"""The velocity that some machines report besides positions: used only while it agrees with the way covered.

Real robots report velocities with the wrong sign, in degrees, or scaled by a gear. The monitor compares the integral of the
reported velocity with the way between the same two measured positions, so it depends on no filter. A channel starts on
probation, is used once it has agreed for a while in motion, is disabled when it disagrees, and comes back only after agreeing
ten times as long.
"""

from __future__ import annotations

import math
from typing import Any

from twind.estimation.compile import kernel

OFF, PROBATION, USED, DISABLED = 0, 1, 2, 3
"""States of a channel: not asked for or not sent, not yet proved, used, caught lying."""

TOLERANCE = 0.35  # of the way covered
PROOF = 10.0  # windows of agreement until a new channel is used
BLAME = 5.0  # what a reset counts for while the channel is used
RETURN = 100.0  # and until a disabled one is used again
FAULTS = -10.0  # net windows of disagreement that disable


@kernel
def start_channel(track: Any) -> None:
    """Forget the way covered; what was found about the channel stays."""
    track.travel = track.travel_s = 0.0
    track.last_rate = math.nan


@kernel
def integrate(track: Any, rate: float, T: float) -> None:
    """Add the way that the reported velocities say was covered since the last sample (trapezoid)."""
    if track.channel == OFF and not math.isnan(rate):
        track.channel = PROBATION
        track.trust = 0.0
    mean = 0.5 * (rate + track.last_rate)
    if not math.isnan(mean):
        track.travel += mean * T
        track.travel_s += T
    track.last_rate = rate


@kernel
def audit(row: Any, track: Any, moved: float, T: float) -> None:
    """Compare way and integral over one window of `T` [s]; count, and switch the channel."""
    travel, covered = track.travel, track.travel_s
    track.travel = track.travel_s = 0.0
    if track.channel == OFF or covered < 0.9 * T:
        return
    noise = 6.0 * math.sqrt(row.r)
    way = max(abs(moved), abs(travel))
    if way < 2.0 * noise:  # hardly any motion: nothing to judge by
        return
    agrees = abs(travel - moved) <= noise + TOLERANCE * abs(moved)
    if agrees:
        ceiling = RETURN if track.channel == DISABLED else PROOF
        track.trust = min(track.trust + 1.0, ceiling)
        if track.trust >= ceiling:
            track.channel = USED
            track.trust = PROOF
        return
    track.trust = 0.0 if track.channel == DISABLED else track.trust - 2.0
    if track.trust <= FAULTS:
        track.channel = DISABLED
        track.trust = 0.0


@kernel
def blame(track: Any) -> None:
    """Count a reset against a channel in use: it may have led the estimate astray before a window was complete."""
    if track.channel == USED:
        track.trust -= BLAME
        if track.trust <= FAULTS:
            track.channel = DISABLED
            track.trust = 0.0
