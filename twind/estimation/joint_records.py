"""What the joint bank keeps per joint: settings, the state of its models, and the last samples with states to go back to.

The state (`TRACK`) is what rewinding restores: it is a function of the samples in order of their stamps, and of nothing else.
What depends on the order of arrival is in `JOINT_ROW`. Times are int64 ns; positions rad or m.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CACHE_LINE = 64  # bytes
_HUGE_PAGE = 1 << 21  # bytes
_HUGE = 1 << 22  # bytes of an array from which NumPy asks for huge pages

LANES = 8
"""Models per joint. Lane 0 smooths most, the last follows fastest; a vector register holds all of one quantity."""

LANE_STEP = 10.0
"""Ratio of the jerk densities [of variance] of neighbouring lanes: eight of them span seven decades."""

STEPS = LANE_STEP ** np.arange(1.0 - LANES, 1.0)
"""Density of each lane's jerk as a share of the last lane's, where models adapt."""

BLOCK = 32
"""Samples between two states that rewinding can go back to."""

LARGEST = 1e9  # rad or m; beyond it a number is no measurement
FARTHEST_NS = 2**62  # stamps beyond it could overflow a difference
RESTART_NS = 5_000_000_000  # a silence after which the old motion says nothing

P, V, A, PP, PV, PA, VV, VA, AA = (LANES * i for i in range(9))
"""Where each quantity of the lanes begins in `TRACK["x"]`: position, velocity, acceleration and their covariances. One flat
field, because only then does the compiler see that lanes do not overlap, and uses vector instructions."""

SCORE, THEN_P, THEN_V, THEN_A = (LANES * i for i in range(4))
"""Where each begins in `LEDGER["x"]`: squared error of a lane's predictions, and what it predicts from."""

SETTINGS = np.dtype(
    [
        ("alpha", "f8"),  # 1 / tau; 0: constant acceleration; inf: constant velocity
        ("r", "f8"),  # variance of a measured position
        ("stamp_var", "f8"),  # variance of device stamps [s^2]
        ("least_stamp_var", "f8"), ("most_stamp_var", "f8"),  # what it may be learnt to be
        ("gate_stamp_var", "f8"),  # how bad stamps may always be before their samples are refused [s^2]
        ("velocity_var", "f8"),  # variance of a measured velocity; 0 where the channel is not to be used
        ("modulus", "f8"),  # what one turn measures where positions wrap, 0 for others
        ("prior_vv", "f8"), ("prior_aa", "f8"),  # what is believed of a joint that was never seen
        ("shown_speed", "f8"),  # the most that is shown: what its asset declares, and some more
        ("top_speed", "f8"), ("top_acceleration", "f8"),  # beyond what any joint does
        ("first_lane", "i8"),  # the model shown before any has proved itself
        ("q_same", "f8"), ("q_top", "f8"),  # spectral density of the lanes' jerk: `density`
    ],
    align=True,
)  # fmt: skip
"""What is set for a joint. Most joints share one of a few kinds, so the kernels find these in the processor's nearest cache."""

ARRIVAL = np.dtype(
    [
        ("samples", "i8"),  # received since the epoch began
        ("newest_ns", "i8"), ("newest_z", "f8"),  # the last of them, by stamp
        ("same_ns", "i8"),  # since when the very same number is repeated: joint_frozen
        ("behind_since", "i8"), ("behind_ns", "i8"),  # stamps of the first and last of the samples that are older than the lag
        ("resets", "i8"),
        ("kind", "u4"),  # which settings are its own
        ("behind", "i2"),  # how many samples in a row are older than the lag but follow each other
        ("abrupt", "u1"), ("frozen", "u1"),  # joint_frozen
    ],
    align=True,
)  # fmt: skip
"""What depends on the order of arrival: one cache line."""

TRACK = np.dtype(
    [
        ("x", "f8", (9 * LANES,)),  # the lanes: see P, V, ... above
        ("t_ns", "i8"),  # stamp of the newest sample used; NO_STAMP before the first
        ("then_ns", "i8"),  # stamp of what the lanes' predictions are judged from: joint_choice
        ("residual", "f8"), ("wobble", "f8"),
        # whether it stands still; see joint_rest
        ("last_z", "f8"), ("fast", "f8"), ("slow", "f8"), ("noise", "f8"), ("calm_ns", "i8"),
        # the jitter of its stamps, and how much of it the gate grants; see joint_stamps
        ("before", "f8"), ("before_z", "f8"), ("stamp_var", "f8"), ("stamp_seen", "f4"), ("granted", "f4"),
        ("resets", "i8"),
        ("judged", "i4"),  # how often the lanes' predictions were
        ("best", "u2"), ("shown", "u2"),  # lanes
        ("rivals", "i4"),  # how many rejected samples agree with each other; joint_track
        ("still", "i4"),  # 0 while it moves; joint_rest
    ],
    align=True,
)  # fmt: skip
"""The state that every sample changes: eleven cache lines, as how many there are is what a sample costs in a large bank."""

LEDGER = np.dtype(
    [
        ("x", "f8", (4 * LANES,)),  # of the lanes: see SCORE, THEN_P, ... above
        ("then_z", "f8"),  # see joint_choice
        # the velocity channel; see joint_channels
        ("channel", "i4"),
        ("dithers", "i4"),  # what tells a frozen source; see joint_frozen
        ("travel", "f8"), ("travel_s", "f8"), ("way", "f8"), ("way_s", "f8"),
        ("first_rate", "f8"), ("last_rate", "f8"),  # up to here what most judgements need
        ("trust", "f8"), ("rate_var", "f8"),
        # recovery; see joint_track
        ("rival_t", "i8"), ("rival_p", "f8"), ("rival_v", "f8"),  # newest of the rejected samples that agree with each other
        ("reset_delta", "f8"),
        ("braking", "f8"), ("hardest", "f8"),  # see joint_frozen
    ],
    align=True,
)  # fmt: skip
"""The state that only some samples change."""

TASK = np.dtype(
    [
        ("index", "u4"), ("entry", "u4"),  # which joint, and which value of the batch; unsigned, as no index is negative
        ("z", "f8"), ("rate", "f8"), ("T", "f8"), ("p", "f8"), ("known", "f8"),
        ("padding", "f8", (2,)),  # to whole cache lines
        ("x", "f8", (9 * LANES,)),  # the lanes as they are predicted: see P, V, ... above
    ],
    align=True,
)  # fmt: skip
"""One sample on its way through the stages of a kernel."""

PACE = np.dtype(
    [
        ("T", "f8"), ("alpha", "f8"), ("model", "f8", (9,)),
        ("fast", "f8"), ("slow", "f8"), ("wobble", "f8"), ("stamps", "f8"),  # weights of a sample in means over time
        ("before", "f8"), ("weight", "f8"), ("noise", "f8"), ("bow", "f8"),  # of a chord over two steps: joint_stamps
        ("then_T", "f8"), ("then_alpha", "f8"), ("then_f1", "f8"),
    ],
    align=True,
)  # fmt: skip
"""What depends on the time between samples alone: `joint_pace`."""

SHOWN = np.dtype(
    [
        ("t_ns", "i8"),  # as in TRACK
        ("p", "f8"), ("v", "f8"), ("a", "f8"),
        ("pp", "f8"), ("pv", "f8"), ("pa", "f8"), ("vv", "f8"), ("va", "f8"), ("aa", "f8"),
        ("q", "f8"), ("alpha", "f8"), ("rest", "f8"),  # position reported before the first sample
        ("padding", "f8", (3,)),  # to whole cache lines
    ],
    align=True,
)  # fmt: skip
"""The state that is shown, of the chosen lane or at rest, packed for prediction."""

SAMPLE = np.dtype([("t_ns", "i8"), ("z", "f8"), ("rate", "f8"), ("sigma", "f8")])
"""One received sample, as it is replayed: position, velocity (NaN where there is none), sigma of its stamp [s]."""


def aligned(shape: tuple[int, ...], dtype: np.dtype[np.void]) -> NDArray[np.void]:
    """Allocate zeroed records that begin on a cache line, so that vectors do not straddle two.

    Many of them begin on a huge page, and are as large as NumPy wants before it asks the system for such pages: with small
    ones a processor looks up more pages than it remembers, one for almost every row that a batch names.
    """
    size = math.prod(shape) * dtype.itemsize
    border, room = (_HUGE_PAGE, max(size, _HUGE)) if size >= _HUGE_PAGE // 2 else (_CACHE_LINE, size)
    memory = np.zeros(room + border, np.uint8)
    begin = -memory.ctypes.data % border
    return memory[begin : begin + size].view(dtype).reshape(shape)
