"""Which model of a joint is shown: the one that has lately predicted best, unless the newest sample contradicts it.

Every `AHEAD` or so, each lane's prediction from then is compared with the sample of now; squared errors are summed with
forgetting. With an unknown but common scale of the error that sum is what the likelihood of a lane depends on, so the choice
needs no trustworthy noise figures. Only accepted samples count, and the lanes' noises never change: nothing can run away.
"""

from __future__ import annotations

from typing import Any

from twind.estimation.compile import inlined, kernel
from twind.estimation.eight import load, store
from twind.estimation.joint_pace import drift_by
from twind.estimation.joint_records import LANES, SCORE, THEN_A, THEN_P, THEN_V, A, P, V
from twind.estimation.joint_stamps import stamp_variance

AHEAD_NS = 50_000_000  # over which predictions are judged
EARLY = 5  # judgements of a new track that come sooner, since all lanes begin with the same wrong guess of the motion
ENOUGH = 1_000_000  # judgements: more are not counted
TOO_FAR_NS = 500_000_000  # beyond it a prediction says nothing about a model
KEPT = 0.95  # of the sum at each judgement: the last second counts
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
    store(then, THEN_P, load(x, P))
    store(then, THEN_V, load(x, V))
    store(then, THEN_A, load(x, A))
    track.then_ns, ledger.then_z = t, z


@kernel
def judge(row: Any, track: Any, ledger: Any, pace: Any, z: float, t: int) -> None:
    """Compare each lane's prediction with the sample, and choose."""
    x = ledger.x
    dt = t - track.then_ns
    if dt <= TOO_FAR_NS:
        T = dt * 1e-9
        f1 = drift_by(pace, T, row.alpha)
        kept = min(KEPT, track.judged / (track.judged + 2.0))
        e = z - (load(x, THEN_P) + T * load(x, THEN_V) + f1 * load(x, THEN_A))
        store(x, SCORE, kept * load(x, SCORE) + e * e)
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
def guard(row: Any, track: Any, pace: Any, z: float) -> None:
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
    track.wobble += pace.wobble * (min(0.5 * change * change, MOST_WOBBLE * row.r) - track.wobble)
    most = min(max(shown, track.shown) + CLIMB, LANES - 1)
    while shown < most and residual * residual > allowed:
        shown += 1
        residual = z - track.x[P + shown]
    track.shown = shown
