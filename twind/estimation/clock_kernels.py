"""Kernels of the clock bank: where device stamps lie in the daemon's clock.

The line below all one-way delays (see `clock_lines`) is fitted again when a slice of the window closes, and lowered at once by
a delay below it. Streams without stamps but with sequence numbers go the same way: their stamp is number times period.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.estimation.clock_fit import settle
from twind.estimation.clock_lines import BUCKETS, CLEAR, COARSEST, HINT, YOUNG, YOUNG_FROM, drifts, extent, keep, merge
from twind.estimation.compile import kernel
from twind.model.estimates import Verdict
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    from numpy.typing import NDArray

STREAM_ROW = np.dtype(
    [
        ("begun", "i8"),  # whether the stream has an epoch
        ("trusted", "i8"),  # whether device stamps are used as they are
        ("ref_ns", "i8"),  # device stamp that the line and the buckets are relative to
        ("delay_ns", "i8"),  # delay that they are relative to
        ("line", "f8"), ("skew", "f8"),  # delay - delay_ns = line + skew (device - ref_ns) [ns]
        ("wander", "f8"),  # by how much the line has lately moved [ns]
        ("newest_ns", "i8"),  # newest device stamp
        ("floor_ns", "i8"),  # least latency of the network: what the line holds besides the offset
        ("jitter", "f8"),  # mean absolute deviation of delays, or of intervals when there are no stamps [ns]; < 0: unknown
        ("mean", "f8"),  # mean delay above the line, or mean interval [ns]
        ("last_ns", "i8"),  # arrival of the newest message
        ("slice", "i8"),  # number of the open slice
        ("since", "i8"),  # number of the one in which the epoch began
        ("drifted", "i8"),  # slice in which delays were last seen to drift; NEVER before
        ("rivals", "i8"),  # stamps in a row that contradict the epoch but agree with each other
        ("rival_ns", "i8"), ("rival_delay", "i8"), ("rival_since", "i8"), ("rival_back", "i8"),
        ("agreed_ns", "i8"),  # arrival of the newest message that agreed with the epoch; 0 before the second
        ("early", "i8"),  # stamps in a row far below the line
        ("prior_ns", "i8"),  # device stamp of the message before
        ("interval", "f8"),  # interval of device stamps before the newest; <= 0: not usable [ns]
        ("uneven", "f8"),  # mean absolute change from one interval to the next [ns]; < 0: unknown
        ("repeats", "i8"), ("repeat_since", "i8"),  # messages in a row with the stamp of the one before; arrival of the first
        ("frozen", "i8"),  # whether the device stamp stands still while messages arrive
        ("number", "i8"),  # newest sequence number; NO_STAMP before the first
        ("by_number", "i8"),  # whether the epoch runs on sequence numbers
        ("number_0", "i8"), ("number_0_ns", "i8"),  # sequence number that begins the epoch, or the learning; its arrival
        ("nominal", "f8"), ("period", "f8"),  # of sequence numbers: as configured, as used [ns]; 0: not known
        ("two_way", "i8"),  # whether an offset was measured both ways
        ("two_ways", "i8"),  # how many were
        ("two_way_at", "i8"), ("two_way_ns", "i8"), ("two_way_var", "f8"),  # device stamp, daemon less device, variance [ns^2]
        ("missing", "i8"), ("zero", "i8"), ("absurd", "i8"), ("repeated", "i8"), ("backwards", "i8"),  # messages, by stamp
        ("future", "i8"), ("past", "i8"), ("gaps", "i8"),
        ("freezes", "i8"), ("steps_back", "i8"), ("steps_ahead", "i8"), ("trust_lost", "i8"),  # changes of state
        ("best_x", "f8", (BUCKETS,)), ("best_y", "f8", (BUCKETS,)),  # smallest delay per slice: device and delay, relative [ns]
        ("best_slice", "i8", (BUCKETS,)),  # number of the slice that an entry belongs to
        ("long_x", "f8", (BUCKETS,)), ("long_y", "f8", (BUCKETS,)), ("long_slice", "i8", (BUCKETS,)),  # of LONG slices each
    ],
    align=True,
)  # fmt: skip

SCRATCH_ROW = np.dtype([("slices", "i8", (BUCKETS,)), ("x", "f8", (BUCKETS,)), ("y", "f8", (BUCKETS,))], align=True)
"""A window that is made where it is needed: kernels allocate nothing."""

LONG = 8  # slices in one of the long window, which sees slow drifts
NEVER = -(2**62)
HINT_COUNTS = 96  # slices for which a hint of a drift counts: by then there is clear evidence, or none
RIVALS = 3  # contradicting stamps in a row that make a step
PAUSE_NS = 1_000_000_000  # how long they must last when time did not go backwards, or a flushed backlog would count
HOLD_NS = 250_000_000  # while messages of the epoch still come, others are garbage among them, however many agree
EARLY_NS = 5_000_000.0  # a delay that much below the line needs company before it lowers the line for a whole window
BACKWARDS_NS = -1_000_000.0  # a shared clock may be that far ahead of the receiver's
FARTHEST_NS = 2**62  # differences of stamps beyond it could overflow
DEFAULT_JITTER_NS = 5e6  # of arrivals, before it is measured
FROZEN_NS = 500_000_000  # how long a stamp must stand still while messages arrive
JUDGE_EVERY, JUDGE_YOUNG_EVERY = 4, 2  # slices between two looks for drift: it costs 5 us
DRIFT_SKEW = 5.0  # times the bound on skew: drifts are seen up to here, and no backlog grows as slowly
LEARN_NS = 2_000_000_000  # how long a period is learned that is not configured
LEARN_MESSAGES = 16
PERIOD_ERROR = 0.01  # of a configured period
LEARNED_ERROR = 0.2  # of a learned one: its first message may have been late
TWO_WAY_SIGMAS = 4.0  # by which a message may seem to have arrived before it was sent
LARGEST_FLOOR_NS = 6e10
TWO_WAY_STD_NS = 2e6  # a two-way offset older than what keeps it within this only says what the floor is
FITTED_SKEW_STD = 1e-5  # how well the line knows skew

_ACCEPTED, _TOO_OLD, _FUTURE = int(Verdict.ACCEPTED), int(Verdict.TOO_OLD), int(Verdict.FUTURE)
_WEIGHT = 1.0 / 16.0  # of one message in running means
_SIGMA = 1.25  # standard deviation of a normal variable in mean absolute deviations


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
    row.interval = 0.0
    row.best_slice[:] = -1
    row.long_slice[:] = -1
    row.drifted = NEVER
    row.slice = row.since = receive // slice_ns
    _keep(row, 0.0, 0.0)
    row.trusted = 1 if 0 <= row.delay_ns <= trust_ns and trust_ns > 0 else 0
    if row.two_way == 1 and row.two_way_at == NO_STAMP:
        row.two_way_at = device


@kernel
def _keep(row: Any, x: float, y: float) -> None:
    """Keep the delay if it is the smallest of an open slice."""
    keep(row.best_slice, row.best_x, row.best_y, row.slice, x, y)
    keep(row.long_slice, row.long_x, row.long_y, row.slice // LONG, x, y)


@kernel
def _is_young(row: Any) -> bool:
    """Say whether the clock has been known for some time, but less than a few windows, or has been silent for long."""
    newest = row.slice // LONG
    oldest = newest
    for slot in range(BUCKETS):
        if newest - BUCKETS < row.long_slice[slot] < oldest and row.long_slice[slot] >= 0:
            oldest = row.long_slice[slot]
    return bool(YOUNG_FROM // LONG <= newest - oldest <= YOUNG // LONG)


@kernel
def _judge_drift(row: Any, max_skew: float, scratch: Any) -> None:
    """Note whether delays drift, over the window or over the long one.

    A young clock is doubted on a hint once, when its first window is nearly full and has few gaps, and not for long.
    """
    bound = DRIFT_SKEW * max_skew
    if drifts(row.long_slice, row.long_x, row.long_y, row.slice // LONG, bound, math.inf):
        row.drifted = row.slice
        return
    young = _is_young(row)
    if drifts(row.best_slice, row.best_x, row.best_y, row.slice, bound, CLEAR if young else math.inf):
        row.drifted = row.slice
        return
    if not young:
        return
    count, _, _, _ = extent(row.best_slice, row.best_x, row.slice, BUCKETS)
    hint = BUCKETS - 4 <= row.slice - row.since < BUCKETS - 1 and count >= 3 * BUCKETS // 4
    if hint and drifts(row.best_slice, row.best_x, row.best_y, row.slice, bound, HINT):
        row.drifted = max(row.drifted, row.slice - BUCKETS * LONG + HINT_COUNTS)
    group = 2
    while group <= COARSEST:
        merge(row.best_slice, row.best_x, row.best_y, row.slice, group, scratch.slices, scratch.x, scratch.y)
        if drifts(scratch.slices, scratch.x, scratch.y, row.slice // group, bound, CLEAR):
            row.drifted = row.slice
            return
        if hint and drifts(scratch.slices, scratch.x, scratch.y, row.slice // group, bound, HINT):
            row.drifted = max(row.drifted, row.slice - BUCKETS * LONG + HINT_COUNTS)
        group += 1


@kernel
def _judge_trust(row: Any, trust_ns: int, max_skew: float, look: bool, scratch: Any) -> None:  # noqa: FBT001  (a kernel)
    """Decide by the smallest delay of the window, and by whether delays drift as they do where nobody sets the clock.

    Near zero, a free-running clock and a shared one look the same until the drift shows. To withdraw trust for long delays
    takes twice the bound, for a while, and drift counts for the length of the long window: trust must not flicker.
    """
    if trust_ns <= 0:
        return
    least, oldest = math.inf, row.slice
    for slot in range(BUCKETS):
        if row.best_slice[slot] > row.slice - BUCKETS and row.best_slice[slot] >= 0:
            least, oldest = min(least, row.best_y[slot]), min(oldest, row.best_slice[slot])
    least += row.delay_ns
    near = 0.0 <= least <= trust_ns
    if (look and (near or row.trusted)) or (near and not row.trusted and not _runs_free(row)):
        _judge_drift(row, max_skew, scratch)
    free = _runs_free(row)
    if not row.trusted:
        row.trusted = 1 if near and not free else 0
    elif free or least < BACKWARDS_NS or (2.0 * trust_ns < least < math.inf and row.slice - oldest >= BUCKETS // 4):
        row.trusted = 0
        row.trust_lost += 1


@kernel
def _runs_free(row: Any) -> bool:
    return bool(row.slice - row.drifted < BUCKETS * LONG)


@kernel
def _fit(row: Any, device: int, window_ns: int, max_skew: float, future_ns: int) -> None:
    """Fit the line to the kept delays.

    A rise by more than `future_ns` is no fit but a backlog that flows, or a step, which `_is_step` judges.
    """
    bound, shortest = max_skew, 0.25 * window_ns
    if row.by_number:
        bound, shortest = LEARNED_ERROR if row.nominal == 0.0 else PERIOD_ERROR, 0.0625 * window_ns
    known, line, skew = settle(row, bound, shortest, row.by_number == 0)
    if not known:
        return
    x = float(device - row.ref_ns)
    before = row.line + row.skew * x
    shift = line + skew * x - before
    if shift <= future_ns:
        row.line, row.skew = line, skew
        row.wander += 0.25 * (abs(shift) - row.wander)
    if row.two_way == 1 and _two_way_std(row, device, max_skew) <= TWO_WAY_STD_NS:
        row.floor_ns = max(row.delay_ns + np.int64(row.line + row.skew * x) - _two_way_offset(row, device), 0)


@kernel
def _two_way_offset(row: Any, device: int) -> int:
    """Carry the offset that was measured both ways on to another stamp, by the skew."""
    return int(row.two_way_ns + np.int64(math.floor(row.skew * (device - row.two_way_at) + 0.5)))


@kernel
def _two_way_std(row: Any, device: int, max_skew: float) -> float:
    """Return how well it is known there [ns]."""
    doubt = FITTED_SKEW_STD if row.skew != 0.0 else max_skew
    return math.sqrt(row.two_way_var + (doubt * (device - row.two_way_at)) ** 2)


@kernel
def measure_two_way(row: Any, offset_ns: int, std_ns: float, at_ns: int, max_skew: float) -> bool:
    """Take in one offset measured both ways, at a device stamp or at the newest one, by a scalar Kalman update.

    False: messages would have arrived before they were sent, or have been under way for longer than any floor; left out.
    """
    if row.by_number == 1:
        return True  # its messages carry no stamps of the clock that was measured
    at = at_ns
    if at == NO_STAMP and row.begun == 1:
        at = row.newest_ns
    if row.begun == 1:
        soonest = row.delay_ns - offset_ns + row.line + row.skew * (at - row.ref_ns)
        if not -TWO_WAY_SIGMAS * std_ns + BACKWARDS_NS <= soonest <= LARGEST_FLOOR_NS:
            return False
    row.two_ways += 1
    if row.two_way == 0 or NO_STAMP in (at, row.two_way_at):
        row.two_way, row.two_way_at, row.two_way_ns, row.two_way_var = 1, at, offset_ns, std_ns * std_ns
        return True
    before, variance = _two_way_offset(row, at), _two_way_std(row, at, max_skew) ** 2
    gain = variance / (variance + std_ns * std_ns)
    if abs(offset_ns - before) > 1e9:  # the clock was set: what was known is worth nothing
        before, gain = offset_ns, 1.0
    row.two_way_at = at
    row.two_way_ns = before + np.int64(math.floor(gain * (offset_ns - before) + 0.5))
    row.two_way_var = (1.0 - gain) * variance if gain < 1.0 else std_ns * std_ns
    return True


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
    lasted = receive - row.rival_since >= PAUSE_NS
    if above < 0.0 or row.rival_back == 1:
        return bool(row.rivals >= RIVALS or (row.rivals == 2 and lasted))
    return bool(row.rivals >= RIVALS and lasted)


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
    return _SIGMA * 1e-9 * (row.jitter if row.jitter >= 0.0 else DEFAULT_JITTER_NS)


@kernel
def _follow_number(row: Any, number: int) -> bool:
    """Count numbers that are missing; return whether this one is new."""
    ahead = number - row.number if row.number != NO_STAMP else 1
    if ahead != 0:
        if 1 < ahead <= 1_000_000:
            row.gaps += ahead - 1
        if ahead > 0 or ahead < -1_000:  # a little back is a late message; far back, a counter that began again
            row.number = number
    return bool(ahead != 0)


@kernel
def _stamp_by_number(row: Any, number: int, receive: int) -> int:
    """Return the stamp that a sequence number stands for, `NO_STAMP` while the period is being learned."""
    if row.by_number == 0 or number < row.number_0:
        row.by_number = 1
        row.begun = 0
        row.two_way = 0
        row.number_0, row.number_0_ns = number, receive
        row.period = row.nominal
    if row.period == 0.0:
        passed = number - row.number_0
        if receive - row.number_0_ns < LEARN_NS or passed < LEARN_MESSAGES:
            return NO_STAMP
        row.period = float(receive - row.number_0_ns) / passed
        row.jitter, row.mean = -1.0, -1.0  # so far of intervals, from now on of delays
    ahead = float(number - row.number_0) * row.period
    if abs(ahead) > 1e18:
        return -1
    return int(row.number_0_ns + np.int64(ahead))


@kernel
def _repeat(row: Any, receive: int) -> None:
    """Count a stamp that is the one before, and see whether it stands still."""
    row.repeated += 1
    row.repeats += 1
    if row.repeats == 1:
        row.repeat_since = row.last_ns
    if row.frozen == 0 and row.repeats >= RIVALS and receive - row.repeat_since >= FROZEN_NS:
        row.frozen = 1
        row.freezes += 1


@kernel
def _advance(row: Any, device: int) -> None:
    """Learn how evenly the device stamps."""
    interval = float(device - row.prior_ns)
    row.prior_ns = device
    row.repeats, row.frozen = 0, 0
    if interval < 0.0:
        row.backwards += 1
    elif row.interval > 0.0 and interval < 1.5 * row.interval and row.interval < 1.5 * interval:  # no message in between lost
        uneven = abs(interval - row.interval)
        row.uneven = uneven if row.uneven < 0.0 else row.uneven + _WEIGHT * (uneven - row.uneven)
    row.interval = interval if abs(interval) < 10e9 else 0.0


@kernel
def map_stamps(
    rows: NDArray[Any],
    stream: NDArray[np.int32],
    device_ns: NDArray[np.int64],
    receive_ns: NDArray[np.int64],
    numbers: NDArray[np.int64],
    trust_ns: int,
    window_ns: int,
    max_skew: float,
    future_ns: int,
    mapped_ns: NDArray[np.int64],
    sigma_s: NDArray[np.float64],
    verdict: NDArray[np.uint8],
    scratches: NDArray[Any],
) -> bool:
    """Map M stamps in order of arrival; see `ClockBank.map` for the columns. `numbers` is empty where nobody counts.

    False: a stream is no row; nothing was done.
    """
    for m in range(stream.shape[0]):
        if not 0 <= stream[m] < rows.shape[0]:
            return False
    slice_ns = max(window_ns // BUCKETS, 1)
    scratch = scratches[0]
    for m in range(stream.shape[0]):
        row = rows[stream[m]]
        device, receive = device_ns[m], receive_ns[m]
        number = numbers[m] if numbers.shape[0] > 0 else NO_STAMP
        verdict[m] = _ACCEPTED
        mapped_ns[m] = receive - row.floor_ns
        is_new = _follow_number(row, number) if number != NO_STAMP else False
        trust_here = trust_ns
        if device in (NO_STAMP, 0):
            if device == 0:
                row.zero += 1
            else:
                row.missing += 1
            if row.by_number == 0 and _goes_on(row, receive):  # a device that has a clock does not lose it for one message
                verdict[m], sigma_s[m] = _TOO_OLD, 0.0
                continue
            if number != NO_STAMP and (row.begun == 0 or row.by_number == 1):
                device = _stamp_by_number(row, number, receive)
            trust_here = 0
            if device in (NO_STAMP, 0):
                sigma_s[m] = _arrive(row, receive)
                row.last_ns = receive
                continue
        elif row.by_number == 1:  # stamps after all
            row.by_number, row.begun = 0, 0
        sigma_s[m] = 0.0
        if device < 0 or device > FARTHEST_NS:
            row.absurd += 1
            row.last_ns = receive
            verdict[m] = _TOO_OLD if device < 0 else _FUTURE
            continue
        first = row.begun == 0
        if first:
            _begin(row, device, receive, slice_ns, trust_here)
        is_repeat = device == row.prior_ns
        if is_repeat or (row.rivals > 0 and device == row.rival_ns):
            _repeat(row, receive)
        row.last_ns = receive
        if is_repeat and row.frozen == 1 and is_new and row.by_number == 0:  # new whatever its stamp says: its arrival counts
            sigma_s[m] = _SIGMA * 1e-9 * max(row.jitter, 0.0)
            continue
        x = float(device - row.ref_ns)
        y = float(receive - device - row.delay_ns)
        above = y - (row.line + row.skew * x)  # queueing, when the stamp belongs to this epoch
        contradicts = above < -future_ns or (above > future_ns and device < row.newest_ns - future_ns)
        if is_repeat:  # of a stamp that was accepted: late by nature
            pass
        elif contradicts or above > future_ns:
            if _is_step(row, above, device, receive, future_ns):
                if above < 0.0:
                    row.steps_ahead += 1
                else:
                    row.steps_back += 1
                row.two_way = 0
                _begin(row, device, receive, slice_ns, trust_here)
                x, y, above = 0.0, 0.0, 0.0
            elif contradicts:
                if above < 0.0:
                    row.future += 1
                    verdict[m] = _FUTURE
                else:
                    row.past += 1
                    verdict[m] = _TOO_OLD
                continue
        else:
            row.rivals = 0
            if not first:  # one message is no evidence: it may be the absurd one
                row.agreed_ns = receive
        if not is_repeat:
            _advance(row, device)
        row.newest_ns = max(row.newest_ns, device)

        now = receive // slice_ns
        if now != row.slice:
            _fit(row, device, window_ns, max_skew, future_ns)
            every = JUDGE_YOUNG_EVERY if _is_young(row) else JUDGE_EVERY
            look = now // every != row.slice // every
            if now < row.slice:  # the daemon's own clock was set back: what was kept lies in its future
                row.best_slice[:] = -1
                row.long_slice[:] = -1
                row.drifted = NEVER
            row.slice = now
            _judge_trust(row, trust_here, max_skew, look, scratch)
            above = y - (row.line + row.skew * x)
        row.early = row.early + 1 if above < -EARLY_NS else 0
        if not is_repeat and (row.early == 0 or row.early >= RIVALS):
            _keep(row, x, y)
            if above < 0.0:
                row.line += above
                row.wander += 0.25 * (-above - row.wander)
                above = 0.0
                _judge_trust(row, trust_here, max_skew, False, scratch)
        above = max(above, 0.0)
        if not is_repeat:  # a message sent twice says nothing about delays
            if row.jitter < 0.0 or row.mean < 0.0:
                row.jitter, row.mean = 0.5 * above, above
            else:
                row.jitter += _WEIGHT * (abs(above - row.mean) - row.jitter)
                row.mean += _WEIGHT * (above - row.mean)

        if row.two_way == 1:
            std = _two_way_std(row, device, max_skew)
            if std <= TWO_WAY_STD_NS:
                mapped_ns[m] = min(device + _two_way_offset(row, device), receive)
                sigma_s[m] = 1e-9 * std
                continue
        if row.trusted and row.two_way == 0:  # what was measured counts for more, also when it has aged
            mapped_ns[m] = min(device, receive - np.int64(BACKWARDS_NS))
        else:
            line = row.delay_ns + np.int64(math.floor(row.line + row.skew * x + 0.5))
            mapped_ns[m] = min(device + line, receive) - row.floor_ns
            sigma_s[m] = 1e-9 * row.wander
    return True
