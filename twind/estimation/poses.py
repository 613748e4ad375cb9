"""The pose bank: every measured body, one error-state filter each, one kernel call per batch of messages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from twind.estimation.chi_square import chi_square_quantile
from twind.estimation.inertial_kernels import INERTIAL_ROW
from twind.estimation.kept import Kept
from twind.estimation.measurement_noise import applied
from twind.estimation.pose_layout import CONFIGURED, SAMPLE_ROW, SETTINGS_ROW, STATE_ROW
from twind.estimation.pose_prediction import predict_poses
from twind.estimation.pose_ring import STRIDE, ingest_samples
from twind.model.messages import Channel
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


_NO_TAGS = np.empty(0, np.int32)


class PoseBank:
    """Filters of `n_bodies` bodies.

    Args:
        n_bodies: Rows of the bank.
        gate: Confidence of the chi-square gate over position and rotation together.
        coast_ns: How far beyond its newest sample a body is predicted before it is held [ns].
        lag_ns: How much older than the newest sample of its body a sample may be and still count [ns].
        depth: Samples remembered per body at least, so that late ones can be replayed: lag times rate, over all its channels.
    """

    def __init__(
        self,
        n_bodies: int,
        *,
        gate: float = 0.999,
        coast_ns: int = 500_000_000,
        lag_ns: int = 200_000_000,
        depth: int = 48,
    ) -> None:
        self.n_bodies = n_bodies
        # Position and rotation have a gate each, three degrees of freedom; an honest sample passes both with this confidence.
        self._gate = chi_square_quantile(math.sqrt(gate), 3)
        self._coast_ns = coast_ns
        self._lag_ns = lag_ns
        self._settings = np.zeros(n_bodies, SETTINGS_ROW)
        self._settings["floor_ns"] = NO_STAMP
        self._states = np.zeros(n_bodies, STATE_ROW)
        self._states["t_ns"] = NO_STAMP
        self._states["q"][:, 0] = self._states["delta_q"][:, 0] = 1.0
        self._states["varied"] = -1  # no pose yet
        # Untouched until a body's first samples, so bodies that send no poses cost address space but no memory.
        kept = -(-depth // STRIDE) + 1  # strides, such that `depth` samples stay when one is let go
        self._samples = np.zeros((n_bodies, kept * STRIDE), SAMPLE_ROW)
        self._snapshots = np.zeros((n_bodies, kept), STATE_ROW)
        self._driven = np.zeros(n_bodies, INERTIAL_ROW)
        self._driven["imu_ns"] = NO_STAMP
        self._driven_snapshots = np.zeros((n_bodies, kept), INERTIAL_ROW)
        # Kernels allocate nothing: 3 x 3 blocks, covariance, correction and gains of the sample at hand live here.
        self._work = (
            *(np.zeros((6, 3, 3)), np.zeros((6, 6)), np.zeros(6), np.zeros(6)),
            *(np.zeros((15, 15)), np.zeros(15), np.zeros((2, 15))),
        )
        self.configure(slice(None))

    def __repr__(self) -> str:
        """Show size and how many bodies have been seen."""
        return f"<PoseBank {int(np.count_nonzero(self._states['t_ns'] != NO_STAMP))}/{self.n_bodies} bodies seen>"

    def configure(
        self,
        rows: int | slice | NDArray[np.int64],
        *,
        position_std: ArrayLike = 0.005,
        rotation_std: ArrayLike = 0.01,
        acceleration_noise: ArrayLike = 0.8,
        angular_acceleration_noise: ArrayLike = 1.0,
        velocity_std: ArrayLike = 0.05,
        rate_std: ArrayLike = 0.05,
        gyro_std: ArrayLike = 0.03,
        inertial: ArrayLike = False,
    ) -> None:
        """Set the noise of some bodies; scalars or one value per selected row. Their state is kept.

        Args:
            rows: Which bodies.
            position_std: One sigma of a measured position where the message states none [m]. Where learning begins: what the
                poses show is used once it is far from it, 1/8 to 32 times.
            rotation_std: The same of a measured rotation [rad].
            acceleration_noise: Square root of the acceleration's spectral density [m/s^2/sqrt(Hz)]. The centre of the
                candidates that adaptation chooses from: 1/16 to 64 times it.
            angular_acceleration_noise: The same for rotation [rad/s^2/sqrt(Hz)].
            velocity_std: One sigma of a measured velocity where the message states none [m/s].
            rate_std: One sigma of the angular velocity of a twist, likewise [rad/s].
            gyro_std: One sigma of the angular rate of an IMU, bias included, likewise [rad/s].
            inertial: Whether the IMU drives the body: fifteen states with the biases of its sensors, instead of twelve. To be
                set before the first sample.
        """
        rows = slice(rows, rows + 1) if isinstance(rows, int) else rows
        selected = self._settings[rows]
        selected["r_position"] = np.square(position_std)
        selected["r_rotation"] = np.square(rotation_std)
        selected["q_position"] = np.square(acceleration_noise)
        selected["q_rotation"] = np.square(angular_acceleration_noise)
        selected["r_velocity"] = np.square(velocity_std)
        selected["r_rate"] = np.square(rate_std)
        selected["r_gyro"] = np.square(gyro_std)
        selected["inertial"] = inertial
        self._settings[rows] = selected

    def ingest(
        self,
        row: NDArray[np.int32],
        t_ns: NDArray[np.int64],
        sigma_t: NDArray[np.float64],
        skip: NDArray[np.uint8],
        linear: NDArray[np.float64],
        angular: NDArray[np.float64],
        linear_var: NDArray[np.float64],
        angular_var: NDArray[np.float64],
        verdict: NDArray[np.uint8],
        nis: NDArray[np.float64],
        channel: NDArray[np.uint8] | None = None,
        tag: NDArray[np.int32] | None = None,
    ) -> NDArray[np.int32]:
        """Use M samples, in order of arrival, which need not be the order of their stamps.

        What the columns hold depends on the channel of the sample:

        | channel | linear | angular | linear_var | angular_var |
        |---|---|---|---|---|
        | `POSE` | position in the world [m] | body-to-world quaternion (w, x, y, z), any length and sign | m^2 | rad^2 |
        | `TWIST_BODY`, `TWIST_WORLD` | velocity [m/s] | angular velocity [rad/s] and an unused number | m^2/s^2 | rad^2/s^2 |
        | `IMU` | specific force [m/s^2] | angular rate [rad/s] and an unused number | unused | rad^2/s^2 |

        Variances are along the axes of what they belong to, those of a rotation along the body's. One that is NaN, zero or
        absurd is replaced by the configured one.

        Args:
            row: (M,) which body each is about.
            t_ns: (M,) stamps in the daemon's clock [ns].
            sigma_t: (M,) one sigma of those stamps [s].
            skip: (M,) the clock's `Verdict`; a message that was not accepted keeps it.
            linear: (M, 3).
            angular: (M, 4).
            linear_var: (M, 3).
            angular_var: (M, 3).
            verdict: (M,) out: `Verdict`. A velocity without a pose before it is `GATED`.
            nis: (M,) out: normalised innovation squared, 6 degrees of freedom (3 for an IMU); NaN where there was nothing to
                compare with.
            channel: (M,) `Channel` of each; all poses when absent.
            tag: (M,) what the caller knows each by, such as the stream it came on, not negative; 0 when absent.

        Returns:
            (M,) tag of the earlier pose, used after a silence, that each sample showed to be wrong; -1 where there is none.
            That pose was `ACCEPTED`; now it counts as `GATED`.

        Raises:
            ValueError: The columns differ in length, or a row is not one of the bank's.
        """
        n = row.shape[0]
        if n == 0:
            return _NO_TAGS
        tag = np.zeros(n, np.int32) if tag is None else tag
        overruled = np.empty(n, np.int32)
        channel = np.full(n, Channel.POSE, np.uint8) if channel is None else channel
        if {len(column) for column in (t_ns, sigma_t, skip, linear, angular, linear_var, angular_var, channel, tag)} != {n}:
            raise ValueError(f"not every column has {n} entries, one per sample")
        widths = [column.shape[1:] for column in (linear, angular, linear_var, angular_var)]
        if min(verdict.shape[0], nis.shape[0]) < n or widths != [(3,), (4,), (3,), (3,)]:
            raise ValueError(f"sample columns have 3, 4, 3 and 3 numbers a row, not {widths}")
        if row.min() < 0 or row.max() >= self.n_bodies:
            raise ValueError(f"a body is not a row of 0..{self.n_bodies - 1}")
        ingest_samples(
            self._settings, self._states, self._samples, self._snapshots, self._driven, self._driven_snapshots, self._lag_ns,
            row, channel, tag, t_ns, sigma_t, skip, linear, angular, linear_var, angular_var, self._gate, *self._work,
            verdict, nis, overruled,
        )  # fmt: skip
        return overruled

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
        predict_poses(self._states, target_ns, self._coast_ns, position, orientation, position_std, rotation_std)

    @property
    def kept(self) -> dict[str, Kept]:
        """What survives a restart, a row for each body."""
        return {
            "settings": Kept(self._settings, settings=CONFIGURED),
            "states": Kept(self._states),
            "samples": Kept(self._samples),
            "snapshots": Kept(self._snapshots),
            "driven": Kept(self._driven),
            "driven_snapshots": Kept(self._driven_snapshots),
        }

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(n_bodies,) whether anything was ever received."""
        seen: NDArray[np.bool_] = (self._settings["count"] > 0) | (self._states["t_ns"] != NO_STAMP)
        return seen

    @property
    def last_ns(self) -> NDArray[np.int64]:
        """(n_bodies,) stamp of the newest sample used [ns], `NO_STAMP` before the first. A view: copy what you keep."""
        return self._states["t_ns"]

    @property
    def live_ns(self) -> NDArray[np.int64]:
        """(n_bodies,) stamp of the newest sample that tells where each body is [ns]: a pose, once there was one.

        Velocities and inertial readings carry a body on from its last pose, but the error of that grows without bound. Where
        the source of the poses is frozen, when it froze.
        """
        states = self._states
        posed_ns = np.minimum(np.where(states["frozen"] == 1, states["same_ns"], states["pose_ns"]), states["t_ns"])
        return np.where(states["posed"] == 1, posed_ns, states["t_ns"])

    @property
    def frozen(self) -> NDArray[np.int32]:
        """(n_bodies,) 1 where the poses repeat themselves although the body moves. A view: copy what you keep."""
        return self._states["frozen"]

    @property
    def twist_off(self) -> NDArray[np.int64]:
        """(n_bodies,) 1 where reported velocities contradict the poses and are left out. A view: copy what you keep."""
        return self._states["twist_off"]

    @property
    def posed(self) -> NDArray[np.int64]:
        """(n_bodies,) 1 where a pose was used, 0 where at most the attitude is known. A view: copy what you keep."""
        return self._states["posed"]

    @property
    def resets(self) -> NDArray[np.int64]:
        """(n_bodies,) how often each body was re-initialised against its state. A view: copy what you keep."""
        return self._settings["resets"]

    @property
    def reset_delta(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n_bodies, 3) shift [m] and (n_bodies, 4) turn, in the body frame before it, of the newest reset. Views."""
        return self._states["delta_p"], self._states["delta_q"]

    @property
    def epochs(self) -> NDArray[np.int64]:
        """(n_bodies,) how often the time of each body was set back. A view: copy what you keep."""
        return self._settings["epoch"]

    @property
    def imu_biases(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n_bodies, 3) bias of the gyroscope [rad/s] and of the accelerometer [m/s^2] of inertial bodies. Views."""
        return self._driven["gyro_bias"], self._driven["acc_bias"]

    @property
    def process_noise(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n_bodies,) spectral densities in use: of acceleration [m^2/s^3] and angular acceleration [rad^2/s^3]. Views."""
        return self._states["q_position"], self._states["q_rotation"]

    @property
    def measurement_noise(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """(n_bodies,) measured over stated (or configured) standard deviation of position and of rotation; 1 where unknown.

        Used as it is on what is configured, and on what messages state where it is far off; see `measurement_noise.py`.
        """
        factor = np.where(self._states["noise_factor"] > 0.0, self._states["noise_factor"], 1.0)
        return np.sqrt(factor[:, 0]), np.sqrt(factor[:, 1])

    def noise_scale(self, body: int) -> tuple[tuple[float, float], tuple[float, float]]:
        """Return what the variances of a body's poses are multiplied with: of position and rotation, configured and stated."""
        first, second = (float(factor) or 1.0 for factor in self._states["noise_factor"][body])
        return (applied(first, False), applied(first, True)), (applied(second, False), applied(second, True))

    def speed_square(self, body: int) -> tuple[float, float]:
        """Return the mean square, over the axes, of a body's velocity [m^2/s^2] and rate [rad^2/s^2], uncertainty included."""
        state = self._states[body]
        linear = np.square(state["v"]).mean() + state["vv"].mean()
        return float(linear), float(np.square(state["w"]).mean() + np.diagonal(state["P"])[3:].mean())

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
