"""The joint bank: every joint of every robot, a few models each, one kernel call per batch of messages."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from twind.estimation.chi_square import chi_square_quantile
from twind.estimation.joint_channels import WORSE
from twind.estimation.joint_kernels import ingest_joints, predict_joints
from twind.estimation.joint_records import (
    ARRIVAL,
    BLOCK,
    LANES,
    LEDGER,
    PACE,
    SAMPLE,
    SETTINGS,
    SHOWN,
    STEPS,
    TASK,
    TRACK,
    aligned,
)
from twind.estimation.joint_stamps import LEAST, MOST
from twind.estimation.kept import Kept
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

_PRIOR_SPEED = 10.0  # rad/s or m/s, one sigma, where the asset declares no velocity limit
_PRIOR_ACCELERATION = 300.0  # rad/s^2 or m/s^2, one sigma
_TOP_SPEED = 100.0  # rad/s or m/s that no joint exceeds, unless its declared limit is more than half of it
_OVERSPEED = 1.25  # times its declared limit that a joint may be shown to move
_TOP_ACCELERATION = 2000.0  # rad/s^2 or m/s^2 that mutually consistent samples may show
_SLOW = 5.0  # rad/s or m/s: a declared velocity limit below it suggests a smoother model at first
_FIRST_LANE, _FIRST_SLOW_LANE = LANES - 3, LANES - 5
_SIDE_BY_SIDE = 16  # joints of a message that a kernel works on at a time
_BAD_STAMPS = 10.0  # times their sigma that stamps may always be off before samples are refused, where models adapt


Model = Literal["singer", "ca", "cv"]
"""Singer, constant acceleration, constant velocity."""

_NO_RATES = np.zeros(0)


class JointBank:
    """Filters of `n_joints` joints.

    Args:
        n_joints: Rows of the bank, numbered as the topology numbers joints.
        gate: Confidence of the chi-square gate.
        coast_ns: How far beyond its newest sample a joint is predicted before it is held [ns].
        lag_ns: How late a sample may be and still count [ns].
        history: Samples kept per joint to put late ones in order, a power of two; a lag is served up to `history - 32` samples.
    """

    def __init__(
        self,
        n_joints: int,
        *,
        gate: float = 0.999,
        coast_ns: int = 500_000_000,
        lag_ns: int = 200_000_000,
        history: int = 256,
    ) -> None:
        if history < 2 * BLOCK or history & (history - 1):
            raise ValueError(f"history must be a power of two from {2 * BLOCK}, not {history}")
        self.n_joints = n_joints
        self._gate = chi_square_quantile(gate, 1)
        self._coast_ns = coast_ns
        self._lag_ns = lag_ns
        self._rows = np.zeros(n_joints, SETTINGS)
        self._kinds = aligned((1,), SETTINGS)
        self._sorted = False
        self._arrivals = aligned((n_joints,), ARRIVAL)
        self._tracks = aligned((n_joints,), TRACK)
        self._tracks["t_ns"] = NO_STAMP
        self._shown = aligned((n_joints,), SHOWN)
        self._shown["t_ns"] = NO_STAMP
        self._ledgers = aligned((n_joints,), LEDGER)
        self._ledgers["last_rate"] = math.nan
        self._rings = np.zeros((history, n_joints), SAMPLE)
        self._bases = aligned((history // BLOCK, n_joints), TRACK)
        self._ledger_bases = aligned((history // BLOCK, n_joints), LEDGER)
        self._tasks = aligned((_SIDE_BY_SIDE + 1,), TASK)  # one is for samples that come late
        self._paces = aligned((1,), PACE)
        self._paces["alpha"] = self._paces["then_alpha"] = math.nan  # of nothing yet
        self._layout_start = np.zeros(1, np.int64)
        self._layout_rows = np.zeros(0, np.int64)
        self.configure(slice(None))

    def __repr__(self) -> str:
        """Show size and how many joints have been seen."""
        seen = int(np.count_nonzero(self._tracks["t_ns"] != NO_STAMP))
        return f"<JointBank {seen}/{self.n_joints} joints seen, {self._layout_start.size - 1} layouts>"

    def configure(
        self,
        rows: int | slice | NDArray[np.int64],
        *,
        position_std: ArrayLike = 1e-3,
        jerk_noise: ArrayLike = 1000.0,
        adapt: ArrayLike = True,
        model: Model = "singer",
        tau_s: ArrayLike = 0.5,
        stamp_std_s: ArrayLike = 1e-4,
        modulus: ArrayLike = 0.0,
        velocity_limit: ArrayLike = math.inf,
        velocity_std: ArrayLike = math.nan,
        rest: ArrayLike = 0.0,
    ) -> None:
        """Set the noise and kind of some joints; scalars or one value per selected row. Their state is kept.

        Args:
            rows: Which joints.
            position_std: One sigma of a measured position [rad or m].
            jerk_noise: Square root of the jerk's spectral density [rad/s^3/sqrt(Hz) or m/...]; of the acceleration's, for `cv`.
            adapt: Whether `jerk_noise` is the most that is expected, and seven smoother models, down to 1/3000 of it, may take
                over while they predict better; otherwise it is the one model.
            model: How motion goes on between samples.
            tau_s: How long an acceleration lasts [s]; infinite for constant acceleration.
            stamp_std_s: One sigma of the jitter of device stamps [s]; where models adapt, 0.1 to 30 times that is learnt.
            modulus: What one turn measures where positions wrap (2 pi for a continuous joint) [rad]; 0 where they do not.
            velocity_limit: What the asset declares [rad/s or m/s]; infinite when nothing.
            velocity_std: One sigma of a reported velocity [rad/s or m/s]; NaN where reported velocities are not to be used.
            rest: Position reported before the first sample [rad or m].
        """
        rows = slice(rows, rows + 1) if isinstance(rows, int) else rows
        selected = self._rows[rows]
        selected["r"] = np.square(position_std)
        adaptive = np.broadcast_to(np.asarray(adapt, np.bool_), selected.shape)
        selected["q_same"] = np.where(adaptive, 0.0, np.square(jerk_noise))
        limit = np.asarray(velocity_limit, np.float64)
        declared = np.isfinite(limit) & (limit > 0.0)
        slow = declared & (limit < _SLOW)
        selected["q_top"] = np.where(adaptive, np.square(jerk_noise), 0.0)
        selected["alpha"] = {"singer": 1.0 / np.asarray(tau_s, np.float64), "ca": 0.0, "cv": math.inf}[model]
        selected["stamp_var"] = np.square(stamp_std_s)
        selected["least_stamp_var"] = selected["stamp_var"] * np.where(adaptive, LEAST, 1.0)
        selected["most_stamp_var"] = selected["stamp_var"] * np.where(adaptive, MOST, 1.0)
        selected["gate_stamp_var"] = np.square(stamp_std_s) * np.where(adaptive, _BAD_STAMPS**2, 1.0)
        selected["velocity_var"] = np.nan_to_num(np.square(velocity_std))
        selected["modulus"] = modulus
        selected["prior_vv"] = np.square(np.where(declared, limit, _PRIOR_SPEED))
        selected["prior_aa"] = 0.0 if model == "cv" else _PRIOR_ACCELERATION**2
        selected["first_lane"] = np.where(slow, _FIRST_SLOW_LANE, _FIRST_LANE)
        selected["shown_speed"] = np.where(declared, _OVERSPEED * limit, _TOP_SPEED)
        selected["top_speed"] = np.maximum(np.where(declared, 2.0 * limit, 0.0), _TOP_SPEED)
        selected["top_acceleration"] = _TOP_ACCELERATION
        self._shown["rest"][rows] = rest
        self._shown["alpha"][rows] = selected["alpha"]
        self._rows[rows] = selected
        self._sorted = False

    def _sort_kinds(self) -> None:
        """Give every joint the number of its settings among those that differ."""
        found, first, kind = np.unique(self._rows.view(f"V{SETTINGS.itemsize}"), return_index=True, return_inverse=True)
        self._kinds = aligned((len(found),), SETTINGS)
        self._kinds[:] = self._rows[first]
        self._arrivals["kind"] = kind.reshape(-1)
        self._sorted = True

    def add_layout(self, indices: Sequence[int]) -> int:
        """Register the joint rows that one kind of message is about, in its order; -1 passes an entry over.

        Returns:
            The number that names this layout in `ingest`.

        Raises:
            ValueError: An index is not a row of the bank.
        """
        rows = np.asarray(indices, np.int64)
        if rows.size and (rows.min() < -1 or rows.max() >= self.n_joints):
            raise ValueError(f"a layout names rows of 0..{self.n_joints - 1} or -1, not {rows.tolist()}")
        self._layout_rows = np.concatenate([self._layout_rows, rows])
        self._layout_start = np.append(self._layout_start, self._layout_rows.size)
        return int(self._layout_start.size - 2)

    def ingest(
        self,
        layout: NDArray[np.int32],
        t_ns: NDArray[np.int64],
        sigma_t: NDArray[np.float64],
        skip: NDArray[np.uint8],
        offset: NDArray[np.int64],
        values: NDArray[np.float64],
        verdict: NDArray[np.uint8],
        nis: NDArray[np.float64],
        rates: NDArray[np.float64] = _NO_RATES,
    ) -> None:
        """Use M messages with K positions in all, in order of arrival.

        A sample that is late by no more than the lag is put where its stamp belongs; the state is then what it would have been
        had all come in order. Older ones are too old, and the same instant counts once.

        Args:
            layout: (M,) which layout each message has.
            t_ns: (M,) stamps in the daemon's clock [ns].
            sigma_t: (M,) one sigma of those stamps, beyond the device's own jitter [s].
            skip: (M,) the clock's `Verdict`; a message that was not accepted gives it to all its joints.
            offset: (M + 1,) where each message's positions begin in `values`.
            values: (K,) positions [rad or m].
            verdict: (K,) out: `Verdict` of each position, `NO_VERDICT` where the layout passes it over.
            nis: (K,) out: normalised innovation squared, NaN where there was no prediction to compare with.
            rates: (K,) reported velocities, NaN where there is none [rad/s or m/s]; empty when there are none at all.

        Raises:
            ValueError: The columns do not fit together.
        """
        n = layout.shape[0]
        if not t_ns.shape[0] == sigma_t.shape[0] == skip.shape[0] == n or offset.shape[0] != n + 1:
            raise ValueError(f"not every column has {n} entries, one per message")
        if rates.size and rates.shape[0] < values.shape[0]:
            raise ValueError(f"{rates.shape[0]} velocities for {values.shape[0]} positions")
        if not self._sorted:
            self._sort_kinds()
        if not ingest_joints(
            self._kinds, self._arrivals, self._tracks, self._ledgers, self._shown, self._rings, self._bases,
            self._ledger_bases, self._tasks, self._paces, self._layout_start, self._layout_rows, layout,
            t_ns, sigma_t, skip, offset, values, rates, self._gate, self._lag_ns, verdict, nis,
        ):  # fmt: skip
            raise ValueError(f"offsets up to {offset[-1]} do not ascend, or exceed the columns ({values.shape[0]} entries)")

    def predict(
        self,
        target_ns: NDArray[np.int64],
        position: NDArray[np.float64],
        velocity: NDArray[np.float64],
        std: NDArray[np.float64],
    ) -> None:
        """Predict every joint to its own instant; reads the state, never changes it, never fails.

        Beyond `coast_ns` after the newest sample the position is held (velocity 0) while the standard deviation grows on. A
        joint never seen shows its rest position with an infinite standard deviation.

        Args:
            target_ns: (n_joints,) instants [ns]; `NO_STAMP` means the joint's own newest stamp.
            position: (n_joints,) out [rad or m].
            velocity: (n_joints,) out [rad/s or m/s].
            std: (n_joints,) out: one sigma of the position [rad or m].

        Raises:
            ValueError: A column has not one entry per joint.
        """
        if not target_ns.shape == position.shape == velocity.shape == std.shape == self._rows.shape:
            raise ValueError(f"every column needs {self.n_joints} entries")
        predict_joints(self._shown, target_ns, self._coast_ns, position, velocity, std)

    @property
    def kept(self) -> dict[str, Kept]:
        """What survives a restart, a row for each joint."""
        return {
            "settings": Kept(self._rows, settings=tuple(SETTINGS.names or ())),
            "arrivals": Kept(self._arrivals, own=("kind",)),
            "tracks": Kept(self._tracks),
            "shown": Kept(self._shown, own=("rest",)),
            "ledgers": Kept(self._ledgers),
            "rings": Kept(self._rings, axis=1),
            "bases": Kept(self._bases, axis=1),
            "ledger_bases": Kept(self._ledger_bases, axis=1),
        }

    def rearrange(self) -> None:
        """Find anew what is derived from the settings; to be called after rows of `kept` were put back."""
        self._sorted = False

    @property
    def seen(self) -> NDArray[np.bool_]:
        """(n_joints,) whether anything was ever received."""
        seen: NDArray[np.bool_] = (self._arrivals["samples"] > 0) | (self._tracks["t_ns"] != NO_STAMP)
        return seen

    @property
    def layouts(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where each layout's rows begin, one entry more than layouts, and the rows of all. Views."""
        return self._layout_start, self._layout_rows

    @property
    def last_ns(self) -> NDArray[np.int64]:
        """(n_joints,) stamp of the newest sample used [ns], `NO_STAMP` before the first. A view: copy what you keep."""
        return self._tracks["t_ns"]

    @property
    def live_ns(self) -> NDArray[np.int64]:
        """(n_joints,) stamp of the newest sample that tells of the present [ns]: where a source is frozen, when it froze."""
        return np.where(self._arrivals["frozen"] == 1, self._arrivals["same_ns"], self._tracks["t_ns"])

    @property
    def frozen(self) -> NDArray[np.int64]:
        """(n_joints,) 1 where the source repeats the same numbers although that cannot be true. A view: copy what you keep."""
        return self._arrivals["frozen"]

    @property
    def modulus(self) -> NDArray[np.float64]:
        """(n_joints,) what one turn measures where positions wrap [rad]; 0 where they do not. A view: copy what you keep."""
        return self._rows["modulus"]

    @property
    def still(self) -> NDArray[np.int64]:
        """(n_joints,) 1 where the joint stands still."""
        return (self._tracks["still"] > 0).astype(np.int64)

    @property
    def channels(self) -> NDArray[np.int64]:
        """(n_joints,) state of the velocity channel: 0 off, 1 on probation, 2 used, 3 disabled. A view: copy what you keep."""
        return self._ledgers["channel"]

    @property
    def velocities(self) -> tuple[NDArray[np.float64], ...]:
        """Velocity shown, its acceleration and variance, the variance that a reported one is taken to have, and the stamp [ns].

        Each (n_joints,), in rad/s or m/s; the fourth is 0 where the channel is not to be used, the last is of integers.
        """
        reported, shown = self._rows["velocity_var"], self._shown
        noise = np.where(reported > 0.0, np.maximum(reported, WORSE * self._ledgers["rate_var"]), 0.0)
        return shown["v"], shown["a"], shown["vv"], noise, shown["t_ns"]

    @property
    def model(self) -> NDArray[np.float64]:
        """(n_joints,) jerk noise of the model that is shown [rad/s^3/sqrt(Hz) or m/...]."""
        density: NDArray[np.float64] = self._rows["q_same"] + self._rows["q_top"] * STEPS[self._tracks["shown"]]
        return np.sqrt(density)

    @property
    def reset_delta(self) -> NDArray[np.float64]:
        """(n_joints,) how far the newest reset moved each joint [rad or m]. A view: copy what you keep."""
        return self._ledgers["reset_delta"]

    @property
    def resets(self) -> NDArray[np.int64]:
        """(n_joints,) how often each joint was re-initialised after consistent rejections. A view: copy what you keep."""
        return self._arrivals["resets"]

    def warm_up(self) -> None:
        """Compile every kernel this bank uses, without touching its state."""
        bank = JointBank(1)
        bank.configure(0, velocity_std=0.1)
        layout = bank.add_layout([0])
        bank.ingest(
            np.array([layout], np.int32), np.ones(1, np.int64), np.zeros(1), np.zeros(1, np.uint8),
            np.array([0, 1], np.int64), np.zeros(1), np.zeros(1, np.uint8), np.zeros(1),
        )  # fmt: skip
        bank.predict(np.ones(1, np.int64), np.zeros(1), np.zeros(1), np.zeros(1))
