"""The kernels that the joint bank calls: one batch of messages in, one prediction of every joint out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from twind.estimation.compile import inlined, kernel
from twind.estimation.joint_choice import due
from twind.estimation.joint_frozen import (
    ALONE_NS,
    DEAD,
    FROZEN,
    FROZEN_NS,
    SETTLED_NS,
    STANDS,
    UNJUDGED,
    differs,
    far,
    grant,
    judge,
    judge_alone,
    repeats,
)
from twind.estimation.joint_lanes import predict_lanes
from twind.estimation.joint_order import EPOCH, LATE, keep, place, place_late, replay
from twind.estimation.joint_pace import pace_by
from twind.estimation.joint_records import BLOCK, FARTHEST_NS
from twind.estimation.joint_stamps import watch_stamps
from twind.estimation.joint_track import ACCEPTED, DONE, RESET, gate_sample, step_of, summarise, update, watch
from twind.estimation.prefetch import prefetch, prefetch_lines
from twind.estimation.singer import transition
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NO_VERDICT = 255
"""Marks entries of a verdict column that no joint was asked about."""


_ASKS, _ASKS_LOG2, _LINES = 4, 2, 3
"""How often is asked for the rows of one joint of the next message, and for how many lines each time: all of `TRACK`."""


@inlined
def _ask_on(tracks: Any, rows: Any, begin: int, asked: int, asks: int) -> int:
    """Ask for the next lines of the joints that the next message is about; return how often was asked."""
    if asked < asks:
        joint = rows[begin + (asked >> _ASKS_LOG2)]
        if joint >= 0:
            prefetch_lines(tracks, joint, (asked & (_ASKS - 1)) * _LINES, _LINES)
    return asked + 1


@kernel
def ingest_joints(
    kinds: NDArray[Any],
    arrivals: NDArray[Any],
    tracks: NDArray[Any],
    ledgers: NDArray[Any],
    shown: NDArray[Any],
    rings: NDArray[Any],
    bases: NDArray[Any],
    ledger_bases: NDArray[Any],
    tasks: NDArray[Any],
    paces: NDArray[Any],
    work: NDArray[np.float64],
    layout_start: NDArray[np.int64],
    layout_rows: NDArray[np.int64],
    layout: NDArray[np.int32],
    t_ns: NDArray[np.int64],
    sigma_t: NDArray[np.float64],
    skip: NDArray[np.uint8],
    offset: NDArray[np.int64],
    values: NDArray[np.float64],
    rates: NDArray[np.float64],
    gate: float,
    lag_ns: int,
    verdict: NDArray[np.uint8],
    nis: NDArray[np.float64],
) -> bool:
    """Use M messages in order of arrival; see `JointBank.ingest` for the columns. False: bad offsets; nothing was done.

    The joints of a message pass through the stages side by side, a few at a time: no joint depends on another, so the processor
    works on the next while it waits for the last.
    """
    end = 0
    for m in range(offset.shape[0]):
        if offset[m] < end:
            return False
        end = offset[m]
    if end > min(values.shape[0], verdict.shape[0], nis.shape[0]):
        return False
    if 0 < rates.shape[0] < end:
        return False
    pace = paces[0]
    spare = tasks[tasks.shape[0] - 1]  # for samples out of order, which are used at once
    for m in range(layout.shape[0]):
        soon = soon_size = later = later_size = 0  # rows to fetch ahead: of the next message, and of the one after it
        if m + 6 < layout.shape[0]:
            if 0 <= layout[m + 6] < layout_start.shape[0]:
                prefetch_lines(layout_start, layout[m + 6], 0, 1)
            if 0 <= layout[m + 4] < layout_start.shape[0] - 1:
                prefetch_lines(layout_rows, layout_start[layout[m + 4]], 0, 2)
        if m + 2 < layout.shape[0]:
            if layout[m + 1] != layout[m] and 0 <= layout[m + 1] < layout_start.shape[0] - 1:
                soon = layout_start[layout[m + 1]]
                soon_size = layout_start[layout[m + 1] + 1] - soon
            if layout[m + 2] != layout[m + 1] and 0 <= layout[m + 2] < layout_start.shape[0] - 1:
                later = layout_start[layout[m + 2]]
                later_size = layout_start[layout[m + 2] + 1] - later
        known = 0 <= layout[m] < layout_start.shape[0] - 1
        begin = layout_start[layout[m]] if known else 0
        size = layout_start[layout[m] + 1] - begin if known else 0
        t = t_ns[m]
        sigma = min(sigma_t[m], 1e3) if sigma_t[m] > 0.0 else 0.0
        same, settled, dead, newest = True, True, False, 0  # how long all have repeated themselves; whether one did alone
        stands, unjudged, alive, thawed, moved = True, False, False, False, False
        for first in range(offset[m], offset[m + 1], tasks.shape[0] - 1):
            n = 0
            ask_from = soon + first - offset[m]
            asks = _ASKS * max(min(soon_size - first + offset[m], tasks.shape[0] - 1), 0)
            for k in range(first, min(first + tasks.shape[0] - 1, offset[m + 1])):
                nis[k] = math.nan
                verdict[k] = NO_VERDICT
                entry = k - offset[m]
                if entry < later_size:
                    joint = layout_rows[later + entry]
                    if joint >= 0:
                        prefetch(arrivals, joint)
                ahead = layout_rows[soon + entry] if entry < soon_size else -1
                if ahead >= 0:
                    prefetch(shown, ahead)
                    prefetch(rings[arrivals[ahead].samples & (rings.shape[0] - 1)], ahead)
                index = layout_rows[begin + entry] if entry < size else -1
                if index < 0:
                    continue
                if skip[m] != ACCEPTED:
                    verdict[k] = skip[m]
                    continue
                arrival = arrivals[index]
                z = values[k]
                todo = place(arrival, t, z, lag_ns)
                number = 0 if todo == EPOCH else arrival.samples
                if todo == LATE:
                    todo, number = place_late(arrival, rings, index, t)
                if todo >= 0:
                    verdict[k] = todo
                    continue
                row = kinds[arrival.kind]
                track = tracks[index]
                if row.velocity_var > 0.0 or due(track, t):
                    prefetch_lines(ledgers, index, 0, 5)
                rate = rates[k] if rates.shape[0] > 0 else math.nan
                sample = (t, z, rate, sigma)
                if todo == LATE:
                    verdict[k], nis[k] = replay(
                        row, arrival, tracks, ledgers, index, rings, bases, ledger_bases, pace, spare, sample, number, gate
                    )
                    arrival.resets = max(arrival.resets, track.resets)
                    summarise(row, track, shown[index])
                    continue
                if repeats(arrival, track, ledgers[index], number, t, z):
                    settled = settled and t - arrival.same_ns >= SETTLED_NS
                    same = same and t - arrival.same_ns > FROZEN_NS
                    unjudged = unjudged or arrival.abrupt == UNJUDGED
                    if not math.isnan(rate):
                        alive = alive or differs(rate, rings[(number - 1) & (rings.shape[0] - 1), index].rate)
                    dead = dead or arrival.abrupt == DEAD or (arrival.abrupt == UNJUDGED and t - arrival.same_ns >= ALONE_NS)
                else:
                    same = settled = stands = False
                    if arrival.frozen == 1 and number > 0:
                        thawed = True
                        moved = moved or far(row, arrival, z)
                keep(arrival, rings[number & (rings.shape[0] - 1), index], sample, number)
                if number & (BLOCK - 1) == 0:
                    base = (number // BLOCK) & (bases.shape[0] - 1)
                    bases[base, index], ledger_bases[base, index] = track, ledgers[index]
                task = tasks[n]
                task.index, task.entry, task.z, task.rate = index, k, z, rate
                n += 1
            newest += n
            asked = 0
            for i in range(n):
                task = tasks[i]
                asked = _ask_on(tracks, layout_rows, ask_from, asked, asks)
                track = tracks[task.index]
                row = kinds[arrivals[task.index].kind]
                T = step_of(track, t)
                pace_by(pace, T, row.alpha)
                predict_lanes(row, track, pace, task.x)
                task.T = T
            for i in range(n):
                task = tasks[i]
                asked = _ask_on(tracks, layout_rows, ask_from, asked, asks)
                index, k = task.index, task.entry
                track = tracks[index]
                row = kinds[arrivals[index].kind]
                back = track.t_ns != NO_STAMP and t < track.t_ns
                verdict[k], nis[k], task.z, task.p, task.known = gate_sample(
                    row, track, ledgers[index], task.x, t, task.z, sigma, gate
                )
                if back:
                    track.resets += 1
                    verdict[k] = RESET
            for i in range(n):
                task = tasks[i]
                asked = _ask_on(tracks, layout_rows, ask_from, asked, asks)
                if task.known >= 0.0:
                    index = task.index
                    row = kinds[arrivals[index].kind]
                    if update(row, tracks[index], ledgers[index], task.x, t, task.z, task.p, task.known, sigma):
                        verdict[task.entry] = RESET
                        task.known = DONE
            for i in range(n):
                task = tasks[i]
                asked = _ask_on(tracks, layout_rows, ask_from, asked, asks)
                if task.known >= 0.0:
                    index = task.index
                    row = kinds[arrivals[index].kind]
                    pace_by(pace, task.T, row.alpha)
                    watch_stamps(row, tracks[index], pace, task.z, task.known, sigma)
            for i in range(n):
                task = tasks[i]
                index = task.index
                arrival, track = arrivals[index], tracks[index]
                row = kinds[arrival.kind]
                if task.known >= 0.0:
                    pace_by(pace, task.T, row.alpha)
                    watch(row, track, ledgers[index], pace, t, task.z, task.rate)
                arrival.resets = max(arrival.resets, track.resets)
                summarise(row, track, shown[index])
            while asked < asks:  # where the next message is about more joints than this one
                asked = _ask_on(tracks, layout_rows, ask_from, asked, asks)
        if newest > 0:
            joints = layout_rows[begin : begin + size]
            alive = alive and stands
            if alive:  # all positions are old, and a velocity is new: the source is not frozen
                for index in joints:
                    if index >= 0:
                        arrivals[index].abrupt = STANDS
            if thawed and not moved:
                for index in joints:
                    if index >= 0 and arrivals[index].frozen == 1:
                        grant(ledgers[index])
            if settled and unjudged and not alive:
                judge(kinds, arrivals, ledgers, rings, joints, work)
            for index in joints:
                if index >= 0:
                    arrivals[index].frozen = same and arrivals[index].abrupt == FROZEN
            if dead and not settled:
                for index in joints:
                    if index >= 0:
                        arrival = arrivals[index]
                        if arrival.abrupt == UNJUDGED and t - arrival.same_ns >= ALONE_NS:
                            judge_alone(kinds[arrival.kind], arrival, ledgers[index], rings, index, work)
                        arrival.frozen = arrival.abrupt == DEAD and t - arrival.same_ns > FROZEN_NS
    return True


@kernel
def predict_joints(
    shown: NDArray[Any],
    target_ns: NDArray[np.int64],
    coast_ns: int,
    position: NDArray[np.float64],
    velocity: NDArray[np.float64],
    std: NDArray[np.float64],
) -> None:
    """Predict every joint to its target without touching its state; see `JointBank.predict`."""
    moved, grown = transition(0.0, 0.0), transition(0.0, 0.0)
    model_dt, model_alpha = 0, 0.0
    for i in range(shown.shape[0]):
        row = shown[i]
        if row.t_ns == NO_STAMP:
            position[i], velocity[i], std[i] = row.rest, 0.0, math.inf
            continue
        target = target_ns[i]
        if target == NO_STAMP:
            target = row.t_ns
        target = min(max(target, -FARTHEST_NS), FARTHEST_NS)
        dt = max(target - row.t_ns, -coast_ns)
        T = dt * 1e-9
        if dt >= 0:
            if dt != model_dt or row.alpha != model_alpha:
                model_dt, model_alpha = dt, row.alpha
                grown = transition(T, row.alpha)
                moved = grown if dt <= coast_ns else transition(coast_ns * 1e-9, row.alpha)
            position[i] = row.p + min(T, coast_ns * 1e-9) * row.v + moved[0] * row.a
            velocity[i] = row.v + moved[1] * row.a if dt <= coast_ns else 0.0
            f1 = grown[0]
            noise = row.q * grown[3]
        else:  # back to between the last samples: the acceleration as it is, the noise of the same time forwards
            f1 = 0.5 * T * T
            position[i] = row.p + T * row.v + f1 * row.a
            velocity[i] = row.v + T * row.a
            noise = row.q * -T * f1 * f1 / 5.0
        variance = row.pp + T * T * row.vv + f1 * f1 * row.aa + 2.0 * (T * row.pv + f1 * row.pa + T * f1 * row.va) + noise
        std[i] = math.sqrt(max(variance, 0.0))
