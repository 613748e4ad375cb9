"""One joint, one sample: predict to it, gate it, update with it. The state is a function of the samples in order of stamps."""

from __future__ import annotations

import math
from typing import Any

from twind.estimation.compile import inlined, kernel
from twind.estimation.joint_channels import USED, audit, blame, integrate, rate_variance, start_channel
from twind.estimation.joint_choice import due, guard, judge, reconsider, start_choice
from twind.estimation.joint_lanes import density, nearest, predict_lanes, start_lanes, update_lanes, update_rates
from twind.estimation.joint_pace import pace_by
from twind.estimation.joint_records import AA, LANES, PA, PP, PV, RESTART_NS, VA, VV, A, P, V
from twind.estimation.joint_rest import RESTLESS, start_rest, watch_rest
from twind.estimation.joint_stamps import stamp_variance, start_stamps, watch_stamps, weigh_refusal
from twind.model.estimates import Verdict
from twind.model.time import NO_STAMP

RIVALS = 3  # mutually consistent rejections that win
WORST_RATIO = 1e12  # predicted over measured variance: beyond it the prediction says nothing, and float64 nears its limits
SURE = 1.5  # times the configured variance: less jitter may be chance
CAUTION = 2.0
"""How many times learnt jitter beyond the configured one counts in the models. One would be theory; over simulated machines of
all speeds and real pendulums two predicts best, and all from 1 to 9 almost as well."""
TURNS = 0.2  # of the step since the last sample that a stamp may always be off: fast motion turns between sparse samples
RATE_GATE = 9.0  # variances: one that lags in fast motion is let go by, and may help again
WIDEST = LANES - 1  # the lane whose gate decides

DONE = -1.0
"""What `gate_sample` returns in place of a variance."""

ACCEPTED, GATED, RESET = int(Verdict.ACCEPTED), int(Verdict.GATED), int(Verdict.RESET)


@kernel
def start(row: Any, track: Any, ledger: Any, z: float, v: float, t: int) -> None:
    """Begin a new track."""
    track.t_ns = t
    track.rivals = 0
    start_lanes(row, track, z, v)
    start_choice(row, track, ledger, z, t)
    start_stamps(track, z)
    start_rest(track, z, t)
    start_channel(ledger)


@kernel
def _restart(row: Any, track: Any, ledger: Any, z: float, v: float, t: int, expected: float) -> None:
    """Begin a new track where the old one was wrong, and say so."""
    blame(ledger)
    start(row, track, ledger, z, v, t)
    track.resets += 1
    ledger.reset_delta = z - expected


@kernel
def _challenge(row: Any, track: Any, ledger: Any, z: float, t: int) -> bool:
    """Note a gated sample; say whether it completes enough rejections that agree with each other to overrule the state."""
    if track.rivals > 0:
        dt = (t - ledger.rival_t) * 1e-9
        if dt <= 0.0:
            return False
        moved = nearest(z, ledger.rival_p, row.modulus) - ledger.rival_p
        noise = 6.0 * math.sqrt(row.r)
        v = moved / dt
        agrees = dt * 1e9 < RESTART_NS and abs(moved) <= row.top_speed * dt + noise
        if agrees and track.rivals > 1:
            agrees = abs(v - ledger.rival_v) * dt <= row.top_acceleration * dt * dt + 4.0 * noise
        if agrees:
            ledger.rival_t, ledger.rival_p, ledger.rival_v = t, z, v
            track.rivals += 1
            return bool(track.rivals >= RIVALS)
    ledger.rival_t, ledger.rival_p, ledger.rival_v = t, z, 0.0
    track.rivals = 1
    return False


@inlined
def step_of(track: Any, t: int) -> float:
    """Return the time since the last sample [s]; 0 where a new track begins."""
    if track.t_ns == NO_STAMP or not 0 <= t - track.t_ns <= RESTART_NS:
        return 0.0
    return float((t - track.t_ns) * 1e-9)


@inlined
def gate_sample(
    row: Any, track: Any, ledger: Any, ahead: Any, t: int, z: float, sigma: float, gate: float
) -> tuple[int, float, float, float, float]:
    """Compare a sample with what the lanes were predicted to be.

    Returns:
        The verdict, the normalised innovation squared, the position in the state's own turn, the predicted one, and the
        variance of stamps as it was known; that is negative where nothing is left to do, because a new track began or the
        sample was refused.
    """
    if track.t_ns == NO_STAMP:
        track.stamp_var = row.stamp_var
        track.granted = row.most_stamp_var
        start(row, track, ledger, z, 0.0, t)
        return ACCEPTED, math.nan, z, z, DONE
    p, v, pp, vv = ahead[P + WIDEST], ahead[V + WIDEST], ahead[PP + WIDEST], ahead[VV + WIDEST]
    old = t < track.t_ns or t - track.t_ns > RESTART_NS  # the first sample of an epoch
    if old or not pp <= WORST_RATIO * row.r:
        z = nearest(z, track.x[P + WIDEST], row.modulus)
        start(row, track, ledger, z, 0.0, t)
        return ACCEPTED, math.nan, z, z, DONE
    z = nearest(z, p, row.modulus)
    y = z - p
    # A stamp that is off by dt puts the sample off by v dt.
    known = stamp_variance(row, track)
    s = pp + row.r + (v * v + vv) * (track.granted + sigma * sigma)
    if not y * y <= gate * s:
        T = (t - track.t_ns) * 1e-9
        turned = row.most_stamp_var > row.stamp_var and y * y <= gate * (s + (v * v + vv) * (TURNS * T) ** 2)
        explained = turned or y * y <= gate * (s + (v * v + vv) * (row.most_stamp_var - track.granted))
        weigh_refusal(row, track, explained)
        if not turned:
            # What bad stamps explain shows no other motion: it is accepted after two more like it at the latest.
            if not explained and _challenge(row, track, ledger, z, t):
                _restart(row, track, ledger, z, ledger.rival_v, t, p)
                return RESET, y * y / s, z, p, DONE
            return GATED, y * y / s, z, p, DONE
    k = track.best
    v = ahead[V + k]
    innovation = z - ahead[P + k]
    nis = innovation * innovation / (ahead[PP + k] + row.r + (v * v + ahead[VV + k]) * (known + sigma * sigma))
    return ACCEPTED, nis, z, p, known


@inlined
def update(row: Any, track: Any, ledger: Any, ahead: Any, t: int, z: float, p: float, known: float, sigma: float) -> bool:
    """Update every lane with a sample that was predicted as `p`; say whether it began a new track instead."""
    stamp_var = min(known, row.stamp_var) + CAUTION * max(known - SURE * row.stamp_var, 0.0) + sigma * sigma
    update_lanes(row, track, ahead, z, stamp_var)
    if not abs(track.x[V + WIDEST]) <= row.top_speed:  # a wrapped joint seen whole turns apart would spin ever faster
        _restart(row, track, ledger, z, 0.0, t, p)
        return True
    return False


@inlined
def watch(row: Any, track: Any, ledger: Any, pace: Any, t: int, z: float, rate: float) -> None:
    """Learn from a sample that was just used, beyond the jitter of stamps: the velocity channel, the best model, rest."""
    track.t_ns = t
    track.rivals = 0
    if row.velocity_var > 0.0:
        integrate(ledger, rate, pace.T)
        off = rate - track.x[V + WIDEST]
        variance = rate_variance(row, ledger)
        if ledger.channel == USED and off * off <= RATE_GATE * (track.x[VV + WIDEST] + variance):  # not of NaN
            update_rates(track, rate, variance)
    if due(track, t):
        audit(row, ledger, z - ledger.then_z, (t - track.then_ns) * 1e-9)
        judge(row, track, ledger, pace, z, t)
    was_still = track.still
    watch_rest(row, track, pace, z, t)
    if was_still > 0 and track.still == 0:
        if was_still > RESTLESS:
            ledger.dithers = 1
        reconsider(row, track)
    guard(row, track, pace, z)


@kernel
def advance(row: Any, track: Any, ledger: Any, pace: Any, task: Any, sample: Any, gate: float) -> tuple[int, float]:
    """Use one recorded sample, all stages in turn; return its verdict and normalised innovation squared."""
    t, sigma = sample.t_ns, sample.sigma
    pace_by(pace, step_of(track, t), row.alpha)
    ahead = task.x
    predict_lanes(row, track, pace, ahead)
    verdict, nis, z, p, known = gate_sample(row, track, ledger, ahead, t, sample.z, sigma, gate)
    if known >= 0.0:
        if update(row, track, ledger, ahead, t, z, p, known, sigma):
            return RESET, nis
        watch_stamps(row, track, pace, z, known, sigma)
        watch(row, track, ledger, pace, t, z, sample.rate)
    return verdict, nis


@inlined
def summarise(row: Any, track: Any, shown: Any) -> None:
    """Copy what is shown to where the prediction of all joints reads it in one sweep."""
    x, k = track.x, track.shown
    shown.t_ns = track.t_ns
    shown.p, shown.v, shown.a = x[P + k], x[V + k], x[A + k]
    shown.pp, shown.pv, shown.pa = x[PP + k], x[PV + k], x[PA + k]
    shown.vv, shown.va, shown.aa = x[VV + k], x[VA + k], x[AA + k]
    shown.q = density(row, k)
    if track.still > 0:
        shown.p, shown.v, shown.a = track.slow, 0.0, 0.0
    elif abs(shown.v) > row.shown_speed:  # two bad stamps close together make any speed
        shown.v, shown.a = math.copysign(row.shown_speed, shown.v), 0.0
