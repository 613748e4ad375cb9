"""Samples in any order: a late one is put where it belongs, and what came after it is used again.

Each joint keeps its last samples in a ring and, every `BLOCK` of them, its state before that block. A late sample is inserted
by its stamp; the state of its block is restored and the samples from there on are replayed, gated ones included, so that the
outcome is that of the sorted run. Cost: one copy per `BLOCK` samples in order; up to `BLOCK` plus its lateness in samples
when late.
"""

from __future__ import annotations

from typing import Any

from twind.estimation.compile import inlined, kernel
from twind.estimation.joint_records import BLOCK, FARTHEST_NS, LARGEST, RESTART_NS
from twind.estimation.joint_track import advance
from twind.model.estimates import Verdict

BEHIND = 10  # samples in a row that are older than the lag: time itself was set back ...
BEHIND_NS = 500_000_000  # ... if they span this long, or are from long ago

APPEND, LATE, EPOCH = -1, -2, -3
"""What to do with a sample that has no verdict yet."""

_DUPLICATE, _TOO_OLD, _FUTURE, _NOT_FINITE = (
    int(Verdict.DUPLICATE), int(Verdict.TOO_OLD), int(Verdict.FUTURE), int(Verdict.NOT_FINITE),
)  # fmt: skip


@inlined
def place(arrival: Any, t: int, z: float, lag_ns: int) -> int:  # noqa: PLR0911  (one per answer)
    """Say what is to be done with a sample, or its verdict."""
    if not abs(z) <= LARGEST:  # NaN fails every comparison
        return _NOT_FINITE
    if t > FARTHEST_NS:
        return _FUTURE
    if t < -FARTHEST_NS:
        return _TOO_OLD
    if arrival.samples == 0:
        return EPOCH
    newest = arrival.newest_ns
    if t > newest:
        return APPEND if t - newest <= RESTART_NS else EPOCH
    if t == newest:
        return _DUPLICATE
    if newest - t > lag_ns:
        return _long_ago(arrival, newest, t)
    return LATE


@kernel
def place_late(arrival: Any, rings: Any, index: int, t: int) -> tuple[int, int]:
    """Say what is to be done with a sample that is within the lag, or its verdict, and its number within the epoch."""
    arrival.behind = 0
    n = arrival.samples
    mask = rings.shape[0] - 1
    oldest = max(0, n + 1 - rings.shape[0])
    number = n
    while number > oldest and rings[(number - 1) & mask, index].t_ns > t:
        number -= 1
    if number > oldest and rings[(number - 1) & mask, index].t_ns == t:
        return _DUPLICATE, 0
    if number - (number & (BLOCK - 1)) < oldest:
        return _TOO_OLD, 0
    return LATE, number


@kernel
def _long_ago(arrival: Any, newest: int, t: int) -> int:
    """Refuse a sample from before the lag, unless it is one of many: then a new epoch begins."""
    if arrival.behind == 0 or t <= arrival.behind_ns:
        arrival.behind, arrival.behind_since = 0, t
    arrival.behind += 1
    arrival.behind_ns = t
    lasting = newest - t > RESTART_NS or t - arrival.behind_since > BEHIND_NS
    return EPOCH if arrival.behind >= BEHIND and lasting else _TOO_OLD


@inlined
def keep(arrival: Any, slot: Any, sample: tuple[int, float, float, float], number: int) -> None:
    """Put a sample, the newest of its epoch, into its slot of the ring."""
    slot.t_ns, slot.z, slot.rate, slot.sigma = sample
    arrival.newest_ns, arrival.newest_z = sample[0], sample[1]
    arrival.samples = number + 1
    arrival.behind = 0


@kernel
def replay(
    row: Any, arrival: Any, tracks: Any, ledgers: Any, index: int, rings: Any, bases: Any, ledger_bases: Any,
    pace: Any, task: Any, sample: Any, number: int, gate: float,
) -> tuple[int, float]:  # fmt: skip
    """Insert a late sample and use everything since its block began once more; return its verdict and nis."""
    mask = rings.shape[0] - 1
    for later in range(arrival.samples, number, -1):
        rings[later & mask, index] = rings[(later - 1) & mask, index]
    slot = rings[number & mask, index]
    slot.t_ns, slot.z, slot.rate, slot.sigma = sample
    arrival.samples += 1
    begin = number - (number & (BLOCK - 1))
    base = (begin // BLOCK) & (bases.shape[0] - 1)
    tracks[index], ledgers[index] = bases[base, index], ledger_bases[base, index]
    track, ledger = tracks[index], ledgers[index]
    verdict, nis = 0, 0.0
    for k in range(begin, arrival.samples):
        if k & (BLOCK - 1) == 0 and k > begin:
            base = (k // BLOCK) & (bases.shape[0] - 1)
            bases[base, index], ledger_bases[base, index] = track, ledger
        outcome = advance(row, track, ledger, pace, task, rings[k & mask, index], gate)
        if k == number:
            verdict, nis = outcome
    return verdict, nis
