"""What became of the velocities that joints report: a verdict and a normalised innovation squared of each.

The joint bank uses them inside its filters and keeps no account. Both follow from what it shows afterwards: a residual e after
the update has variance R - P', R that of the measurement and P' that of the velocity then, and e^2 / (R - P') equals the
innovation squared over its own variance (Bar-Shalom, Li, Kirubarajan 2001, section 5.4). Exact for the newest sample of a batch
in the model that is shown; for those before it the velocity is carried back with the acceleration.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twind.estimation.joint_channels import USED
from twind.estimation.joint_kernels import NO_VERDICT
from twind.model.estimates import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.estimation.joints import JointBank

GATE = 9.0  # three sigmas
_LEAST = 0.05  # of R: a filter that follows its velocities this closely has hardly a residual left


def judge_velocities(
    joints: JointBank,
    layout: NDArray[np.int32],
    t_ns: NDArray[np.int64],
    offset: NDArray[np.int64],
    rates: NDArray[np.float64],
    of_positions: NDArray[np.uint8],
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """Say what became of the velocities of M messages with K values in all, which the joint bank has just used.

    Args:
        joints: That bank.
        layout: (M,) which layout each message has.
        t_ns: (M,) stamps in the daemon's clock [ns].
        offset: (M + 1,) where each message's values begin.
        rates: (K,) reported velocities [rad/s or m/s], NaN where there is none.
        of_positions: (K,) `Verdict` of each position: where that was not used, neither is the velocity.

    Returns:
        (K,) `Verdict`, `NO_VERDICT` where there is none or nobody listens; `GATED` is too far off, or of a channel that is on
        probation or disabled. (K,) normalised innovations squared, NaN where none was compared.
    """
    first, rows = joints.layouts
    sizes = np.diff(offset)
    message = np.repeat(np.arange(len(layout)), sizes)
    entry = np.arange(len(rates)) - offset[message]
    within = entry < (first[layout + 1] - first[layout])[message]
    joint = np.where(within, rows[np.where(within, first[layout][message] + entry, 0)], -1)
    speed, acceleration, variance, noise, at_ns = joints.velocities
    told = (of_positions != NO_VERDICT) & (joint >= 0) & ~np.isnan(rates)
    told &= noise[joint] > 0.0
    used = told & np.isin(of_positions, (Verdict.ACCEPTED, Verdict.RESET))
    finite = np.isfinite(rates)
    compared = used & finite & (joints.channels[joint] == USED)
    ahead_s = np.clip(t_ns[message] - at_ns[joint], -1_000_000_000, 1_000_000_000) * 1e-9
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        off = rates - speed[joint] - ahead_s * acceleration[joint]
        fits = off * off <= GATE * (variance[joint] + noise[joint])
        nis = off * off / np.maximum(noise[joint] - variance[joint], _LEAST * noise[joint])
    verdicts = np.where(told, of_positions, NO_VERDICT)
    verdicts = np.where(used, np.where(finite, Verdict.GATED, Verdict.NOT_FINITE), verdicts)
    verdicts = np.where(compared & fits, Verdict.ACCEPTED, verdicts)
    return verdicts.astype(np.uint8), np.where(compared, nis, np.nan)
