"""The clock bank: device stamps of every stream, mapped into the daemon's clock from one-way delays alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twind.estimation.clock_kernels import (
    FITTED_SKEW_STD,
    NEVER,
    SCRATCH_ROW,
    STREAM_ROW,
    TWO_WAY_STD_NS,
    map_stamps,
    measure_two_way,
)
from twind.estimation.kept import Kept
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


COUNTS = (
    "missing",  # messages without a stamp
    "zero",  # messages whose stamp is zero
    "absurd",  # stamps before 1970 or beyond 2116
    "future",  # stamps refused because they lie too far ahead
    "past",  # stamps refused because they lie too far back
    "repeated",  # stamps that are the one before
    "backwards",  # stamps before the one before, as late messages have
    "gaps",  # sequence numbers that never came
    "freezes",  # how often a stamp stood still while messages arrived
    "steps_back",  # how often the device's clock was set back, or stood still
    "steps_ahead",  # how often it was set ahead
    "trust_lost",  # how often the device turned out not to share the daemon's clock
)
_NO_NUMBERS = np.empty(0, np.int64)


class ClockBank:
    """Clocks of `n_streams` streams.

    What cannot be seen one-way: the constant part of a network's delay, which stays in the offset, except where a device is
    taken to share the daemon's clock, a latency floor is configured, or the source measures both ways; and how far a stamp is
    from the instant of its measurement. Late messages do no harm where stamps are good: `queueing_s` and `jitter_s` say how
    late, `unevenness_s` bounds the jitter of the stamps themselves where a device samples evenly.

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
        self._scratch = np.zeros(1, SCRATCH_ROW)
        self._rows = np.zeros(n_streams, STREAM_ROW)
        self._rows["last_ns"] = NO_STAMP
        self._rows["jitter"] = -1.0
        self._rows["mean"] = -1.0
        self._rows["uneven"] = -1.0
        self._rows["drifted"] = NEVER
        self._rows["number"] = NO_STAMP

    def __repr__(self) -> str:
        """Show size, and how many streams have and share a clock."""
        begun, trusted = int(self._rows["begun"].sum()), int(self.trusted.sum())
        return f"<ClockBank {begun}/{self.n_streams} streams stamped, {trusted} trusted>"

    def configure(self, stream: int, *, latency_floor_ns: int = 0, period_ns: float = 0.0) -> None:
        """Tell what is known of one stream before its first message.

        Args:
            stream: Row of this bank.
            latency_floor_ns: Least time that a message takes; taken off arrivals and estimated offsets [ns].
            period_ns: Time between two sequence numbers, for messages without stamps; 0 learns it [ns].

        Raises:
            ValueError: A value is negative or not finite, or the stream is not a row of the bank.
        """
        if not (0 <= stream < self.n_streams and 0 <= latency_floor_ns < 10**12 and 0.0 <= period_ns < 1e15):
            raise ValueError(f"stream {stream}: a floor of {latency_floor_ns} ns and a period of {period_ns} ns cannot be")
        row = self._rows[stream]
        row["floor_ns"], row["nominal"] = latency_floor_ns, period_ns

    def set_two_way(self, stream: int, offset_ns: int, std_ns: float, *, at_ns: int = NO_STAMP) -> bool:
        """Take in an offset that the source measured both ways.

        While it is fresh it places the stamps; when it has aged, the latency floor that it showed is still taken off.

        Args:
            stream: Row of this bank.
            offset_ns: Daemon's clock less the device's [ns].
            std_ns: One sigma of it, such as half the round trip [ns].
            at_ns: Device's clock when it was measured [ns]; the stream's newest stamp when absent.

        Returns:
            Whether that can be. Otherwise messages would have arrived before they were sent, or a minute after, and nothing
            was changed.

        Raises:
            ValueError: The sigma is not positive, or the stream is not a row of the bank.
        """
        if not (0 <= stream < self.n_streams and 0.0 < std_ns < 1e15 and abs(offset_ns) < 2**62):
            raise ValueError(f"stream {stream}: an offset of {offset_ns} +- {std_ns} ns cannot be")
        return bool(measure_two_way(self._rows[stream], offset_ns, float(std_ns), at_ns, self._limits[2]))

    def map(
        self,
        stream: NDArray[np.int32],
        device_ns: NDArray[np.int64],
        receive_ns: NDArray[np.int64],
        mapped_ns: NDArray[np.int64],
        sigma_s: NDArray[np.float64],
        verdict: NDArray[np.uint8],
        *,
        number: NDArray[np.int64] | None = None,
    ) -> None:
        """Map the stamps of M messages, in order of arrival.

        Args:
            stream: (M,) rows of this bank.
            device_ns: (M,) device stamps [ns]; `NO_STAMP` or 0 when there is none: the arrival is used, or the sequence number.
            receive_ns: (M,) arrivals in the daemon's clock [ns].
            mapped_ns: (M,) out: the same instants in the daemon's clock [ns].
            sigma_s: (M,) out: one sigma of what the mapping adds to the device's own jitter [s].
            verdict: (M,) out: `Verdict` ACCEPTED, FUTURE or TOO_OLD; the latter two leave the stream untouched.
            number: (M,) sequence numbers, `NO_STAMP` where a message carries none. They place messages without stamps, by
                number times period, tell new messages from repeated ones when the stamps are frozen, and count losses.

        Raises:
            ValueError: The columns differ in length, or a stream is not a row of the bank.
        """
        n = stream.shape[0]
        if not device_ns.shape[0] == receive_ns.shape[0] == mapped_ns.shape[0] == sigma_s.shape[0] == verdict.shape[0] == n or (
            number is not None and number.shape[0] != n
        ):
            raise ValueError(f"not every column has {n} entries, one per message")
        if n == 0:
            return
        numbers = _NO_NUMBERS if number is None else number
        columns = (mapped_ns, sigma_s, verdict)
        if not map_stamps(self._rows, stream, device_ns, receive_ns, numbers, *self._limits, *columns, self._scratch):
            raise ValueError(f"a stream is not a row of 0..{self.n_streams - 1}")

    @property
    def kept(self) -> dict[str, Kept]:
        """What survives a restart, a row for each stream."""
        return {"clocks": Kept(self._rows)}

    @property
    def offset_s(self) -> NDArray[np.float64]:
        """(n_streams,) what is added to each stream's newest device stamp [s]; 0 where trusted, NaN before the first."""
        rows = self._rows
        ahead = rows["line"] + rows["skew"] * (rows["newest_ns"] - rows["ref_ns"])
        offset = np.where(self.trusted, 0.0, (rows["delay_ns"] - rows["floor_ns"] + ahead) * 1e-9)
        measured = self.two_way_std_s <= TWO_WAY_STD_NS * 1e-9
        since = np.where(measured, rows["newest_ns"] - rows["two_way_at"], 0)
        offset = np.where(measured, (rows["two_way_ns"] + rows["skew"] * since) * 1e-9, offset)
        return np.where((rows["begun"] == 1) & (rows["by_number"] == 0), offset, np.nan)

    @property
    def two_way_std_s(self) -> NDArray[np.float64]:
        """(n_streams,) one sigma, by now, of the offset that was measured both ways [s]; NaN where there is none."""
        rows = self._rows
        known = (rows["two_way"] == 1) & (rows["begun"] == 1) & (rows["two_way_at"] != NO_STAMP)
        since = np.where(known, rows["newest_ns"] - rows["two_way_at"], 0)
        doubt = np.where(rows["skew"] != 0.0, FITTED_SKEW_STD, self._limits[2]) * since
        return np.where(known, 1e-9 * np.sqrt(rows["two_way_var"] + doubt**2), np.nan)

    @property
    def two_ways(self) -> NDArray[np.int64]:
        """(n_streams,) how many offsets measured both ways were taken in."""
        return self._rows["two_ways"].copy()

    @property
    def skew(self) -> NDArray[np.float64]:
        """(n_streams,) rate of the daemon's clock against each device's, less one, so below zero where the device is fast.

        Where a stream counts at a configured period, that of the count; NaN where the period was learned, or before the first.
        """
        rows = self._rows
        known = (rows["begun"] == 1) & ((rows["by_number"] == 0) | (rows["nominal"] > 0.0))
        return np.where(known, rows["skew"], np.nan)

    @property
    def queueing_s(self) -> NDArray[np.float64]:
        """(n_streams,) how much later than the soonest messages arrive, lately and on average [s]; NaN unknown."""
        rows = self._rows
        return np.where((rows["begun"] == 1) & (rows["mean"] >= 0.0), 1e-9 * rows["mean"], np.nan)

    @property
    def jitter_s(self) -> NDArray[np.float64]:
        """(n_streams,) one sigma of arrival [s]: of queueing, or of intervals where there are no stamps; NaN unknown."""
        jitter = self._rows["jitter"]
        return np.where(jitter >= 0.0, 1.25e-9 * jitter, np.nan)

    @property
    def unevenness_s(self) -> NDArray[np.float64]:
        """(n_streams,) one sigma of device stamps about an even grid [s]; NaN unknown.

        Of a device that samples evenly this is the jitter of its stamps; of one that does not, no more than a bound on it.
        """
        uneven = self._rows["uneven"]  # stamps of independent jitter change their interval with 6 times its variance
        return np.where(uneven >= 0.0, 1.25e-9 / np.sqrt(6.0) * uneven, np.nan)

    @property
    def steps(self) -> NDArray[np.int64]:
        """(n_streams,) how often each device's clock was set."""
        steps: NDArray[np.int64] = self._rows["steps_back"] + self._rows["steps_ahead"]
        return steps

    @property
    def trusted(self) -> NDArray[np.bool_]:
        """(n_streams,) whether each device is taken to share the daemon's clock; not where that was measured both ways."""
        trusted: NDArray[np.bool_] = (self._rows["trusted"] == 1) & (self._rows["two_way"] == 0)
        return trusted

    @property
    def frozen(self) -> NDArray[np.bool_]:
        """(n_streams,) whether each device's stamps stand still while its messages arrive."""
        frozen: NDArray[np.bool_] = self._rows["frozen"] == 1
        return frozen

    def counts(self, names: Iterable[str] = COUNTS, *, streams: int | None = None) -> dict[str, NDArray[np.int64]]:
        """Return, for each of `COUNTS` or some of them, how often it happened to the first `streams` streams or to all."""
        return {name: column.copy() for name, column in self.counters(names, streams=streams).items()}

    def counters(self, names: Iterable[str], *, streams: int | None = None) -> dict[str, NDArray[np.int64]]:
        """Return the same as views: copy what you keep."""
        rows = self._rows[:streams]
        return {name: rows[name] for name in names}

    def warm_up(self) -> None:
        """Compile every kernel this bank uses, without touching its state."""
        bank = ClockBank(1)
        bank.map(
            np.zeros(1, np.int32), np.ones(1, np.int64), np.ones(1, np.int64), np.zeros(1, np.int64), np.zeros(1),
            np.zeros(1, np.uint8),
        )  # fmt: skip
        bank.set_two_way(0, 0, 1.0)
