"""Small harnesses around the banks, and the real logs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twind.estimation import Channel, ClockBank, JointBank, PoseBank, joint_records
from twind.estimation.joint_records import AA, PA, PP, PV, VA, VV
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

START = 1_700_000_000_000_000_000


def _column(value: Any, length: int, kind: Any) -> np.ndarray:
    return np.full(length, value, kind)


@dataclass
class JointHarness:
    """One robot of `n` joints; each call feeds whole messages."""

    n: int = 1
    gate: float = 0.999
    settings: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bank = JointBank(self.n, gate=self.gate, **self.options)
        self.bank.configure(slice(None), **self.settings)
        self.layout = self.bank.add_layout(range(self.n))

    def feed(
        self, t_ns: Any, values: Any, *, sigma: Any = 0.0, skip: Any = 0, rates: Any = ()
    ) -> tuple[np.ndarray, np.ndarray]:
        """Feed M messages (M, n); return (M, n) verdicts and nis."""
        t = np.atleast_1d(np.asarray(t_ns, np.int64))
        count = t.size
        flat = np.ascontiguousarray(values, np.float64).reshape(-1)
        verdict, nis = np.zeros(flat.size, np.uint8), np.zeros(flat.size)
        offset = np.arange(count + 1, dtype=np.int64) * self.n
        self.bank.ingest(
            _column(self.layout, count, np.int32), t, _column(sigma, count, np.float64), _column(skip, count, np.uint8),
            offset, flat, verdict, nis, np.ascontiguousarray(rates, np.float64).reshape(-1),
        )  # fmt: skip
        return verdict.reshape(count, self.n), nis.reshape(count, self.n)

    def predict(self, target_ns: Any = NO_STAMP) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return position, velocity and std at `target_ns`, by default each joint's own stamp."""
        out = np.zeros(self.n), np.zeros(self.n), np.zeros(self.n)
        self.bank.predict(_column(target_ns, self.n, np.int64), *out)
        return out

    def track(self, t_ns: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Feed message by message; return the (M, n) position and stamp of each joint's state after each."""
        positions, stamps = np.zeros(values.shape), np.zeros(values.shape, np.int64)
        for i in range(len(t_ns)):
            self.feed(t_ns[i : i + 1], values[i : i + 1])
            positions[i] = self.predict()[0]
            stamps[i] = self.bank.last_ns
        return positions, stamps

    def finite(self) -> bool:
        """Whether every number of the state is finite and every covariance positive."""
        numbers = self.bank._tracks["x"]
        return bool(np.isfinite(numbers).all()) and all(np.linalg.eigvalsh(scaled(P)).min() > 0 for P in self.covariances())

    def lanes(self, *names: str) -> np.ndarray:
        """(len(names), n) quantities of each joint's widest model."""
        return np.array([self.bank._tracks["x"][:, getattr(joint_records, name) + joint_records.LANES - 1] for name in names])

    def covariances(self) -> list[np.ndarray]:
        """(3, 3) covariances of every model of every joint seen."""
        x = self.bank._tracks["x"][self.bank.last_ns != NO_STAMP]
        six = [x[:, begin : begin + joint_records.LANES].ravel() for begin in (PP, PV, PA, VV, VA, AA)]
        return [np.array([[pp, pv, pa], [pv, vv, va], [pa, va, aa]]) for pp, pv, pa, vv, va, aa in zip(*six, strict=True)]

    def snapshot(self) -> tuple[bytes, ...]:
        """Everything the bank knows."""
        return self.bank._arrivals.tobytes(), self.bank._tracks.tobytes(), self.bank._ledgers.tobytes()


def scaled(P: np.ndarray) -> np.ndarray:
    """Correlation matrix of a covariance, whose eigenvalues do not mix units."""
    d = np.sqrt(np.diag(P))
    return P / np.outer(d, d)


@dataclass
class PoseHarness:
    """A bank of one body."""

    settings: dict[str, Any] = field(default_factory=dict)
    gate: float = 0.999

    def __post_init__(self) -> None:
        self.bank = PoseBank(1, gate=self.gate)
        self.overruled = np.empty(0, np.int32)
        self.bank.configure(0, **self.settings)

    def feed(
        self,
        t_ns: Any,
        position: Any,
        orientation: Any = (1.0, 0.0, 0.0, 0.0),
        *,
        sigma: Any = 0.0,
        skip: Any = 0,
        position_var: Any = np.nan,
        rotation_var: Any = np.nan,
        channel: Any = Channel.POSE,
        tag: int = 0,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Feed M samples, poses unless `channel` says otherwise; return (M,) verdicts and nis."""
        t = np.atleast_1d(np.asarray(t_ns, np.int64))
        count = t.size

        def block(value: Any, width: int) -> np.ndarray:
            given = np.zeros((count, width))
            value = np.asarray(value, np.float64)
            size = value.shape[-1] if value.ndim else width
            given[:, :size] = value  # three numbers of an angular velocity leave the fourth free
            return given

        verdict, nis = np.zeros(count, np.uint8), np.zeros(count)
        self.overruled = self.bank.ingest(
            np.zeros(count, np.int32), t, _column(sigma, count, np.float64), _column(skip, count, np.uint8),
            block(position, 3), block(orientation, 4), block(position_var, 3), block(rotation_var, 3), verdict, nis,
            _column(channel, count, np.uint8), _column(tag, count, np.int32),
        )  # fmt: skip
        return verdict, nis

    def predict(self, target_ns: int = NO_STAMP) -> tuple[np.ndarray, np.ndarray, float, float]:
        """Return position, orientation and both standard deviations, by default at the body's own stamp."""
        position, orientation = np.zeros((1, 3)), np.zeros((1, 4))
        position_std, rotation_std = np.zeros(1), np.zeros(1)
        self.bank.predict(np.array([target_ns], np.int64), position, orientation, position_std, rotation_std)
        return position[0], orientation[0], float(position_std[0]), float(rotation_std[0])

    def finite(self) -> bool:
        """Whether every number of the state is finite and every covariance positive."""
        row = self.bank._states[0]
        if row["t_ns"] == NO_STAMP:
            return True
        numbers = np.concatenate([row[name].ravel() for name in ("p", "v", "q", "w", "pp", "pv", "vv", "P")])
        if not np.isfinite(numbers).all() or not np.array_equal(row["P"], row["P"].T):
            return False
        axes = row["pp"] * row["vv"] - row["pv"] ** 2
        return bool(axes.min() > 0 and np.linalg.eigvalsh(scaled(row["P"])).min() > 0)

    def finite_attitude(self) -> bool:
        """Whether what an IMU alone can tell is finite."""
        row = self.bank._states[0]
        return bool(
            np.isfinite(np.concatenate([row[name].ravel() for name in ("q", "w", "gyro_q", "tilt_q", "acc_low")])).all()
        )


@dataclass
class ClockHarness:
    """A bank of one stream."""

    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.bank = ClockBank(1, **self.settings)

    def map(self, device_ns: Any, receive_ns: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Map M stamps; return (M,) mapped stamps, sigmas and verdicts."""
        device = np.atleast_1d(np.asarray(device_ns, np.int64))
        count = device.size
        out = np.zeros(count, np.int64), np.zeros(count), np.zeros(count, np.uint8)
        self.bank.map(np.zeros(count, np.int32), device, np.atleast_1d(np.asarray(receive_ns, np.int64)), *out)
        return out


@pytest.fixture
def joints() -> type[JointHarness]:
    return JointHarness


@pytest.fixture
def poses() -> type[PoseHarness]:
    return PoseHarness


@pytest.fixture
def clocks() -> type[ClockHarness]:
    return ClockHarness


@pytest.fixture(scope="session")
def start_ns() -> int:
    """An instant of 2023."""
    return START


@pytest.fixture(scope="session")
def pendulum(data_dir: Path) -> Callable[[str], tuple[np.ndarray, np.ndarray]]:
    """Load a log of the real double pendulum: (M,) stamps [ns] and (M, 2) measured positions [rad]."""

    def load(name: str) -> tuple[np.ndarray, np.ndarray]:
        table = np.genfromtxt(
            data_dir / "logs" / "double_pendulum" / f"{name}.csv", delimiter=",", skip_header=1, usecols=(0, 1, 2)
        )
        return START + np.rint(table[:, 0] * 1e9).astype(np.int64), np.ascontiguousarray(table[:, 1:])

    return load


@pytest.fixture(scope="session")
def flight(data_dir: Path) -> Callable[[str, int], tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Load every n-th pose of a EuRoC log: (M,) stamps [ns], (M, 3) positions [m], (M, 4) quaternions (w, x, y, z)."""

    def load(name: str, every: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        path = data_dir / "logs" / "euroc" / f"{name}.csv"
        stamps = np.genfromtxt(path, delimiter=",", comments="#", usecols=0, dtype=np.int64)[::every]
        table = np.genfromtxt(path, delimiter=",", comments="#", usecols=range(1, 8))[::every]
        return stamps, np.ascontiguousarray(table[:, :3]), np.ascontiguousarray(table[:, 3:])

    return load
