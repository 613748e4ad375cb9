"""How much the stamps of a joint's samples jitter, found from the samples themselves.

A sample between two others is compared with the chord through them. What is left after position noise, and after what the
model says about acceleration, grows with speed only if the stamps are off; it moves the estimate, by the cube of the share that
stamps may have in it. At rest nothing is learnt. Hard bounds: `LEAST` and `MOST` times the configured variance.

How bad stamps may be before their samples are refused goes the other way: it begins with the worst that can be learnt and
shrinks while samples show that their stamps are better. A refusal that the worst stamps explain widens it again, so jitter
cannot lock itself out before it is learnt; one that they do not explain narrows it, so garbage opens nothing.
"""

from __future__ import annotations

from typing import Any

from twind.estimation.compile import inlined, kernel
from twind.estimation.joint_pace import chord_by
from twind.estimation.joint_records import AA, A, V

LEAST = 0.01  # times the configured variance: good stamps let a fast machine be followed closely
MOST = 900.0  # times the configured variance: 30 in sigma
TYPICAL = 64.0  # times the configured variance: what is looked for
PRIOR = 20.0  # telling samples that the configured variance counts for
GATE = 9.0  # times their learnt variance that stamps are granted, within the bounds that are set
LOOSER = 3.0  # factor by which one refused sample changes what is granted
TIGHTER = 0.03  # of what is granted too much is taken away by a sample that tells of nothing but its stamp
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
def weigh_refusal(row: Any, track: Any, explained: bool) -> None:  # noqa: FBT001  (kernels know no keywords)
    """Note a refused sample, and whether the worst stamps that can be learnt would explain it."""
    if explained:
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
            if track.granted > row.gate_stamp_var:
                deserved = min(max(row.gate_stamp_var, GATE * known), row.most_stamp_var)
                telling = speed * track.granted / (speed * track.granted + rest)
                track.granted += TIGHTER * telling * telling * telling * (deserved - track.granted)
            track.stamp_seen += share * share * share
            rate = max(1.0 / (PRIOR + track.stamp_seen), pace.stamps)
            # share cubed times what was found over speed, which may be 0
            learnt = known + rate * (share * share * (sought * inverse) * found)
            track.stamp_var = max(learnt, row.least_stamp_var)
    track.before = pace.T
    track.before_z = track.last_z
