"""Prediction of every body to an instant of its own: reads states, writes columns."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from twind.estimation.compile import kernel
from twind.estimation.quaternions import exponential, multiply, normalised
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FARTHEST_NS = 2**62  # stamps beyond it could overflow a difference


@kernel
def predict_poses(
    rows: NDArray[Any],
    target_ns: NDArray[np.int64],
    coast_ns: int,
    position: NDArray[np.float64],
    orientation: NDArray[np.float64],
    position_std: NDArray[np.float64],
    rotation_std: NDArray[np.float64],
) -> None:
    """Predict every body to its target without touching its state; see `PoseBank.predict`."""
    for n in range(rows.shape[0]):
        row = rows[n]
        if row.t_ns == NO_STAMP:
            position[n, 0] = position[n, 1] = position[n, 2] = 0.0
            orientation[n, 0], orientation[n, 1], orientation[n, 2], orientation[n, 3] = 1.0, 0.0, 0.0, 0.0
            position_std[n] = rotation_std[n] = math.inf
            continue
        target = row.t_ns if target_ns[n] == NO_STAMP else min(max(target_ns[n], -FARTHEST_NS), FARTHEST_NS)
        dt = max(target - row.t_ns, -coast_ns)
        T = dt * 1e-9
        moving = min(dt, coast_ns) * 1e-9
        near = noise = 0.0
        for i in range(3):
            position[n, i] = row.p[i] + moving * row.v[i]
            near += row.pp[i] + T * (2.0 * row.pv[i] + T * row.vv[i])
            noise += row.P[i, i] + T * (2.0 * row.P[i, 3 + i] + T * row.P[3 + i, 3 + i])
        q = multiply(
            (row.q[0], row.q[1], row.q[2], row.q[3]),
            exponential(row.w[0] * moving, row.w[1] * moving, row.w[2] * moving),
        )
        orientation[n, 0], orientation[n, 1], orientation[n, 2], orientation[n, 3] = normalised(q)
        grown = abs(T * T * T) / 3.0
        shown = near / 3.0 + row.q_position * grown + row.doubt_var
        position_std[n] = math.sqrt(max(shown, 0.0)) if row.posed else math.inf
        rotation_std[n] = math.sqrt(max(noise / 3.0 + row.q_rotation * grown, 0.0))
