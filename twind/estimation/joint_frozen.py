"""Whether a source repeats itself: fresh stamps, old numbers.

A robot that stands still repeats itself, too. So when all joints of a message have repeated their numbers for a moment, two
stories of the last new message are compared, once: the motion went on as it was up to there and then its source fell silent;
or the machine braked to a stand, as hard as machines do. It is frozen when the first explains the numbers of all joints
far better than the second, and not worse than a stop at any other instant does; or when

- the joint's numbers were noisy, so that they cannot repeat;
- its message repeats a velocity, to its last bit, that agreed with its motion and is not zero.

Any other number ends it. When the robot then goes on from where it stood, it had stopped in truth: much harder braking is
granted to it from then on.

One joint alone that repeats itself while others of its message go on is judged in the same way, by more evidence.
"""

from __future__ import annotations

import math
from typing import Any

from twind.estimation.compile import inlined, kernel
from twind.estimation.joint_braking import SPAN_NS, least_braking
from twind.estimation.joint_lanes import nearest
from twind.estimation.joint_records import FARTHEST_NS, RESTART_NS
from twind.estimation.joint_rest import RESTLESS
from twind.estimation.joint_standstill import ERRORS, MOST, MOVING, SHOWS, TRIED, collect, noisy, number_at, undisturbed

SETTLED_NS = 50_000_000  # after which a standstill is judged
ALONE_NS = 100_000_000  # and one of a joint alone
FROZEN_NS = 740_000_000  # after which it is told: sources of 4 Hz and more within a second
BRAKING = 40.0  # rad/s^2 or m/s^2: more than arms do, and the emergency stops of arms
BRAKING_S = 0.015  # that the stop of a machine takes ...
AXES = 4  # ... if so many axes stop at once ...
GENTLE = 10.0  # rad/s^2 or m/s^2: ... unless it need not brake harder than this
EVIDENCE, ALONE = 4.0, 9.0  # logarithm of the odds against a stop, of a message and of one joint alone
CHANCE = 2.5  # sigmas of an instant: the width of the bell curve
LEAST_CHANCE = 3.5  # logarithm of the odds that this may make
LATE = 4.0  # sigmas by which the last numbers may be late
SURELY = 2.0  # times the braking that tells a source, for one joint alone
GRANTED = 4.0  # times the braking that a robot showed when it had stopped in truth
HARDEST = 1e7  # rad/s^2 that can be granted
WHERE_IT_STOOD = 10.0  # sigmas of position between the numbers before and after a standstill
AGREES = 0.35  # of a speed, between what is reported and what the numbers show

UNJUDGED, FROZEN, STANDS, DEAD, STANDS_ALONE = 0, 1, 2, 3, 4
"""What a standstill was found to be: not yet judged, of a frozen source, true; and of one joint alone."""

_REPEATS, _STOPPED = -1, -2
"""What one joint can prove: that its source is frozen, and that it is not."""

SPEEDS, BEHIND, VARIANCES, STEPS, COMMON = range(5, 10)
"""Rows of the workspace: what `undisturbed` found of the joints of a message; what they missed together of its last numbers."""


@inlined
def repeats(arrival: Any, track: Any, ledger: Any, number: int, t: int, z: float) -> bool:
    """Note whether the newest sample repeats the one before exactly, and say so."""
    if number == 0 or z != arrival.newest_z or t - arrival.newest_ns > RESTART_NS:
        arrival.same_ns = t
        arrival.abrupt = UNJUDGED
        return False
    if arrival.same_ns == arrival.newest_ns and track.still > RESTLESS and ledger.dithers == 0:
        ledger.dithers = 1
    return True


@kernel
def _stop(work: Any, n: int, braking: float) -> float:
    """Return the logarithm of how much likelier a stop is than an undisturbed motion, if machines brake as given.

    All joints brake for the same time, as those of a coordinated motion do, to the numbers that are repeated. What the
    encoders no longer show of the end of it, by which all numbers are old already when they begin to repeat, is granted.
    """
    fastest = edges = 0.0
    for i in range(n):
        fastest = max(fastest, work[SPEEDS, i])
        edges += work[SPEEDS, i] / work[STEPS, i]
    together = min((n - 1.0) / (AXES - 1.0), 1.0) * BRAKING / braking
    lasts = max(fastest / braking, together * min(BRAKING_S, fastest / GENTLE))
    hidden = min(math.sqrt(2.0 * lasts / edges), lasts)
    share = 0.5 * (lasts - hidden) ** 2 / lasts
    odds = 0.0
    for i in range(n):
        late = work[BEHIND, i]
        short = max(work[SPEEDS, i] * share - late, 0.0)
        odds += 0.5 * (late * late - short * short) / work[VARIANCES, i]
    return odds


@kernel
def _lateness(work: Any, n: int) -> tuple[float, float, float]:
    late = precision = misfit = 0.0
    for i in range(n):
        v, x, var = work[SPEEDS, i], work[BEHIND, i], work[VARIANCES, i]
        late += v * x / var
        precision += v * v / var
        misfit += max(x, 0.0) ** 2 / var
    return late, precision, misfit


@kernel
def _impossible(work: Any, n: int, interval: float, bound: float, braking: float, evidence: float) -> float:
    """Return the braking that would explain a standstill if it is far harder than given; else 0.

    `bound` is what one joint must have braked with at least.
    """
    if n == 0:
        return bound if bound > braking else 0.0
    late, precision, misfit = _lateness(work, n)
    # Stamps that jitter make all joints miss their numbers together.
    squares, tried = 0.0, 0
    for m in range(1, TRIED + 1):
        squares += work[COMMON, m] ** 2
        tried += work[COMMON, m] != 0.0
    more = squares / (precision * tried) if tried > 0 else 1.0
    if more > 1.0:
        for i in range(n):
            work[VARIANCES, i] *= more
        late, precision, misfit = late / more, precision / more, misfit / more
    # A stop may come at any instant between two messages: hardly ever at that of one.
    chance = max(min(math.log(CHANCE / (math.sqrt(precision) * interval)), 0.0), -LEAST_CHANCE)
    odds = _stop(work, n, braking) + chance
    if late > LATE * math.sqrt(precision) or misfit > n + 6.0 * math.sqrt(2.0 * n) + 10.0:
        return 0.0
    if odds > -evidence:
        return bound if bound > braking else 0.0
    while odds < -evidence and braking < HARDEST:
        braking *= 2.0
        odds = _stop(work, n, braking) + chance
    return max(braking, bound)


@kernel
def _look(row: Any, arrival: Any, ledger: Any, rings: Any, index: int, t: int, braking: float, work: Any, n: int) -> int:
    """Note how one joint moved up to `t`; return how many joints were noted, or what it alone proves."""
    count, step, every = collect(row, rings, index, arrival.samples, t, work)
    if ledger.dithers == 1 or (ledger.dithers == 0 and noisy(work, count, every, step)):
        return _REPEATS
    v, late, variance = undisturbed(row, work, count, step, max(BRAKING_S, 1.0 / braking))
    if not v > MOVING * math.sqrt(row.r):
        return n
    mask = rings.shape[0] - 1
    number = number_at(rings, index, arrival.samples, t)
    moving, last = rings[number & mask, index].rate, rings[(arrival.samples - 1) & mask, index].rate
    if number + 1 < arrival.samples and abs(abs(moving) - v) < AGREES * v:
        if last == moving:
            return _REPEATS
        if abs(last) < AGREES * v:
            return _STOPPED
    if n < MOST:
        for m in range(TRIED + 1):
            work[COMMON, m] = (work[COMMON, m] if n > 0 else 0.0) + v * work[ERRORS, m] / variance
        work[SPEEDS, n], work[BEHIND, n], work[VARIANCES, n] = v, late, variance
        work[STEPS, n] = min(step, SHOWS * math.sqrt(variance))
        return n + 1
    return n


@kernel
def _least(row: Any, arrival: Any, rings: Any, index: int) -> float:
    return float(least_braking(row, rings, index, number_at(rings, index, arrival.samples, arrival.same_ns) + 1))


@kernel
def _interval_of(arrival: Any, rings: Any, index: int, t: int) -> float:
    """Return the time from the last new message to the first that repeats it [s]."""
    number = number_at(rings, index, arrival.samples, t) + 1
    return (rings[number & (rings.shape[0] - 1), index].t_ns - t) * 1e-9 if number < arrival.samples else 0.0


@kernel
def _interval(arrivals: Any, rings: Any, joints: Any, t: int) -> float:
    for index in joints:
        if index >= 0 and arrivals[index].same_ns == t:
            return _interval_of(arrivals[index], rings, index, t)
    return 0.0


@kernel
def judge(kinds: Any, arrivals: Any, ledgers: Any, rings: Any, joints: Any, work: Any) -> None:
    """Judge the standstill of a whole message."""
    t, braking = -FARTHEST_NS, BRAKING
    for index in joints:
        if index >= 0:
            t = max(t, arrivals[index].same_ns)
            braking = max(braking, ledgers[index].hardest)
    n, bound = 0, 0.0
    for index in joints:
        if index >= 0 and n >= 0:
            arrival = arrivals[index]
            if t - arrival.same_ns <= SPAN_NS:
                bound = max(bound, _least(kinds[arrival.kind], arrival, rings, index))
            n = _look(kinds[arrival.kind], arrival, ledgers[index], rings, index, t, braking, work, n)
    needed = 0.0 if n < 0 else _impossible(work, n, _interval(arrivals, rings, joints, t), bound, braking, EVIDENCE)
    for index in joints:
        if index >= 0:
            ledgers[index].braking = needed
            if arrivals[index].abrupt != DEAD:
                arrivals[index].abrupt = FROZEN if n == _REPEATS or needed > 0.0 else STANDS


@kernel
def judge_alone(row: Any, arrival: Any, ledger: Any, rings: Any, index: int, work: Any) -> None:
    """Judge the standstill of one joint while others of its message go on."""
    braking = max(BRAKING, ledger.hardest)
    n = _look(row, arrival, ledger, rings, index, arrival.same_ns, braking, work, 0)
    needed = 0.0
    if n >= 0:
        bound = _least(row, arrival, rings, index) / SURELY
        needed = _impossible(work, n, _interval_of(arrival, rings, index, arrival.same_ns), bound, braking, ALONE)
    ledger.braking = needed
    arrival.abrupt = DEAD if n == _REPEATS or needed > 0.0 else STANDS_ALONE


@inlined
def differs(rate: float, before: float) -> bool:
    """Say whether a velocity is another than the one before, which may be none."""
    return bool(abs(rate - before) > 0.0)


@inlined
def far(row: Any, arrival: Any, z: float) -> bool:
    """Say whether a joint goes on from elsewhere than where it stood."""
    return bool(abs(nearest(z, arrival.newest_z, row.modulus) - arrival.newest_z) > WHERE_IT_STOOD * math.sqrt(row.r))


@kernel
def grant(ledger: Any) -> None:
    """Note that a joint that was thought frozen had stopped in truth."""
    ledger.hardest = max(ledger.hardest, GRANTED * ledger.braking)
    if ledger.braking == 0.0:
        ledger.dithers = -1
