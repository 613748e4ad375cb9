"""The clock bank: device stamps of every stream, mapped into the daemon's clock from one-way delays alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twind.estimation.clock_kernels import STREAM_ROW, map_stamps
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    from numpy.typing import NDArray


class ClockBank:
    """Clocks of `n_streams` streams.

    The constant part of a network's delay cannot be seen one-way: it stays in the offset, except where a device is taken to
    share the daemon's clock.

    Args:
        n_streams: Rows of the bank; a stream is whatever stamps with one clock, such as one entity of one source.
        trust_within_ns: A device whose smallest delay in the window lies between 0 and this is taken to share the daemon's
            clock and its stamps are used as they are [ns]; 0 always estimates the offset.
        window_ns: How far back delays count [ns].
        max_skew: Bound on the rate difference of two clocks (1e-6 is 1 ppm).
        future_ns: A stamp further ahead of its arrival is refused unless it persists; then it is a clock step [ns].
    """

    def __init__(
        self,
        n_streams: int,
        *,
        trust_within_ns: int = 50_000_000,
        window_ns: int = 30_000_000_000,
        max_skew: float = 1e-4,
        future_ns: int = 1_000_000_000,
    ) -> None:
        self.n_streams = n_streams
        self._limits = (trust_within_ns, window_ns, max_skew, future_ns)
        self._rows = np.zeros(n_streams, STREAM_ROW)
        self._rows["last_ns"] = NO_STAMP
        self._rows["jitter"] = -1.0
        self._rows["mean"] = -1.0

    def __repr__(self) -> str:
        """Show size, and how many streams have and share a clock."""
        begun, trusted = int(self._rows["begun"].sum()), int(self.trusted.sum())
        return f"<ClockBank {begun}/{self.n_streams} streams stamped, {trusted} trusted>"

    def map(
        self,
        stream: NDArray[np.int32],
        device_ns: NDArray[np.int64],
        receive_ns: NDArray[np.int64],
        mapped_ns: NDArray[np.int64],
        sigma_s: NDArray[np.float64],
        verdict: NDArray[np.uint8],
    ) -> None:
        """Map the stamps of M messages, in order of arrival.

        Args:
            stream: (M,) rows of this bank.
            device_ns: (M,) device stamps [ns]; `NO_STAMP` or 0 when there is none: the arrival is used.
            receive_ns: (M,) arrivals in the daemon's clock [ns].
            mapped_ns: (M,) out: the same instants in the daemon's clock [ns].
            sigma_s: (M,) out: one sigma of what the mapping adds to the device's own jitter [s].
            verdict: (M,) out: `Verdict` ACCEPTED, FUTURE or TOO_OLD; the latter two leave the stream untouched.

        Raises:
            ValueError: The columns differ in length, or a stream is not a row of the bank.
        """
        n = stream.shape[0]
        if not device_ns.shape[0] == receive_ns.shape[0] == mapped_ns.shape[0] == sigma_s.shape[0] == verdict.shape[0] == n:
            raise ValueError(f"not every column has {n} entries, one per message")
        if n == 0:
            return
        if not map_stamps(self._rows, stream, device_ns, receive_ns, *self._limits, mapped_ns, sigma_s, verdict):
            raise ValueError(f"a stream is not a row of 0..{self.n_streams - 1}")

    @property
    def offset_s(self) -> NDArray[np.float64]:
        """(n_streams,) what is added to each stream's newest device stamp [s]; 0 where trusted, NaN before the first."""
        rows = self._rows
        ahead = rows["line"] + rows["skew"] * (rows["newest_ns"] - rows["ref_ns"])
        offset = np.where(rows["trusted"] == 1, 0.0, (rows["delay_ns"] + ahead) * 1e-9)
        return np.where(rows["begun"] == 1, offset, np.nan)

    @property
    def skew(self) -> NDArray[np.float64]:
        """(n_streams,) rate of the daemon's clock against each device's, less one."""
        return self._rows["skew"].copy()

    @property
    def jitter_s(self) -> NDArray[np.float64]:
        """(n_streams,) one sigma of arrival [s]: of queueing, or of intervals where there are no stamps; NaN unknown."""
        jitter = self._rows["jitter"]
        return np.where(jitter >= 0.0, 1.25e-9 * jitter, np.nan)

    @property
    def steps(self) -> NDArray[np.int64]:
        """(n_streams,) how often each device's clock was set."""
        return self._rows["steps"].copy()

    @property
    def trusted(self) -> NDArray[np.bool_]:
        """(n_streams,) whether each device is taken to share the daemon's clock."""
        trusted: NDArray[np.bool_] = self._rows["trusted"] == 1
        return trusted

    def warm_up(self) -> None:
        """Compile every kernel this bank uses, without touching its state."""
        bank = ClockBank(1)
        bank.map(
            np.zeros(1, np.int32), np.ones(1, np.int64), np.ones(1, np.int64), np.zeros(1, np.int64), np.zeros(1),
            np.zeros(1, np.uint8),
        )  # fmt: skip
