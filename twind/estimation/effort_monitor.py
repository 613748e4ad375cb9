"""Whether the efforts that a joint reports can be believed: a monitor with hysteresis, on windows of 40 ms.

A channel is shown from its first sample, as nothing can prove it, and disabled when one of these holds for two seconds,
seconds of motion without a fault taken off:

- *absurd*: a number that is not finite, or beyond ten times the declared limit;
- *stuck*: the same number to its last bit through a second of motion;
- *against the motion*: over the last 20 s of motion (once there are 10), what remains of the effort when a constant, a pull in
  proportion to position (gravity, springs) and one in proportion to acceleration (inertia) are taken away goes against the
  direction of motion, while the part of inertia does not speak for it.

The last is passivity: friction takes power from the motor, gravity and inertia give back what they took. It is weak on
purpose: loads that are only ever lowered, hands that lead the arm and the motion of other joints all look a little like a wrong
sign. Without friction it says nothing, and no wrong scale is ever found except by the limit.

It comes back after 20 s of motion without a fault. Motion is that of the measured positions: no filter takes part.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from twind.estimation.compile import kernel

NONE, USED, DISABLED = 0, 1, 2
"""States of a channel: nothing was sent, shown, caught lying."""

WINDOW_NS = 40_000_000
GAP_NS = 500_000_000  # a silence after which windows say nothing of each other
BLAME_S = 2.0  # of faults, net, that disable
RETURN_S = 20.0  # of motion without a fault until it is shown again
STUCK_S = 1.0  # of motion
MEMORY_S = 20.0  # over which motion and effort are compared
ENOUGH_S = 10.0  # of motion before they are
AGAINST = -0.65  # partial correlation of effort and direction
FOR = 0.1  # ... of effort and acceleration, above which inertia speaks for the channel
RIDGE = 1e-3  # of correlations: keeps what is all but collinear, such as acceleration and position of a sine, from deciding

FEATURES = 4  # position, direction, acceleration, effort
_SIDE = FEATURES + 1

EFFORT = np.dtype(
    [
        # settings
        ("listens", "i8"), ("tau", "f8"), ("most", "f8"), ("moving", "f8"), ("modulus", "f8"),
        # the estimate
        ("t_ns", "i8"), ("value", "f8"), ("state", "i8"),
        # the monitor: seconds of faults, of none, and of motion through which the number was the same
        ("blame_s", "f8"), ("good_s", "f8"), ("same_z", "f8"), ("same_s", "f8"), ("last_q", "f8"), ("origin", "f8"),
        # the window being filled, and the means of the two before it
        ("begin_ns", "i8"), ("bad", "i8"), ("n", "f8"), ("sum_t", "f8"), ("sum_q", "f8"), ("sum_e", "f8"),
        ("before", "i8"), ("t1", "f8"), ("q1", "f8"), ("t2", "f8"), ("q2", "f8"), ("e2", "f8"),
        ("sums", "f8", (_SIDE, _SIDE)),  # over motion [s], of products of 1 and the features
    ],
    align=True,
)  # fmt: skip
"""What is set and kept for the effort of one joint. Times are ns, or seconds since the window before."""


@kernel
def start_windows(row: Any, t: int, q: float) -> None:
    """Begin anew after a silence; what was compared so far stays."""
    row.begin_ns, row.bad, row.n, row.before = t, 0, 0.0, 0
    row.sum_t = row.sum_q = row.sum_e = 0.0
    row.last_q = q


@kernel
def close_window(row: Any, t: int, scratch: Any) -> None:
    """Judge the window that ends at `t`, and switch the channel."""
    lasted = (t - row.begin_ns) * 1e-9
    fault, moves = row.bad > 0, False
    row.t1 -= lasted
    row.t2 -= lasted
    if row.n > 0.0:
        t3, q3, e3 = row.sum_t / row.n - lasted, row.sum_q / row.n, row.sum_e / row.n
        if row.before >= 2 and row.t1 < row.t2 < t3:
            v = (q3 - row.q1) / (t3 - row.t1)
            a = 2.0 * ((q3 - row.q2) / (t3 - row.t2) - (row.q2 - row.q1) / (row.t2 - row.t1)) / (t3 - row.t1)
            if abs(v) > row.moving:
                moves = True
                row.same_s += lasted
                _compare(row, row.q2 - row.origin, math.copysign(1.0, v), a, row.e2, lasted)
                fault = fault or row.same_s > STUCK_S or _against(row, scratch)
        row.t1, row.q1 = row.t2, row.q2
        row.t2, row.q2, row.e2 = t3, q3, e3
        row.before += 1
    row.begin_ns, row.bad, row.n = t, 0, 0.0
    row.sum_t = row.sum_q = row.sum_e = 0.0
    if fault:
        row.good_s = 0.0
        row.blame_s = min(row.blame_s + lasted, BLAME_S)
        if row.blame_s >= BLAME_S:
            row.state = DISABLED
    elif moves:
        row.blame_s = max(row.blame_s - lasted, 0.0)
        row.good_s += lasted
        if row.state == DISABLED and row.good_s >= RETURN_S:
            row.state, row.blame_s = USED, 0.0


@kernel
def _compare(row: Any, q: float, direction: float, a: float, effort: float, lasted: float) -> None:
    """Add one window of motion to the sums, and forget some of the older ones."""
    keep = math.exp(-lasted / MEMORY_S)
    for i in range(_SIDE):
        x = 1.0 if i == 0 else q if i == 1 else direction if i == 2 else a if i == 3 else effort
        for j in range(i, _SIDE):
            y = 1.0 if j == 0 else q if j == 1 else direction if j == 2 else a if j == 3 else effort
            row.sums[i, j] = keep * row.sums[i, j] + lasted * x * y


@kernel
def _against(row: Any, scratch: Any) -> bool:
    """Say whether effort and motion contradict each other: by partial correlations, from the inverse of the correlations."""
    sums, count = row.sums, row.sums[0, 0]
    if count < ENOUGH_S:
        return False
    for i in range(FEATURES):
        spread = sums[i + 1, i + 1] / count - (sums[0, i + 1] / count) ** 2
        if not spread > 1e-9 * sums[i + 1, i + 1] / count:  # all one way, or always the same effort
            return False
    for i in range(FEATURES):
        for j in range(i, FEATURES):
            mean_i, mean_j = sums[0, i + 1] / count, sums[0, j + 1] / count
            spread_i = sums[i + 1, i + 1] / count - mean_i * mean_i
            spread_j = sums[j + 1, j + 1] / count - mean_j * mean_j
            together = (sums[i + 1, j + 1] / count - mean_i * mean_j) / math.sqrt(spread_i * spread_j)
            scratch[i, j] = scratch[j, i] = 1.0 + RIDGE if i == j else together
    for k in range(FEATURES):  # Gauss and Jordan, in place; positive definite, so no pivoting
        pivot = 1.0 / scratch[k, k]
        scratch[k, k] = 1.0
        for j in range(FEATURES):
            scratch[k, j] *= pivot
        for i in range(FEATURES):
            if i != k:
                factor = scratch[i, k]
                scratch[i, k] = 0.0
                for j in range(FEATURES):
                    scratch[i, j] -= factor * scratch[k, j]
    of_direction = -scratch[1, 3] / math.sqrt(scratch[1, 1] * scratch[3, 3])
    of_inertia = -scratch[2, 3] / math.sqrt(scratch[2, 2] * scratch[3, 3])
    return bool(of_direction < AGAINST and of_inertia < FOR)
