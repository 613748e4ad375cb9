"""Which model of a joint is shown: the one that has lately predicted best, unless the newest sample contradicts it.

Every `AHEAD` or so, each lane's prediction from then is compared with the sample of now; squared errors are summed with
forgetting. With an unknown but common scale of the error that sum is what the likelihood of a lane depends on, so the choice
needs no trustworthy noise figures. Only accepted samples count, and the lanes' noises never change: nothing can run away.
"""

from __future__ import annotations

from typing import Any

from twind.estimation.compile import inlined, kernel
from twind.estimation.joint_records import LANES, SCORE, THEN_A, THEN_P, THEN_V, A, P, V
from twind.estimation.joint_stamps import stamp_variance
from twind.estimation.singer import transition

AHEAD_NS = 50_000_000  # over which predictions are judged
EARLY = 5  # judgements of a new track that come sooner, since all lanes begin with the same wrong guess of the motion
ENOUGH = 1_000_000  # judgements: more are not counted
TOO_FAR_NS = 500_000_000  # beyond it a prediction says nothing about a model
KEPT = 0.95  # of the sum at each judgement: the last second counts
WOBBLE_S = 0.4
MOST_WOBBLE = 400.0  # variances of a position
GUARD = 2.5  # sigmas that a shown position may be from the sample it has just used
ALONE = 4.0  # times the variance that one residual is allowed where samples are noisy: lag has another like it before
CLIMB = 2  # lanes per sample by which another may be shown: one late stamp must not show what follows every sample
BETTER = 0.9  # of the shown lane's sum, before another takes its place


@kernel
def start_choice(row: Any, track: Any, ledger: Any, z: float, t: int) -> None:
    """Show the model that the asset suggests, and predict from here."""
    for k in range(LANES):
        ledger.x[SCORE + k] = 0.0
    track.best = track.shown = row.first_lane
    track.judged = 0
    track.residual = track.wobble = 0.0
    anchor(track, ledger, z, t)


@inlined
def due(track: Any, t: int) -> bool:
    """Say whether the predictions are old enough to be judged."""
    return bool(t - track.then_ns >= AHEAD_NS * min(track.judged + 1, EARLY) // EARLY)


@inlined
def anchor(track: Any, ledger: Any, z: float, t: int) -> None:
    """Remember the lanes as they are: the next judgement is about what they predict from here."""
    x, then = track.x, ledger.x
    for k in range(LANES):
        then[THEN_P + k], then[THEN_V + k], then[THEN_A + k] = x[P + k], x[V + k], x[A + k]
    track.then_ns, ledger.then_z = t, z


@kernel
def judge(row: Any, track: Any, ledger: Any, z: float, t: int) -> None:
    """Compare each lane's prediction with the sample, and choose."""
    x = ledger.x
    dt = t - track.then_ns
    if dt <= TOO_FAR_NS:
        T = dt * 1e-9
        f1 = transition(T, row.alpha)[0]
        kept = min(KEPT, track.judged / (track.judged + 2.0))
        for k in range(LANES):
            e = z - (x[THEN_P + k] + T * x[THEN_V + k] + f1 * x[THEN_A + k])
            x[SCORE + k] = kept * x[SCORE + k] + e * e
        best = track.best
        least = BETTER * x[SCORE + best]
        for k in range(LANES):
            if x[SCORE + k] < least:
                best, least = k, x[SCORE + k]
        track.best = best
        track.judged = min(track.judged + 1, ENOUGH)
    anchor(track, ledger, z, t)


@kernel
def reconsider(row: Any, track: Any) -> None:
    """Judge anew: what predicted a still joint best says nothing about its motion."""
    track.judged = 0
    track.best = max(track.best, row.first_lane)


@inlined
def guard(row: Any, track: Any, z: float, T: float) -> None:
    """Show the best lane, or the next faster one that agrees with the sample just used.

    How far they may be apart is what the best lane's residuals differ from one sample to the next, or what the learnt jitter
    of stamps explains: noise, or stamps that are off, but not lag. Lag lasts: where samples are noisier than configured, two
    residuals in a row must say so.
    """
    shown = track.best
    residual, before = z - track.x[P + shown], track.residual
    change = residual - before
    track.residual = residual
    late = track.x[V + shown] * track.x[V + shown] * (stamp_variance(row, track) - row.stamp_var)
    allowed = GUARD * GUARD * max(row.r + late, track.wobble)
    if track.wobble > row.r and not (residual * before > 0.0 and before * before > 0.25 * allowed):
        allowed *= ALONE
    track.wobble += T / (WOBBLE_S + T) * (min(0.5 * change * change, MOST_WOBBLE * row.r) - track.wobble)
    most = min(max(shown, track.shown) + CLIMB, LANES - 1)
    while shown < most and residual * residual > allowed:
        shown += 1
        residual = z - track.x[P + shown]
    track.shown = shown
