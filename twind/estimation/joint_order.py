"""Samples in any order: a late one is put where it belongs, and what came after it is used again.

Each joint keeps its last samples in a ring and, every `BLOCK` of them, its state before that block. A late sample is inserted
by its stamp; the state of its block is restored and the samples from there on are replayed, gated ones included, so that the
outcome is that of the sorted run. Cost: one copy per `BLOCK` samples in order; up to `BLOCK` plus its lateness in samples
when late.
"""

from __future__ import annotations

from typing import Any

from twind.estimation.compile import kernel
from twind.estimation.joint_records import BLOCK, FARTHEST_NS, LARGEST, RESTART_NS
from twind.estimation.joint_track import advance_alone
from twind.model.estimates import Verdict

BEHIND = 10  # samples in a row that are older than the lag: time itself was set back ...
BEHIND_NS = 500_000_000  # ... if they span this long, or are from long ago

APPEND, INSERT, EPOCH = -1, -2, -3
"""What to do with a sample that has no verdict yet."""

_DUPLICATE, _TOO_OLD, _FUTURE, _NOT_FINITE = (
    int(Verdict.DUPLICATE), int(Verdict.TOO_OLD), int(Verdict.FUTURE), int(Verdict.NOT_FINITE),
)  # fmt: skip


@kernel
def place(row: Any, rings: Any, index: int, t: int, z: float, lag_ns: int) -> tuple[int, int]:  # noqa: PLR0911  (one per answer)
    """Say what is to be done with a sample, or its verdict, and its number within the epoch."""
    if not abs(z) <= LARGEST:  # NaN fails every comparison
        return _NOT_FINITE, 0
    if t > FARTHEST_NS:
        return _FUTURE, 0
    if t < -FARTHEST_NS:
        return _TOO_OLD, 0
    n = row.samples
    if n == 0:
        return EPOCH, 0
    newest = row.newest_ns
    if t > newest:
        row.behind = 0
        return (APPEND, n) if t - newest <= RESTART_NS else (EPOCH, 0)
    if t == newest:
        return _DUPLICATE, 0
    if newest - t > lag_ns:
        return _long_ago(row, newest, t), 0
    row.behind = 0
    mask = rings.shape[0] - 1
    oldest = max(0, n + 1 - rings.shape[0])
    number = n
    while number > oldest and rings[(number - 1) & mask, index].t_ns > t:
        number -= 1
    if number > oldest and rings[(number - 1) & mask, index].t_ns == t:
        return _DUPLICATE, 0
    if number - (number & (BLOCK - 1)) < oldest:
        return _TOO_OLD, 0
    return INSERT, number


@kernel
def _long_ago(row: Any, newest: int, t: int) -> int:
    """Refuse a sample from before the lag, unless it is one of many: then a new epoch begins."""
    if row.behind == 0 or t <= row.behind_ns:
        row.behind, row.behind_since = 0, t
    row.behind += 1
    row.behind_ns = t
    lasting = newest - t > RESTART_NS or t - row.behind_since > BEHIND_NS
    return EPOCH if row.behind >= BEHIND and lasting else _TOO_OLD


@kernel
def keep(row: Any, tracks: Any, index: int, rings: Any, bases: Any, sample: Any, number: int) -> None:
    """Append a sample as the newest of its epoch, and the state before it where a block begins."""
    slot = rings[number & (rings.shape[0] - 1), index]
    slot.t_ns, slot.z, slot.rate, slot.sigma = sample
    row.newest_ns, row.newest_z = sample[0], sample[1]
    row.samples = number + 1
    if number & (BLOCK - 1) == 0:
        bases[(number // BLOCK) & (bases.shape[0] - 1), index] = tracks[index]


@kernel
def replay(
    row: Any, tracks: Any, index: int, rings: Any, bases: Any, sample: Any, number: int, gate: float
) -> tuple[int, float]:
    """Insert a late sample and use everything since its block began once more; return its verdict and nis."""
    mask = rings.shape[0] - 1
    for later in range(row.samples, number, -1):
        rings[later & mask, index] = rings[(later - 1) & mask, index]
    slot = rings[number & mask, index]
    slot.t_ns, slot.z, slot.rate, slot.sigma = sample
    row.samples += 1
    begin = number - (number & (BLOCK - 1))
    tracks[index] = bases[(begin // BLOCK) & (bases.shape[0] - 1), index]
    track = tracks[index]
    verdict, nis = 0, 0.0
    for k in range(begin, row.samples):
        if k & (BLOCK - 1) == 0 and k > begin:
            bases[(k // BLOCK) & (bases.shape[0] - 1), index] = track
        outcome = advance_alone(row, track, rings[k & mask, index], gate)
        if k == number:
            verdict, nis = outcome
    return verdict, nis
