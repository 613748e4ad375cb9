"""Efforts of joints: what is reported, smoothed, while it can be believed. Beside the joint bank, and never part of it.

An effort changes no position and no velocity: a torque says something of motion only with a model of the machine. Each is a
first-order low-pass, which is what a Kalman filter of an Ornstein-Uhlenbeck process settles to:

    x += (1 - exp(-T / tau)) (z - x)

with the time T between stamps, so it does not depend on the rate. Its state is of the newest samples only: a late one, however
little, is `TOO_OLD`, so that of an effort, unlike that of a position, the state depends on the order of arrival.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.estimation.compile import kernel
from twind.estimation.effort_monitor import (
    DISABLED,
    EFFORT,
    FEATURES,
    GAP_NS,
    NONE,
    USED,
    WINDOW_NS,
    close_window,
    start_windows,
)
from twind.estimation.joint_kernels import NO_VERDICT
from twind.estimation.joint_lanes import nearest
from twind.estimation.kept import Kept
from twind.model.estimates import Verdict
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from twind.estimation.joints import JointBank

BEYOND_LIMIT = 10.0  # times the declared one: beyond it no effort is true
_LARGEST = 1e7  # N m or N, where none is declared
_MOVING = 50.0  # sigmas of position per second: slower is no motion to the monitor

_ACCEPTED, _GATED, _RESET, _NOT_FINITE, _TOO_OLD = (
    int(Verdict.ACCEPTED), int(Verdict.GATED), int(Verdict.RESET), int(Verdict.NOT_FINITE), int(Verdict.TOO_OLD),
)  # fmt: skip


@kernel
def take_efforts(
    rows: NDArray[Any],
    last_ns: NDArray[np.int64],
    layout_start: NDArray[np.int64],
    layout_rows: NDArray[np.int64],
    layout: NDArray[np.int32],
    t_ns: NDArray[np.int64],
    offset: NDArray[np.int64],
    positions: NDArray[np.float64],
    efforts: NDArray[np.float64],
    of_positions: NDArray[np.uint8],
    scratch: NDArray[np.float64],
    verdict: NDArray[np.uint8],
) -> None:
    """Use one batch that the joint bank has just used; see `EffortBank.ingest`."""
    for m in range(layout.shape[0]):
        t = t_ns[m]
        known = 0 <= layout[m] < layout_start.shape[0] - 1
        begin = layout_start[layout[m]] if known else 0
        size = layout_start[layout[m] + 1] - begin if known else 0
        for k in range(offset[m], offset[m + 1]):
            verdict[k] = NO_VERDICT
            entry = k - offset[m]
            index = layout_rows[begin + entry] if entry < size else -1
            z = efforts[k]
            if index < 0 or math.isnan(z) or rows[index].listens == 0:
                continue
            if of_positions[k] not in (_ACCEPTED, _RESET):
                verdict[k] = of_positions[k]
                continue
            row = rows[index]
            if row.t_ns > last_ns[index]:  # time was set back
                row.t_ns = NO_STAMP
            if row.t_ns != NO_STAMP and t <= row.t_ns:
                verdict[k] = _TOO_OLD
                continue
            verdict[k] = _take(row, t, positions[k], z, scratch)


@kernel
def _take(row: Any, t: int, q: float, z: float, scratch: Any) -> int:
    """Use the newest effort of one joint, and return its verdict."""
    first = row.state == NONE
    if row.t_ns == NO_STAMP or t - row.t_ns > GAP_NS:
        start_windows(row, t, q)
        row.value = math.nan
    elif t - row.begin_ns >= WINDOW_NS:
        close_window(row, t, scratch)
    if first:
        row.state, row.origin = USED, q
    T = (t - row.t_ns) * 1e-9 if row.t_ns != NO_STAMP else 0.0
    row.t_ns = t
    q = nearest(q, row.last_q, row.modulus)
    row.last_q = q
    if not abs(z) <= row.most:
        row.bad += 1
        return _GATED if math.isfinite(z) else _NOT_FINITE
    row.n += 1.0
    row.sum_t += (t - row.begin_ns) * 1e-9
    row.sum_q += q
    row.sum_e += z
    if z != row.same_z:
        row.same_z, row.same_s = z, 0.0
    if math.isnan(row.value) or row.tau <= 0.0:
        row.value = z
    else:
        row.value += (1.0 - math.exp(-T / row.tau)) * (z - row.value)
    return _GATED if row.state == DISABLED else _ACCEPTED


class EffortBank:
    """The efforts of `n_joints` joints, numbered as those of the joint bank beside it."""

    def __init__(self, n_joints: int) -> None:
        self._rows = np.zeros(n_joints, EFFORT)
        self._rows["t_ns"] = NO_STAMP
        self._rows["value"] = self._rows["same_z"] = math.nan
        self._scratch = np.zeros((FEATURES, FEATURES))

    def __repr__(self) -> str:
        """Show how many joints send efforts, and how many of these are disabled."""
        state = self._rows["state"]
        return f"<EffortBank {np.count_nonzero(state)}/{len(state)} joints seen, {np.count_nonzero(state == DISABLED)} off>"

    def configure(
        self,
        rows: int | slice | NDArray[np.int64],
        *,
        tau_s: ArrayLike = 0.05,
        limit: ArrayLike = math.inf,
        position_std: ArrayLike = 1e-3,
        modulus: ArrayLike = 0.0,
    ) -> None:
        """Listen to the efforts of some joints; scalars or one value per selected row.

        Args:
            rows: Which joints.
            tau_s: Time constant of the smoothing [s]; 0 shows what is reported.
            limit: What the asset declares [N m or N]; infinite when nothing.
            position_std: One sigma of a measured position [rad or m]; 50 of them a second are motion.
            modulus: What one turn measures where positions wrap [rad]; 0 where they do not.
        """
        rows = slice(rows, rows + 1) if isinstance(rows, int) else rows
        selected = self._rows[rows]
        limits = np.asarray(limit, np.float64)
        declared = np.isfinite(limits) & (limits > 0.0)
        selected["listens"] = 1
        selected["tau"] = tau_s
        selected["most"] = np.where(declared, BEYOND_LIMIT * limits, _LARGEST)
        selected["moving"] = _MOVING * np.asarray(position_std, np.float64)
        selected["modulus"] = modulus
        self._rows[rows] = selected

    def ingest(
        self,
        joints: JointBank,
        layout: NDArray[np.int32],
        t_ns: NDArray[np.int64],
        offset: NDArray[np.int64],
        positions: NDArray[np.float64],
        efforts: NDArray[np.float64],
        of_positions: NDArray[np.uint8],
        verdict: NDArray[np.uint8],
    ) -> None:
        """Use the efforts of M messages with K values in all, which the joint bank has just used.

        Args:
            joints: That bank.
            layout: (M,) which layout each message has.
            t_ns: (M,) stamps in the daemon's clock [ns].
            offset: (M + 1,) where each message's values begin.
            positions: (K,) [rad or m].
            efforts: (K,) [N m or N], NaN where there is none.
            of_positions: (K,) `Verdict` of each position: where that was not used, neither is the effort.
            verdict: (K,) out: `Verdict` of each effort; `NO_VERDICT` where there is none or nobody listens.
                `GATED` is beyond belief, or of a disabled channel.

        Raises:
            ValueError: The columns do not fit together.
        """
        if not len(positions) == len(efforts) == len(of_positions) == len(verdict):
            raise ValueError(f"{len(efforts)} efforts and {len(of_positions)} verdicts for {len(positions)} positions")
        start, rows = joints.layouts
        take_efforts(
            self._rows, joints.last_ns, start, rows, layout, t_ns, offset, positions, efforts, of_positions, self._scratch,
            verdict,
        )  # fmt: skip

    def shown(self, last_ns: NDArray[np.int64], *, coast_ns: int) -> NDArray[np.float64]:
        """Return the (n_joints,) efforts [N m or N]; NaN where none is sent, or is disabled, or is far older than the position.

        Args:
            last_ns: (n_joints,) stamp of the newest position [ns].
            coast_ns: How much older it may be [ns].
        """
        rows = self._rows
        with np.errstate(over="ignore"):
            current = (rows["state"] == USED) & (rows["t_ns"] != NO_STAMP) & (last_ns - rows["t_ns"] <= coast_ns)
        return np.where(current, rows["value"], math.nan)

    @property
    def kept(self) -> dict[str, Kept]:
        """What survives a restart, a row for each joint."""
        return {"efforts": Kept(self._rows, settings=("listens", "tau", "most", "moving", "modulus"))}

    @property
    def channels(self) -> NDArray[np.int64]:
        """(n_joints,) state of each channel: 0 nothing was sent, 1 shown, 2 disabled. A view: copy what you keep."""
        return self._rows["state"]

    def warm_up(self, joints: JointBank) -> None:
        """Compile every kernel, without touching the state."""
        none, nothing = np.zeros(0, np.int64), np.zeros(0)
        verdicts = np.zeros(0, np.uint8)
        bank = EffortBank(joints.n_joints)
        bank.ingest(joints, np.zeros(0, np.int32), none, np.zeros(1, np.int64), nothing, nothing, verdicts, verdicts.copy())
