"""Kernels of the joint filter: a Singer model per joint, scalar position updates in Joseph form.

One record per joint holds its state, its noise and its recovery, so that a message about seven joints touches seven
cache-friendly rows. Times are int64 ns; positions rad or m.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.estimation.compile import kernel
from twind.estimation.singer import singer
from twind.model.estimates import Verdict
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    from numpy.typing import NDArray

JOINT_ROW = np.dtype(
    [
        ("t_ns", "i8"),  # stamp of the newest sample used; NO_STAMP before the first
        ("p", "f8"), ("v", "f8"), ("a", "f8"),
        ("pp", "f8"), ("pv", "f8"), ("pa", "f8"), ("vv", "f8"), ("va", "f8"), ("aa", "f8"),
        ("q", "f8"),  # spectral density of the jerk
        ("alpha", "f8"),  # 1 / tau
        ("r", "f8"),  # variance of a measured position
        ("stamp_var", "f8"),  # variance of device stamps [s^2]
        ("modulus", "f8"),  # 2 pi for a continuous joint, 0 for others
        ("prior_vv", "f8"), ("prior_aa", "f8"),  # what is believed of a joint that was never seen
        ("top_speed", "f8"), ("top_acceleration", "f8"),  # beyond what any joint does
        ("rest", "f8"),  # position reported before the first sample
        ("rival_t", "i8"), ("rival_p", "f8"), ("rival_v", "f8"),  # newest of the rejected samples that agree with each other
        ("rivals", "i8"),  # how many of them
        ("behind", "i8"),  # samples in a row that are far older than the state
        ("resets", "i8"),
    ],
    align=True,
)  # fmt: skip

NO_VERDICT = 255
"""Marks entries of a verdict column that no joint was asked about."""

LARGEST = 1e9  # rad or m; beyond it a number is no measurement
FARTHEST_NS = 2**62  # stamps beyond it could overflow a difference
RESTART_NS = 5_000_000_000  # a silence after which the old motion says nothing
RIVALS = 3  # mutually consistent rejections that win
BEHIND = 10  # samples in a row from long ago: time itself was set back
WORST_RATIO = 1e12  # predicted over measured variance: beyond it the prediction says nothing, and float64 nears its limits

_ACCEPTED, _GATED, _RESET = int(Verdict.ACCEPTED), int(Verdict.GATED), int(Verdict.RESET)
_DUPLICATE, _TOO_OLD, _FUTURE, _NOT_FINITE = (
    int(Verdict.DUPLICATE), int(Verdict.TOO_OLD), int(Verdict.FUTURE), int(Verdict.NOT_FINITE),
)  # fmt: skip


@kernel
def nearest(value: float, reference: float, modulus: float) -> float:
    """Add whole turns to `value` so that it lies nearest to `reference`; a modulus of 0 leaves it."""
    if modulus == 0.0:
        return value
    return value - modulus * math.floor((value - reference) / modulus + 0.5)


@kernel
def _start(row: Any, z: float, v: float, t: int) -> None:
    """Begin a new track: the position is known, the motion is not."""
    row.t_ns = t
    row.p, row.v, row.a = z, v, 0.0
    row.pp, row.pv, row.pa = row.r, 0.0, 0.0
    row.vv, row.va, row.aa = row.prior_vv, 0.0, row.prior_aa
    row.rivals = 0
    row.behind = 0


@kernel
def _challenge(row: Any, z: float, t: int) -> bool:
    """Note a gated sample; say whether it completes enough rejections that agree with each other to overrule the state."""
    if row.rivals > 0:
        dt = (t - row.rival_t) * 1e-9
        if dt <= 0.0:
            return False
        moved = nearest(z, row.rival_p, row.modulus) - row.rival_p
        noise = 6.0 * math.sqrt(row.r)
        v = moved / dt
        agrees = dt * 1e9 < RESTART_NS and abs(moved) <= row.top_speed * dt + noise
        if agrees and row.rivals > 1:
            agrees = abs(v - row.rival_v) * dt <= row.top_acceleration * dt * dt + 4.0 * noise
        if agrees:
            row.rival_t, row.rival_p, row.rival_v = t, z, v
            row.rivals += 1
            return bool(row.rivals >= RIVALS)
    row.rival_t, row.rival_p, row.rival_v = t, z, 0.0
    row.rivals = 1
    return False


@kernel
def _measure(row: Any, model: tuple[float, ...], T: float, t: int, z: float, sigma_t: float, gate: float) -> tuple[int, float]:
    """Predict to the sample, gate it and update with it; the state changes only when the sample is used."""
    f1, f2, f3, q11, q12, q13, q22, q23, q33 = model
    q = row.q
    # F P F', with the rows of F P written out
    pv1 = row.pv + T * row.vv + f1 * row.va
    pa1 = row.pa + T * row.va + f1 * row.aa
    pp = row.pp + T * row.pv + f1 * row.pa + T * pv1 + f1 * pa1 + q * q11
    pv = pv1 + f2 * pa1 + q * q12
    pa = f3 * pa1 + q * q13
    va1 = row.va + f2 * row.aa
    vv = row.vv + f2 * row.va + f2 * va1 + q * q22
    va = f3 * va1 + q * q23
    aa = f3 * f3 * row.aa + q * q33
    if not pp <= WORST_RATIO * row.r:
        _start(row, nearest(z, row.p, row.modulus), 0.0, t)
        return _ACCEPTED, math.nan
    p = row.p + T * row.v + f1 * row.a
    v = row.v + f2 * row.a
    a = f3 * row.a
    # A stamp that is off by dt puts the sample off by v dt.
    r = row.r + (v * v + vv) * (row.stamp_var + sigma_t * sigma_t)
    z = nearest(z, p, row.modulus)
    y = z - p
    s = pp + r
    nis = y * y / s
    if not nis <= gate:
        if _challenge(row, z, t):
            _start(row, z, row.rival_v, t)
            row.resets += 1
            return _RESET, nis
        return _GATED, nis
    k0, k1, k2 = pp / s, pv / s, pa / s
    if not abs(v + k1 * y) <= row.top_speed:  # a wrapped joint seen whole turns apart would spin ever faster
        _start(row, z, 0.0, t)
        row.resets += 1
        return _RESET, nis
    row.p, row.v, row.a = p + k0 * y, v + k1 * y, a + k2 * y
    # Joseph form: (I - K H) P (I - K H)' + K r K'; keeps P positive however small r is.
    c = 1.0 - k0
    pv1, pa1 = pv - k1 * pp, pa - k2 * pp
    row.pp = c * c * pp + r * k0 * k0
    row.pv = c * pv1 + r * k0 * k1
    row.pa = c * pa1 + r * k0 * k2
    row.vv = vv - k1 * pv - k1 * pv1 + r * k1 * k1
    row.va = va - k2 * pv - k1 * pa1 + r * k1 * k2
    row.aa = aa - k2 * pa - k2 * pa1 + r * k2 * k2
    row.t_ns = t
    row.rivals = 0
    row.behind = 0
    return _ACCEPTED, nis


@kernel
def _refused(row: Any, z: float, t: int) -> int:
    """Judge what needs no filter: what cannot be a measurement, and what comes from the wrong time."""
    if not abs(z) <= LARGEST:  # NaN fails every comparison
        return _NOT_FINITE
    if t > FARTHEST_NS:
        return _FUTURE
    if t < -FARTHEST_NS:
        return _TOO_OLD
    if row.t_ns == NO_STAMP or t > row.t_ns:
        return _ACCEPTED
    if t == row.t_ns:
        return _DUPLICATE
    row.behind = row.behind + 1 if row.t_ns - t > RESTART_NS else 0
    return _TOO_OLD


@kernel
def ingest_joints(
    rows: NDArray[Any],
    layout_start: NDArray[np.int64],
    layout_rows: NDArray[np.int64],
    layout: NDArray[np.int32],
    t_ns: NDArray[np.int64],
    sigma_t: NDArray[np.float64],
    skip: NDArray[np.uint8],
    offset: NDArray[np.int64],
    values: NDArray[np.float64],
    gate: float,
    verdict: NDArray[np.uint8],
    nis: NDArray[np.float64],
) -> bool:
    """Use M messages in order of arrival; see `JointBank.ingest` for the columns. False: bad offsets; nothing was done."""
    end = 0
    for m in range(offset.shape[0]):
        if offset[m] < end:
            return False
        end = offset[m]
    if end > min(values.shape[0], verdict.shape[0], nis.shape[0]):
        return False
    model = singer(0.0, 0.0)
    model_dt, model_alpha = 0, 0.0
    for m in range(layout.shape[0]):
        first = offset[m]
        known = 0 <= layout[m] < layout_start.shape[0] - 1
        start = layout_start[layout[m]] if known else 0
        size = layout_start[layout[m] + 1] - start if known else 0
        t = t_ns[m]
        sigma = min(sigma_t[m], 1e3) if sigma_t[m] > 0.0 else 0.0
        for k in range(first, offset[m + 1]):
            nis[k] = math.nan
            verdict[k] = NO_VERDICT
            index = layout_rows[start + k - first] if k - first < size else -1
            if index < 0:
                continue
            if skip[m] != _ACCEPTED:
                verdict[k] = skip[m]
                continue
            row = rows[index]
            z = values[k]
            refused = _refused(row, z, t)
            if refused == _TOO_OLD and row.behind >= BEHIND:
                _start(row, nearest(z, row.p, row.modulus), 0.0, t)
                row.resets += 1
                verdict[k] = _RESET
                continue
            verdict[k] = refused
            if refused != _ACCEPTED:
                continue
            if row.t_ns == NO_STAMP or t - row.t_ns > RESTART_NS:
                _start(row, nearest(z, row.p, row.modulus) if row.t_ns != NO_STAMP else z, 0.0, t)
                continue
            dt = t - row.t_ns
            if dt != model_dt or row.alpha != model_alpha:  # the joints of one robot mostly share both
                model_dt, model_alpha = dt, row.alpha
                model = singer(dt * 1e-9, row.alpha)
            verdict[k], nis[k] = _measure(row, model, dt * 1e-9, t, z, sigma, gate)
    return True


@kernel
def predict_joints(
    rows: NDArray[Any],
    target_ns: NDArray[np.int64],
    coast_ns: int,
    position: NDArray[np.float64],
    velocity: NDArray[np.float64],
    std: NDArray[np.float64],
) -> None:
    """Predict every joint to its target without touching its state; see `JointBank.predict`."""
    moved, grown = singer(0.0, 0.0), singer(0.0, 0.0)
    model_dt, model_alpha = 0, 0.0
    for i in range(rows.shape[0]):
        row = rows[i]
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
                grown = singer(T, row.alpha)
                moved = grown if dt <= coast_ns else singer(coast_ns * 1e-9, row.alpha)
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
