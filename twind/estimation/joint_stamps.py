"""How much the stamps of a joint's samples jitter, found from the samples themselves.

A sample between two others is compared with the chord through them. What is left after position noise, and after what the
model says about acceleration, grows with speed only if the stamps are off; it moves the estimate, by the cube of the share that
stamps may have in it. At rest nothing is learnt. Hard bounds: the configured variance and `MOST` times that.
"""

from __future__ import annotations

from typing import Any

from twind.estimation.compile import inlined, kernel
from twind.estimation.joint_pace import chord_by
from twind.estimation.joint_records import AA, A, V

LEAST = 0.01  # times the configured variance: below it, a light pendulum whose stamps jitter was refused
MOST = 900.0  # times the configured variance: 30 in sigma
TYPICAL = 25.0  # times the configured variance: what is looked for
PRIOR = 20.0  # telling samples that the configured variance counts for
GATE = 9.0
LOOSER = 3.0
TIGHTER = 0.03
CAP = 9.0  # times the variance that the gate grants: beyond it a sample tells of something else
SPARSE_S = 0.1  # samples farther apart say nothing about their stamps


@kernel
def start_stamps(track: Any, z: float) -> None:
    """There is no chord yet; what was found about stamps stays."""
    track.before = 0.0
    track.before_z = z


@inlined
def stamp_variance(row: Any, track: Any) -> float:
    """Return the variance of the device's stamps as it is known now [s^2]."""
    return float(min(max(track.stamp_var, row.least_stamp_var), row.most_stamp_var))


@inlined
def weigh_refusal(row: Any, track: Any, jitter: bool) -> None:
    if jitter:
        track.granted = min(LOOSER * track.granted, row.most_stamp_var)
    else:
        track.granted = max(track.granted / LOOSER, row.gate_stamp_var)


@inlined
def watch_stamps(row: Any, track: Any, pace: Any, z: float, known: float, sigma: float) -> None:
    """Note one accepted sample, by the pace of its step, before the last is forgotten; `known` is the variance so far."""
    before = track.before
    if before > 0.0 and before + pace.T < SPARSE_S and row.most_stamp_var > row.stamp_var:
        chord_by(pace, before)
        w, g, bow = pace.weight, pace.noise, pace.bow
        k = track.best
        v = track.x[V + k]
        e = track.last_z - track.before_z - w * (z - track.before_z) + bow * track.x[A + k]
        speed = g * v * v
        rest = g * (row.r + v * v * sigma * sigma) + bow * bow * track.x[AA + k]
        found = e * e - rest - speed * known
        sought = max(TYPICAL * row.stamp_var, known)
        inverse = 1.0 / (speed * sought + rest)
        share = speed * sought * inverse
        if e * e <= CAP * (rest + speed * track.granted):
            telling = share * share * share
            track.stamp_seen += telling
            rate = max(1.0 / (PRIOR + track.stamp_seen), pace.stamps)
            # share cubed times what was found over speed, which may be 0
            if track.granted > row.gate_stamp_var:
                deserved = min(max(row.gate_stamp_var, GATE * known), row.most_stamp_var)
                w = speed * track.granted / (speed * track.granted + rest)
                track.granted += TIGHTER * w * w * w * (deserved - track.granted)
            track.stamp_var = known + rate * (share * share * (sought * inverse) * found)
    track.before = pace.T
    track.before_z = track.last_z
