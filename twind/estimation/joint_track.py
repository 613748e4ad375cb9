"""One joint, one sample: predict to it, gate it, update with it. The state is a function of the samples in order of stamps."""

from __future__ import annotations

import math
from typing import Any

from twind.estimation.compile import kernel
from twind.estimation.joint_channels import USED, audit, blame, integrate, start_channel
from twind.estimation.joint_choice import due, guard, judge, reconsider, start_choice
from twind.estimation.joint_lanes import foresee, nearest, start_lanes, update_lanes, update_rates
from twind.estimation.joint_records import AA, LANES, PA, PP, PV, RESTART_NS, VA, VV, A, P, Q, V
from twind.estimation.joint_rest import start_rest, watch_rest
from twind.estimation.joint_stamps import stamp_variance, start_stamps, watch_stamps
from twind.estimation.singer import transition
from twind.model.estimates import Verdict
from twind.model.time import NO_STAMP

RIVALS = 3  # mutually consistent rejections that win
WORST_RATIO = 1e12  # predicted over measured variance: beyond it the prediction says nothing, and float64 nears its limits
GATE = 9.0  # times their learnt variance that stamps are granted before samples are refused
SURE = 1.5  # times the configured variance: less jitter may be chance
CAUTION = 24.0
"""How many times learnt jitter beyond the configured one counts in the models. By measurement, not by theory: on logs of a
pendulum with jittered stamps, filters that trust samples in fast motion this little predict best."""
WIDEST = LANES - 1  # the lane whose gate decides

ACCEPTED, GATED, RESET = int(Verdict.ACCEPTED), int(Verdict.GATED), int(Verdict.RESET)


@kernel
def start(row: Any, track: Any, z: float, v: float, t: int) -> None:
    """Begin a new track."""
    track.t_ns = t
    track.rivals = 0
    start_lanes(row, track, z, v)
    start_choice(row, track, z, t)
    start_stamps(track, z, t)
    start_rest(track, z, t)
    start_channel(track)


@kernel
def _restart(row: Any, track: Any, z: float, v: float, t: int, expected: float) -> None:
    """Begin a new track where the old one was wrong, and say so."""
    blame(track)
    start(row, track, z, v, t)
    track.resets += 1
    track.reset_delta = z - expected


@kernel
def _challenge(row: Any, track: Any, z: float, t: int) -> bool:
    """Note a gated sample; say whether it completes enough rejections that agree with each other to overrule the state."""
    if track.rivals > 0:
        dt = (t - track.rival_t) * 1e-9
        if dt <= 0.0:
            return False
        moved = nearest(z, track.rival_p, row.modulus) - track.rival_p
        noise = 6.0 * math.sqrt(row.r)
        v = moved / dt
        agrees = dt * 1e9 < RESTART_NS and abs(moved) <= row.top_speed * dt + noise
        if agrees and track.rivals > 1:
            agrees = abs(v - track.rival_v) * dt <= row.top_acceleration * dt * dt + 4.0 * noise
        if agrees:
            track.rival_t, track.rival_p, track.rival_v = t, z, v
            track.rivals += 1
            return bool(track.rivals >= RIVALS)
    track.rival_t, track.rival_p, track.rival_v = t, z, 0.0
    track.rivals = 1
    return False


@kernel
def advance(  # noqa: PLR0911  (one per answer)
    row: Any, track: Any, model: tuple[float, ...], T: float, t: int, z: float, rate: float, sigma: float, gate: float
) -> tuple[int, float]:
    """Use one sample, `T` after the newest one used [s]; return its verdict and normalised innovation squared."""
    if track.t_ns == NO_STAMP:
        start(row, track, z, 0.0, t)
        return ACCEPTED, math.nan
    if t < track.t_ns or t - track.t_ns > RESTART_NS:  # the first sample of an epoch
        start(row, track, nearest(z, track.x[P + WIDEST], row.modulus), 0.0, t)
        return ACCEPTED, math.nan
    p, v, pp, vv = foresee(track, WIDEST, model, T)
    if not pp <= WORST_RATIO * row.r:
        start(row, track, nearest(z, track.x[P + WIDEST], row.modulus), 0.0, t)
        return ACCEPTED, math.nan
    z = nearest(z, p, row.modulus)
    y = z - p
    # A stamp that is off by dt puts the sample off by v dt.
    known = stamp_variance(row, track)
    s = pp + row.r + (v * v + vv) * (max(row.gate_stamp_var, GATE * min(known, row.gate_stamp_var)) + sigma * sigma)
    if not y * y <= gate * s:
        if _challenge(row, track, z, t):
            _restart(row, track, z, track.rival_v, t, p)
            return RESET, y * y / s
        return GATED, y * y / s
    stamp_var = row.stamp_var + CAUTION * max(known - SURE * row.stamp_var, 0.0) + sigma * sigma
    p, v, pp, vv = foresee(track, track.best, model, T)
    innovation = z - p
    nis = innovation * innovation / (pp + row.r + (v * v + vv) * (known + sigma * sigma))
    update_lanes(row, track, model, T, z, stamp_var)
    if not abs(track.x[V + WIDEST]) <= row.top_speed:  # a wrapped joint seen whole turns apart would spin ever faster
        _restart(row, track, z, 0.0, t, p)
        return RESET, nis
    watch_stamps(row, track, z, T, known, sigma)
    track.t_ns = t
    track.rivals = 0
    if row.velocity_var > 0.0:
        integrate(track, rate, T)
        if track.channel == USED and abs(rate) <= row.top_speed:
            update_rates(track, rate, row.velocity_var)
    if due(track, t):
        audit(row, track, z - track.then_z, (t - track.then_ns) * 1e-9)
        judge(row, track, z, t)
    was_still = track.still
    watch_rest(row, track, z, t, T)
    if was_still == 1 and track.still == 0:
        reconsider(row, track)
    guard(row, track, z, T)
    return ACCEPTED, nis


@kernel
def advance_alone(row: Any, track: Any, sample: Any, gate: float) -> tuple[int, float]:
    """Use one recorded sample, with a model computed for it alone."""
    T = 0.0
    if track.t_ns != NO_STAMP and 0 <= sample.t_ns - track.t_ns <= RESTART_NS:
        T = (sample.t_ns - track.t_ns) * 1e-9
    return advance(row, track, transition(T, row.alpha), T, sample.t_ns, sample.z, sample.rate, sample.sigma, gate)


@kernel
def summarise(track: Any, shown: Any) -> None:
    """Copy what is shown to where the prediction of all joints reads it in one sweep."""
    x, k = track.x, track.shown
    shown.t_ns = track.t_ns
    shown.p, shown.v, shown.a = x[P + k], x[V + k], x[A + k]
    shown.pp, shown.pv, shown.pa = x[PP + k], x[PV + k], x[PA + k]
    shown.vv, shown.va, shown.aa = x[VV + k], x[VA + k], x[AA + k]
    shown.q = x[Q + k]
    if track.still == 1:
        shown.p, shown.v, shown.a = track.slow, 0.0, 0.0
