"""The velocity that some machines report besides positions: used only while it agrees with the way covered.

Real robots report velocities with the wrong sign, in degrees, or scaled by a gear. The monitor compares the integral of the
reported velocity with the way between the same two measured positions, so it depends on no filter. A channel starts on
probation, is used once it has agreed for a while in motion, is disabled when it disagrees, and comes back only after agreeing
ten times as long.
"""

from __future__ import annotations

import math
from typing import Any

from twind.estimation.compile import inlined, kernel

OFF, PROBATION, USED, DISABLED = 0, 1, 2, 3
"""States of a channel: not asked for or not sent, not yet proved, used, caught lying."""

TOLERANCE = 0.35  # of the way covered
PROOF = 10.0  # windows of agreement until a new channel is used
BLAME = 5.0  # what a reset counts for while the channel is used
RETURN = 100.0  # and until a disabled one is used again
FAULTS = -10.0  # net windows of disagreement that disable
REMEMBERED = 0.1  # of what one window says of the channel's error
WORSE = 9.0  # times that error, as variance: unlike noise it lasts from sample to sample
LAG_S = 0.02  # that an honest velocity may lag, of filters in the drive
LONGEST_S = 1.0  # of a window: what moves less in it tells nothing


@kernel
def start_channel(ledger: Any) -> None:
    """Forget the way covered; what was found about the channel stays."""
    ledger.travel = ledger.travel_s = 0.0
    ledger.first_rate = ledger.last_rate = math.nan


@kernel
def integrate(ledger: Any, rate: float, T: float) -> None:
    """Add the way that the reported velocities say was covered since the last sample (trapezoid)."""
    if ledger.channel == OFF and not math.isnan(rate):
        ledger.channel = PROBATION
        ledger.trust = 0.0
    mean = 0.5 * (rate + ledger.last_rate)
    if not math.isnan(mean):
        ledger.travel += mean * T
        ledger.travel_s += T
    ledger.last_rate = rate


@kernel
def audit(row: Any, ledger: Any, moved: float, T: float) -> None:
    """Add `T` [s] with the way covered in them to a window; once there was motion enough, judge it and switch the channel."""
    if ledger.channel == OFF:
        ledger.travel = ledger.travel_s = 0.0
        return
    ledger.way += moved
    ledger.way_s += T
    first = ledger.first_rate
    travel, way, lasted = ledger.travel, ledger.way, ledger.way_s
    noise = 6.0 * math.sqrt(row.r)
    told = ledger.travel_s >= 0.9 * lasted
    short = max(abs(way), abs(travel)) < 2.0 * noise
    if told and short and lasted < LONGEST_S:
        return
    ledger.travel = ledger.travel_s = ledger.way = ledger.way_s = 0.0
    ledger.first_rate = ledger.last_rate
    if short or not told:
        return
    off = travel - way
    error = off * off - 2.0 * row.r
    ledger.rate_var += REMEMBERED * (max(error, 0.0) / (lasted * lasted) - ledger.rate_var)
    late = LAG_S * abs(ledger.last_rate - first)
    if math.isnan(late):  # before the first window, or where no velocity came with the last sample
        late = 0.0
    agrees = abs(off) <= noise + TOLERANCE * abs(way) + late
    if agrees:
        ceiling = RETURN if ledger.channel == DISABLED else PROOF
        ledger.trust = min(ledger.trust + 1.0, ceiling)
        if ledger.trust >= ceiling:
            ledger.channel = USED
            ledger.trust = PROOF
        return
    ledger.trust = 0.0 if ledger.channel == DISABLED else ledger.trust - 2.0
    if ledger.trust <= FAULTS:
        ledger.channel = DISABLED
        ledger.trust = 0.0


@kernel
def blame(ledger: Any) -> None:
    """Count a reset against a channel in use: it may have led the estimate astray before a window was complete."""
    if ledger.channel == USED:
        ledger.trust -= BLAME
        if ledger.trust <= FAULTS:
            ledger.channel = DISABLED
            ledger.trust = 0.0


@inlined
def rate_variance(row: Any, ledger: Any) -> float:
    """Return the variance of a reported velocity: as configured, or as the windows show where it is worse."""
    return float(max(row.velocity_var, WORSE * ledger.rate_var))
