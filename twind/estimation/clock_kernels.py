"""Kernels of the clock bank: where device stamps lie in the daemon's clock.

One-way delays `receive - device` are offset plus skew plus a queueing delay that is never negative, so the line that lies
below all of them and is highest at the middle of the window is the clock (the linear programme of Moon, Skelly and Towsley,
"Estimation and Removal of Clock Skew from Network Delay Measurements", INFOCOM 1999; Zhang, Liu and Xia solve it by the lower
convex hull). Only the smallest delay of each of `BUCKETS` slices of the window can carry that line, so a stream's memory is
fixed; the line is fitted again when a slice closes, and lowered at once by a delay below it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.estimation.compile import kernel
from twind.model.estimates import Verdict
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    from numpy.typing import NDArray

BUCKETS = 64

STREAM_ROW = np.dtype(
    [
        ("begun", "i8"),  # whether the stream has an epoch
        ("trusted", "i8"),  # whether device stamps are used as they are
        ("ref_ns", "i8"),  # device stamp that the line and the buckets are relative to
        ("delay_ns", "i8"),  # delay that they are relative to
        ("line", "f8"), ("skew", "f8"),  # delay - delay_ns = line + skew (device - ref_ns) [ns]
        ("wander", "f8"),  # by how much the line has lately moved [ns]
        ("newest_ns", "i8"),  # newest device stamp
        ("jitter", "f8"),  # mean absolute deviation of delays, or of intervals when there are no stamps [ns]; < 0: unknown
        ("mean", "f8"),  # mean delay above the line, or mean interval [ns]
        ("last_ns", "i8"),  # arrival of the newest message
        ("slice", "i8"),  # number of the open slice
        ("rivals", "i8"),  # stamps in a row that contradict the epoch but agree with each other
        ("rival_ns", "i8"), ("rival_delay", "i8"), ("rival_since", "i8"), ("rival_back", "i8"),
        ("agreed_ns", "i8"),  # arrival of the newest message that agreed with the epoch; 0 before the second
        ("early", "i8"),  # stamps in a row far below the line
        ("steps", "i8"),
        ("best_x", "f8", (BUCKETS,)), ("best_y", "f8", (BUCKETS,)),  # smallest delay per slice: device and delay, relative [ns]
        ("best_slice", "i8", (BUCKETS,)),  # number of the slice that an entry belongs to
    ],
    align=True,
)  # fmt: skip

RIVALS = 3  # contradicting stamps in a row that make a step
PAUSE_NS = 1_000_000_000  # how long they must last when time did not go backwards, or a flushed backlog would count
HOLD_NS = 250_000_000  # while messages of the epoch still come, others are garbage among them, however many agree
EARLY_NS = 5_000_000.0  # a delay that much below the line needs company before it lowers the line for a whole window
BACKWARDS_NS = -1_000_000.0  # a shared clock may be that far ahead of the receiver's
FARTHEST_NS = 2**62  # differences of stamps beyond it could overflow
DEFAULT_JITTER_NS = 5e6  # of arrivals, before it is measured

_ACCEPTED, _TOO_OLD, _FUTURE = int(Verdict.ACCEPTED), int(Verdict.TOO_OLD), int(Verdict.FUTURE)
_WEIGHT = 1.0 / 16.0  # of one message in running means


@kernel
def _begin(row: Any, device: int, receive: int, slice_ns: int, trust_ns: int) -> None:
    """Start an epoch from one message: its delay is the line."""
    row.begun = 1
    row.ref_ns = device
    row.delay_ns = receive - device
    row.line, row.skew = 0.0, 0.0
    row.wander = 0.0
    row.newest_ns = device
    row.agreed_ns = 0
    row.rivals = 0
    row.early = 0
    row.best_slice[:] = -1
    row.slice = receive // slice_ns
    _keep(row, 0.0, 0.0)
    row.trusted = 1 if 0 <= row.delay_ns <= trust_ns and trust_ns > 0 else 0


@kernel
def _keep(row: Any, x: float, y: float) -> None:
    """Keep the delay if it is the smallest of the open slice."""
    slot = row.slice % BUCKETS
    if row.best_slice[slot] != row.slice or y < row.best_y[slot]:
        row.best_slice[slot] = row.slice
        row.best_x[slot], row.best_y[slot] = x, y


@kernel
def _judge_trust(row: Any, trust_ns: int) -> None:
    """Decide by the smallest delay of the window; to withdraw trust takes twice the bound, for a while: it must not flicker."""
    least, oldest = math.inf, row.slice
    for slot in range(BUCKETS):
        if row.best_slice[slot] > row.slice - BUCKETS and row.best_slice[slot] >= 0:
            least, oldest = min(least, row.best_y[slot]), min(oldest, row.best_slice[slot])
    least += row.delay_ns
    if not row.trusted:
        row.trusted = 1 if 0.0 <= least <= trust_ns and trust_ns > 0 else 0
    elif least < BACKWARDS_NS or (2.0 * trust_ns < least < math.inf and row.slice - oldest >= BUCKETS // 4):
        row.trusted = 0


@kernel
def _support(row: Any, skew: float, middle: float) -> float:
    """Height at `middle` of the highest line of this slope that lies below every kept delay."""
    height = math.inf
    for slot in range(BUCKETS):
        if row.best_slice[slot] > row.slice - BUCKETS and row.best_slice[slot] >= 0:
            height = min(height, row.best_y[slot] - skew * (row.best_x[slot] - middle))
    return height


@kernel
def _fit(row: Any, device: int, window_ns: int, max_skew: float, future_ns: int) -> None:
    """Fit the line to the kept delays: of all slopes within the bound, the one that lies highest at their middle.

    A rise by more than `future_ns` is no fit but a backlog that flows, or a step, which `_is_step` judges.
    """
    first, last, total, count = math.inf, -math.inf, 0.0, 0
    for slot in range(BUCKETS):
        if row.best_slice[slot] > row.slice - BUCKETS and row.best_slice[slot] >= 0:
            x = row.best_x[slot]
            first, last, total, count = min(first, x), max(last, x), total + x, count + 1
    if count == 0:
        return
    middle = total / count
    low, high = -max_skew, max_skew
    if last - first < 0.25 * window_ns:  # too short to tell skew from queueing
        low, high = row.skew, row.skew
    for _ in range(40):  # the height is concave in the slope
        a, b = low + (high - low) / 3.0, high - (high - low) / 3.0
        if _support(row, a, middle) < _support(row, b, middle):
            low = a
        else:
            high = b
    skew = 0.5 * (low + high)
    x = float(device - row.ref_ns)
    before = row.line + row.skew * x
    line = _support(row, skew, middle) - skew * middle
    shift = line + skew * x - before
    if shift <= future_ns:
        row.line, row.skew = line, skew
        row.wander += 0.25 * (abs(shift) - row.wander)


@kernel
def _goes_on(row: Any, receive: int) -> bool:
    """Say whether messages of the epoch still come."""
    return bool(0 <= receive - row.agreed_ns < HOLD_NS)


@kernel
def _is_step(row: Any, above: float, device: int, receive: int, future_ns: int) -> bool:
    """Note a stamp that contradicts the epoch; say whether enough of them agree that a clock was set.

    Nothing but a clock makes messages early or stamps go backwards, and a clock that was set goes on from there: a stamp that
    stands still is none, nor is one among messages that still follow the old clock. Late messages may be a backlog, which
    shrinks as it flows.
    """
    delay = receive - device
    if row.rivals > 0 and device == row.rival_ns:
        return False  # the same message again, or a stamp that stands still
    if row.rivals > 0 and device > row.rival_ns and abs(delay - row.rival_delay) <= future_ns // 4:
        row.rivals += 1
    else:
        row.rivals = 1
        row.rival_delay, row.rival_since = delay, receive
        row.rival_back = 1 if device < row.newest_ns - future_ns else 0
    row.rival_ns = device
    if _goes_on(row, receive):
        return False
    return bool(row.rivals >= RIVALS and (above < 0.0 or row.rival_back == 1 or receive - row.rival_since >= PAUSE_NS))


@kernel
def _arrive(row: Any, receive: int) -> float:
    """Learn the jitter of arrivals without stamps; return its standard deviation [s]."""
    if row.last_ns != NO_STAMP and 0 < receive - row.last_ns < 10_000_000_000:
        interval = float(receive - row.last_ns)
        if row.mean < 0.0:
            row.mean = interval
        else:
            deviation = abs(interval - row.mean)
            row.jitter = deviation if row.jitter < 0.0 else row.jitter + _WEIGHT * (deviation - row.jitter)
            row.mean += _WEIGHT * (interval - row.mean)
    return 1.25e-9 * (row.jitter if row.jitter >= 0.0 else DEFAULT_JITTER_NS)  # sigma = 1.25 mean absolute deviations


@kernel
def map_stamps(
    rows: NDArray[Any],
    stream: NDArray[np.int32],
    device_ns: NDArray[np.int64],
    receive_ns: NDArray[np.int64],
    trust_ns: int,
    window_ns: int,
    max_skew: float,
    future_ns: int,
    mapped_ns: NDArray[np.int64],
    sigma_s: NDArray[np.float64],
    verdict: NDArray[np.uint8],
) -> bool:
    """Map M stamps in order of arrival; see `ClockBank.map` for the columns. False: a stream is no row; nothing was done."""
    for m in range(stream.shape[0]):
        if not 0 <= stream[m] < rows.shape[0]:
            return False
    slice_ns = max(window_ns // BUCKETS, 1)
    for m in range(stream.shape[0]):
        row = rows[stream[m]]
        device, receive = device_ns[m], receive_ns[m]
        verdict[m] = _ACCEPTED
        mapped_ns[m] = receive
        if device in (NO_STAMP, 0):
            if _goes_on(row, receive):  # a device that has a clock does not lose it for one message
                verdict[m], sigma_s[m] = _TOO_OLD, 0.0
                continue
            sigma_s[m] = _arrive(row, receive)
            row.last_ns = receive
            continue
        row.last_ns = receive
        sigma_s[m] = 0.0
        if device < 0 or device > FARTHEST_NS:
            verdict[m] = _TOO_OLD if device < 0 else _FUTURE
            continue
        first = row.begun == 0
        if first:
            _begin(row, device, receive, slice_ns, trust_ns)
        x = float(device - row.ref_ns)
        y = float(receive - device - row.delay_ns)
        above = y - (row.line + row.skew * x)  # queueing, when the stamp belongs to this epoch
        contradicts = above < -future_ns or (above > future_ns and device < row.newest_ns - future_ns)
        if contradicts or above > future_ns:
            if _is_step(row, above, device, receive, future_ns):
                _begin(row, device, receive, slice_ns, trust_ns)
                row.steps += 1
                x, y, above = 0.0, 0.0, 0.0
            elif contradicts:
                verdict[m] = _FUTURE if above < 0.0 else _TOO_OLD
                continue
        else:
            row.rivals = 0
            if not first:  # one message is no evidence: it may be the absurd one
                row.agreed_ns = receive
        row.newest_ns = max(row.newest_ns, device)

        now = receive // slice_ns
        if now != row.slice:
            _fit(row, device, window_ns, max_skew, future_ns)
            if now < row.slice:  # the daemon's own clock was set back: what was kept lies in its future
                row.best_slice[:] = -1
            row.slice = now
            _judge_trust(row, trust_ns)
            above = y - (row.line + row.skew * x)
        row.early = row.early + 1 if above < -EARLY_NS else 0
        if row.early == 0 or row.early >= RIVALS:
            _keep(row, x, y)
            if above < 0.0:
                row.line += above
                row.wander += 0.25 * (-above - row.wander)
                above = 0.0
                _judge_trust(row, trust_ns)
        above = max(above, 0.0)
        if row.jitter < 0.0 or row.mean < 0.0:
            row.jitter, row.mean = 0.5 * above, above
        else:
            row.jitter += _WEIGHT * (abs(above - row.mean) - row.jitter)
            row.mean += _WEIGHT * (above - row.mean)

        if row.trusted:
            mapped_ns[m] = min(device, receive - np.int64(BACKWARDS_NS))
        else:
            mapped_ns[m] = min(device + row.delay_ns + np.int64(math.floor(row.line + row.skew * x + 0.5)), receive)
            sigma_s[m] = 1e-9 * row.wander
    return True
