"""The pose bank: every measured body, one error-state filter each, one kernel call per batch of messages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from twind.estimation.chi_square import chi_square_quantile
from twind.estimation.pose_kernels import POSE_ROW, ingest_poses, predict_poses
from twind.model.estimates import Verdict
from twind.model.messages import Channel
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class PoseBank:
    """Filters of `n_bodies` bodies.

    Args:
        n_bodies: Rows of the bank.
        gate: Confidence of the chi-square gate over position and rotation together.
        coast_ns: How far beyond its newest sample a body is predicted before it is held [ns].
    """

    def __init__(self, n_bodies: int, *, gate: float = 0.999, coast_ns: int = 500_000_000) -> None:
        self.n_bodies = n_bodies
        # Position and rotation have a gate each, three degrees of freedom; an honest sample passes both with this confidence.
        self._gate = chi_square_quantile(math.sqrt(gate), 3)
        self._coast_ns = coast_ns
        self._rows = np.zeros(n_bodies, POSE_ROW)
        self._rows["t_ns"] = NO_STAMP
        # Kernels allocate nothing: 3 x 3 blocks, covariance, correction and gains of the sample at hand live here.
        self._work = (np.zeros((6, 3, 3)), np.zeros((6, 6)), np.zeros(6), np.zeros((2, 6)))
        self.configure(slice(None))

    def __repr__(self) -> str:
        """Show size and how many bodies have been seen."""
        return f"<PoseBank {int(np.count_nonzero(self._rows['t_ns'] != NO_STAMP))}/{self.n_bodies} bodies seen>"

    def configure(
        self,
        rows: int | slice | NDArray[np.int64],
        *,
        position_std: ArrayLike = 0.005,
        rotation_std: ArrayLike = 0.01,
        acceleration_noise: ArrayLike = 0.5,
        angular_acceleration_noise: ArrayLike = 1.0,
    ) -> None:
        """Set the noise of some bodies; scalars or one value per selected row. Their state is kept.

        Args:
            rows: Which bodies.
            position_std: One sigma of a measured position where the message states none [m].
            rotation_std: One sigma of a measured rotation where the message states none [rad].
            acceleration_noise: Square root of the acceleration's spectral density [m/s^2/sqrt(Hz)].
            angular_acceleration_noise: The same for rotation [rad/s^2/sqrt(Hz)].
        """
        rows = slice(rows, rows + 1) if isinstance(rows, int) else rows
        selected = self._rows[rows]
        selected["r_position"] = np.square(position_std)
        selected["r_rotation"] = np.square(rotation_std)
        selected["q_position"] = np.square(acceleration_noise)
        selected["q_rotation"] = np.square(angular_acceleration_noise)
        self._rows[rows] = selected

    def ingest(
        self,
        row: NDArray[np.int32],
        t_ns: NDArray[np.int64],
        sigma_t: NDArray[np.float64],
        skip: NDArray[np.uint8],
        position: NDArray[np.float64],
        orientation: NDArray[np.float64],
        position_var: NDArray[np.float64],
        rotation_var: NDArray[np.float64],
        verdict: NDArray[np.uint8],
        nis: NDArray[np.float64],
        channel: NDArray[np.uint8] | None = None,
    ) -> None:
        """Use M poses, in order of arrival.

        Args:
            row: (M,) which body each is about.
            t_ns: (M,) stamps in the daemon's clock [ns].
            sigma_t: (M,) one sigma of those stamps [s].
            skip: (M,) the clock's `Verdict`; a message that was not accepted keeps it.
            position: (M, 3) world positions [m].
            orientation: (M, 4) body-to-world quaternions (w, x, y, z), of any length and sign.
            position_var: (M, 3) variances [m^2]; NaN, zero or absurd: as configured.
            rotation_var: (M, 3) variances [rad^2], likewise.
            verdict: (M,) out: `Verdict`.
            nis: (M,) out: normalised innovation squared, 6 degrees of freedom; NaN where there was nothing to compare with.
            channel: (M,) `Channel` of each; all poses when absent. Anything else is `GATED`: not used yet.

        Raises:
            ValueError: The columns differ in length, or a row is not one of the bank's.
        """
        n = row.shape[0]
        if n == 0:
            return
        if {len(column) for column in (t_ns, sigma_t, skip, position, orientation, position_var, rotation_var)} != {n}:
            raise ValueError(f"not every column has {n} entries, one per pose")
        widths = [column.shape[1:] for column in (position, orientation, position_var, rotation_var)]
        if min(verdict.shape[0], nis.shape[0]) < n or widths != [(3,), (4,), (3,), (3,)]:
            raise ValueError(f"pose columns have 3, 4, 3 and 3 numbers a row, not {widths}")
        if row.min() < 0 or row.max() >= self.n_bodies:
            raise ValueError(f"a body is not a row of 0..{self.n_bodies - 1}")
        if channel is not None and channel.any():
            skip = np.where((channel == Channel.POSE) | (skip != Verdict.ACCEPTED), skip, Verdict.GATED).astype(np.uint8)
        ingest_poses(
            self._rows, row, t_ns, sigma_t, skip, position, orientation, position_var, rotation_var, self._gate,
            *self._work, verdict, nis,
        )  # fmt: skip

    def predict(
        self,
        target_ns: NDArray[np.int64],
        position: NDArray[np.float64],
        orientation: NDArray[np.float64],
        position_std: NDArray[np.float64],
        rotation_std: NDArray[np.float64],
    ) -> None:
        """Predict every body to its own instant; reads the state, never changes it, never fails.

        Beyond `coast_ns` after the newest sample the pose is held while the standard deviations grow on. A body never seen
        shows the identity with infinite standard deviations.

        Args:
            target_ns: (n_bodies,) instants [ns]; `NO_STAMP` means the body's own newest stamp.
            position: (n_bodies, 3) out [m].
            orientation: (n_bodies, 4) out (w, x, y, z), unit length.
            position_std: (n_bodies,) out: one sigma per axis, root mean square over the axes [m].
            rotation_std: (n_bodies,) out: likewise [rad].

        Raises:
            ValueError: A column has not one entry per body.
        """
        n = self.n_bodies
        shapes = [column.shape for column in (target_ns, position, orientation, position_std, rotation_std)]
        if shapes != [(n,), (n, 3), (n, 4), (n,), (n,)]:
            raise ValueError(f"every column needs {n} entries")
        predict_poses(self._rows, target_ns, self._coast_ns, position, orientation, position_std, rotation_std)

    @property
    def last_ns(self) -> NDArray[np.int64]:
        """(n_bodies,) stamp of the newest sample used [ns], `NO_STAMP` before the first. A view: copy what you keep."""
        return self._rows["t_ns"]

    @property
    def resets(self) -> NDArray[np.int64]:
        """(n_bodies,) how often each body was re-initialised after consistent rejections. A view: copy what you keep."""
        return self._rows["resets"]

    def warm_up(self) -> None:
        """Compile every kernel this bank uses, without touching its state."""
        bank = PoseBank(1)
        unit = np.array([[1.0, 0.0, 0.0, 0.0]])
        one, triple = np.ones(1, np.int64), np.zeros((1, 3))
        bank.ingest(
            np.zeros(1, np.int32), one, np.zeros(1), np.zeros(1, np.uint8), triple, unit, triple, triple,
            np.zeros(1, np.uint8), np.zeros(1),
        )  # fmt: skip
        bank.predict(one, triple, unit, np.zeros(1), np.zeros(1))
