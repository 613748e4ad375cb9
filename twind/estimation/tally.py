"""What became of the samples of every stream: counted by verdict, with the innovations that they showed.

One kernel call per batch of outcomes, in constant memory: a row per channel and stream.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.estimation.compile import kernel
from twind.estimation.kept import Kept
from twind.model.estimates import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

CHANNELS = ("position", "pose", "twist", "world_twist", "imu", "effort", "velocity")
"""What samples are counted as: positions of joints; poses, velocities and inertial readings of bodies; efforts and
velocities of joints."""
FREEDOM = (1, 6, 6, 6, 3, 1, 1)
"""Degrees of freedom of the normalised innovation squared of each channel; of efforts there is none."""
POSITION = 0

WINDOW = 1000
"""Innovations in half a window: the running mean is that of the last one to two thousand."""

TALLY_ROW = np.dtype(
    [
        ("verdicts", "i8", (len(Verdict),)),
        ("nis_sum", "f8"), ("nis_count", "i8"),  # since start
        ("recent_sum", "f8"), ("recent_count", "i8"),  # the half window that is being filled
        ("before_sum", "f8"), ("before_count", "i8"),  # the one before it
    ],
    align=True,
)  # fmt: skip

_ACCEPTED, _GATED, _RESET, _VERDICTS = int(Verdict.ACCEPTED), int(Verdict.GATED), int(Verdict.RESET), len(Verdict)
_NO_OFFSETS, _NO_CHANNELS = np.empty(0, np.int64), np.empty(0, np.uint8)


@kernel
def count_outcomes(
    rows: NDArray[Any],
    stream: NDArray[np.int32],
    offset: NDArray[np.int64],
    channel: NDArray[np.uint8],
    verdicts: NDArray[np.uint8],
    nis: NDArray[np.float64],
) -> int:
    """Count one batch; return how many samples re-initialised an estimate."""
    resets = 0
    for m in range(stream.shape[0]):
        s = stream[m]
        begin, end = (offset[m], offset[m + 1]) if offset.shape[0] > 0 else (m, m + 1)
        row = rows[channel[m] if channel.shape[0] > 0 else 0, s]
        for k in range(begin, end):
            verdict = verdicts[k]
            if verdict >= _VERDICTS:  # a joint that its message passes over has none
                continue
            row.verdicts[verdict] += 1
            if verdict == _RESET:
                resets += 1
            if verdict == _ACCEPTED and math.isfinite(nis[k]):
                row.nis_sum += nis[k]
                row.nis_count += 1
                row.recent_sum += nis[k]
                row.recent_count += 1
                if row.recent_count == WINDOW:
                    row.before_sum, row.before_count = row.recent_sum, row.recent_count
                    row.recent_sum, row.recent_count = 0.0, 0
    return resets


@dataclass(frozen=True, slots=True)
class Innovations:
    """The mean of `count` normalised innovations squared of accepted samples, and where an honest one lies."""

    freedom: int
    """Degrees of freedom, which is also what is expected."""
    total: float
    count: int

    @property
    def mean(self) -> float:
        """NaN before the first."""
        return self.total / self.count if self.count else math.nan

    @property
    def band_95(self) -> tuple[float, float]:
        """Where the mean lies with 95 % probability when the innovations are as the filter believes, and independent.

        Wilson and Hilferty (1931): the mean of n chi-square values of k degrees of freedom is chi-square of n k, over n. The
        gate takes the largest values away, which shifts an honest mean down by less than 2 %.
        """
        if not self.count:
            return math.nan, math.nan
        spread = 2.0 / (9.0 * self.count * self.freedom)
        low, high = (self.freedom * (1.0 - spread + z * math.sqrt(spread)) ** 3 for z in (-1.959964, 1.959964))
        return low, high


class Tally:
    """Counts of `n_streams` streams. Rows of streams that never send cost address space but no memory."""

    def __init__(self, n_streams: int) -> None:
        self._rows = np.zeros((len(CHANNELS), n_streams), TALLY_ROW)
        self._messages = np.zeros(n_streams, np.int64)

    def add(
        self,
        stream: NDArray[np.int32],
        verdicts: NDArray[np.uint8],
        nis: NDArray[np.float64],
        *,
        offset: NDArray[np.int64] | None = None,
        channel: NDArray[np.uint8] | None = None,
    ) -> int:
        """Count the samples of one batch, M lots of K samples in all; return how many samples re-initialised an estimate.

        Args:
            stream: (M,) row of each message's stream.
            verdicts: (K,) `Verdict`.
            nis: (K,) normalised innovation squared, NaN where there was nothing to compare with.
            offset: (M + 1,) where each message's samples begin; when absent, every message is one sample.
            channel: (M,) index into `CHANNELS`; positions when absent.
        """
        offset = _NO_OFFSETS if offset is None else offset
        channel = _NO_CHANNELS if channel is None else channel
        return int(count_outcomes(self._rows, stream, offset, channel, verdicts, nis))

    def add_messages(self, streams: Iterable[int]) -> None:
        """Count one decoded message of each of these streams."""
        for stream, count in Counter(streams).items():
            self._messages[stream] += count

    def withdraw(self, channel: int, stream: NDArray[np.int32]) -> None:
        """Count one sample of each of these streams as `GATED` that was `ACCEPTED`: a later one showed it to be wrong."""
        verdicts = self._rows["verdicts"][channel]
        for row in stream:  # one now and then
            verdicts[row, _ACCEPTED] -= 1
            verdicts[row, _GATED] += 1

    @property
    def kept(self) -> dict[str, Kept]:
        """What survives a restart, a row for each stream."""
        return {"tally": Kept(self._rows, axis=1), "messages": Kept(self._messages)}

    @property
    def messages(self) -> NDArray[np.int64]:
        """(n_streams,) messages that were decoded, whatever number of samples each held. A view: copy what you keep."""
        return self._messages

    def used(self, begin: int, end: int) -> list[list[bool]]:
        """Return, for each of some streams, whether it had samples of each channel."""
        verdicts: NDArray[np.int64] = self._rows["verdicts"][:, begin:end]
        found: list[list[bool]] = (verdicts.sum(axis=2) > 0).T.tolist()
        return found

    def verdicts(self, channel: int, streams: slice) -> NDArray[np.int64]:
        """Return how many samples of some streams together had each `Verdict`."""
        counts: NDArray[np.int64] = self._rows["verdicts"][channel, streams].sum(axis=0)
        return counts

    def innovations(self, channel: int, streams: slice, *, recent: bool) -> Innovations:
        """Return the innovations of some streams since start, or the last one to two thousand of each."""
        rows = self._rows[channel, streams]
        names = ("recent", "before") if recent else ("nis",)
        total = sum(float(rows[f"{name}_sum"].sum()) for name in names)
        return Innovations(FREEDOM[channel], total, sum(int(rows[f"{name}_count"].sum()) for name in names))

    def warm_up(self) -> None:
        """Compile the kernel, without touching the counts."""
        Tally(1).add(np.zeros(1, np.int32), np.zeros(1, np.uint8), np.zeros(1))
