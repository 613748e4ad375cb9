"""What the pose bank keeps per body: settings, state, and the samples of the last moments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NO_STREAM = -1
"""The tag of a sample whose stream is not known any more."""
_TAGS = ("tag", "doubt_tag", "overruled_tag")
"""Fields that hold what the caller knows a sample by: the row of its stream."""

LEVELS = 6
"""Process noises that compete for each of position and rotation."""

SETTINGS_ROW = np.dtype(
    [
        ("r_position", "f8"), ("r_rotation", "f8"),  # variances where the message states none
        ("r_velocity", "f8"), ("r_rate", "f8"), ("r_gyro", "f8"),
        ("q_position", "f8"), ("q_rotation", "f8"),  # spectral densities of the accelerations, as configured
        ("head", "i8"), ("count", "i8"),  # of the ring of samples
        ("floor_ns", "i8"),  # stamp of the newest sample that the ring has let go
        ("behind", "i8"), ("behind_first_ns", "i8"), ("behind_last_ns", "i8"),  # ascending samples from before the lag
        ("resets", "i8"), ("epoch", "i8"),
        ("inertial", "i8"),  # whether its IMU drives it: fifteen states instead of twelve
    ],
    align=True,
)  # fmt: skip

CONFIGURED = (
    *("r_position", "r_rotation", "r_velocity", "r_rate", "r_gyro"),
    *("q_position", "q_rotation", "inertial"),
)
"""Fields of it that are set; the others are found."""

STATE_ROW = np.dtype(
    [
        ("t_ns", "i8"),  # stamp of the newest sample used; NO_STAMP before the first
        ("posed", "i8"),  # whether a pose was ever used; before, only the attitude may be known
        ("p", "f8", (3,)), ("v", "f8", (3,)), ("q", "f8", (4,)), ("w", "f8", (3,)),
        ("pp", "f8", (3,)), ("pv", "f8", (3,)), ("vv", "f8", (3,)),  # covariance per world axis
        ("P", "f8", (6, 6)),  # covariance of (theta, w), body frame
        ("q_position", "f8"), ("q_rotation", "f8"),  # spectral densities in use
        # One vote per process noise, for position and for rotation: log likelihood, path and covariance of a small filter.
        ("pose_ns", "i8"), ("interval", "f8"),  # stamp of the newest pose used, usual time between two [s]
        ("vote_p", "f8", (3,)), ("vote_q", "f8", (4,)),
        ("likelihood", "f4", (2, LEVELS)), ("offset", "f4", (2, LEVELS, 3)),
        ("rate", "f4", (2, LEVELS, 3)), ("spread", "f4", (2, LEVELS, 3)),
        # Third differences of neighbouring poses, for position and for rotation; see `measurement_noise`.
        ("noise_factor", "f8", (2,)),  # variance measured over variance stated
        ("noise_square", "f8", (2,)), ("noise_product", "f8", (2,)), ("noise_kappa", "f8"), ("noise_seen", "f8"),
        ("alternates", "f8"),  # share of third differences of positions that point away from the one before
        ("span", "i4"), ("span_paired", "i4"), ("span_T", "f8", (2,)), ("span_weight", "f4", (4,)), ("span_r", "f4", (2, 3)),
        ("span_ns", "i8"), ("span_p", "f8", (3,)), ("span_q", "f8", (4,)),
        ("span_step", "f4", (2, 2, 3)), ("span_e", "f4", (2, 3)),
        ("rival_t", "i8"), ("rival_p", "f8", (3,)), ("rival_q", "f8", (4,)),  # newest of the rejected that agree
        ("rival_v", "f8", (3,)), ("rival_w", "f8", (3,)),
        ("rivals", "i8"), ("refused", "i8"),  # how many of them; how many poses were refused in a row
        # A pose after a silence is doubted until the next agrees: where the body was before it, and how far it went from there.
        ("doubted", "i8"), ("doubt_ns", "i8"), ("doubt_miss", "f8"), ("doubt_tag", "i8"),
        ("doubt_var", "f8"),  # what the chance that it is wrong adds to the variance of the position shown
        ("overruled", "i8"), ("overruled_tag", "i8"),  # how many doubted poses the next one showed to be wrong, the newest
        ("doubt_p", "f8", (3,)), ("doubt_v", "f8", (3,)), ("doubt_w", "f8", (3,)),
        ("twist_doubt", "f8"), ("twist_off", "i8"),  # share of velocities that contradict the poses; whether they are left out
        # Whether its poses repeat themselves; see `pose_frozen`.
        ("same_ns", "i8"), ("last_p", "f8", (3,)), ("last_q", "f8", (4,)),  # newest pose that differs from the one before
        ("step", "f8", (2, 2, 3)), ("step_s", "f8", (2,)), ("least_step", "f8"),
        ("varied", "i4"), ("repeats", "i4"), ("abrupt", "i4"), ("frozen", "i4"), ("stands", "i4"), ("agreed", "i4"),
        ("braking", "f8"), ("hardest", "f8"), ("witness_ns", "i8"), ("witness", "f8", (2, 3)),
        # Attitude from the IMU alone; see `imu_attitude`.
        ("gyro_q", "f8", (4,)), ("tilt_q", "f8", (4,)), ("bias", "f8", (3,)), ("heading_var", "f8"),
        ("acc_in", "f8", (3,)), ("acc_low", "f8", (3,)), ("acc_slope", "f8", (3,)),
        ("averaged", "i8"), ("averaged_s", "f8"),
        ("still_gyro", "f8", (3,)), ("still_acc", "f8", (3,)), ("still_s", "f8"),
        ("resets", "i8"), ("delta_p", "f8", (3,)), ("delta_q", "f8", (4,)),  # what the newest reset changed
    ],
    align=True,
)  # fmt: skip

SAMPLE_ROW = np.dtype(
    [
        ("t_ns", "i8"), ("channel", "i8"), ("tag", "i8"), ("sigma_t", "f8"),
        ("linear", "f8", (3,)), ("angular", "f8", (4,)),
        ("linear_var", "f8", (3,)), ("angular_var", "f8", (3,)),
    ],
    align=True,
)  # fmt: skip


def renumber_streams(array: NDArray[Any], rows: Any, now: NDArray[np.int64]) -> None:
    """Put other numbers in the place of the tags in some rows of an array of the bank.

    Args:
        array: One that the bank keeps; counted by body along its first axis.
        rows: Of it.
        now: (N,) what each tag is now, `NO_STREAM` for one that means nothing here.
    """
    for name in _TAGS:
        if array.dtype.names is not None and name in array.dtype.names:
            tags = array[name][rows]
            known = (tags >= 0) & (tags < len(now))
            array[name][rows] = np.where(known, np.append(now, NO_STREAM)[np.where(known, tags, -1)], NO_STREAM)
