"""Joint filters that others would write: one Singer model each, every sample used as it comes, no late ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

TAU_S, DENSITY, VARIANCE = 0.5, 1000.0**2, 1e-6
SPEED_VAR, ACCELERATION_VAR = 25.0, 2500.0
"""Of a joint never seen."""


def singer(T: Any) -> tuple[Any, ...]:
    """Return f1, f2, f3 and Q11, Q12, Q13, Q22, Q23, Q33 of the Singer model over T [s] (see `twind/estimation/singer.py`)."""
    a = 1.0 / TAU_S
    w = a * T
    e = np.exp(-w)
    q = DENSITY / (2.0 * a)
    return (
        (e - 1.0 + w) / a**2,
        (1.0 - e) / a,
        e,
        q / a**4 * (1.0 - e * e + 2.0 * w + 2.0 / 3.0 * w**3 - 2.0 * w * w - 4.0 * w * e),
        q / a**3 * (e * e + 1.0 - 2.0 * e + 2.0 * w * e - 2.0 * w + w * w),
        q / a**2 * (1.0 - e * e - 2.0 * w * e),
        q / a**2 * (4.0 * e - 3.0 - e * e + 2.0 * w),
        q / a * (e * e + 1.0 - 2.0 * e),
        q * (1.0 - e * e),
    )


class NumpyJoints:
    """All joints in one step, as columns: the fastest that NumPy offers, where every joint has a sample in every step."""

    def __init__(self, first: Floats, joints_per_robot: int) -> None:
        n = len(first)
        self._each = joints_per_robot
        self.x = np.stack([first, np.zeros(n), np.zeros(n)])
        self.P = np.zeros((6, n))  # 00, 01, 02, 11, 12, 22
        self.P[0], self.P[3], self.P[5] = VARIANCE, SPEED_VAR, ACCELERATION_VAR

    def _to(self, T: Floats) -> tuple[Floats, ...]:
        """Predict state and covariance by T [s], one interval per robot."""
        T, f1, f2, f3, *q = (np.repeat(column, self._each) for column in (T, *singer(T)))
        x0, x1, x2 = self.x
        p00, p01, p02, p11, p12, p22 = self.P
        a00, a01, a02 = p00 + T * p01 + f1 * p02, p01 + T * p11 + f1 * p12, p02 + T * p12 + f1 * p22
        a11, a12 = p11 + f2 * p12, p12 + f2 * p22
        return (
            *(x0 + T * x1 + f1 * x2, x1 + f2 * x2, f3 * x2),
            *(a00 + T * a01 + f1 * a02 + q[0], a01 + f2 * a02 + q[1], f3 * a02 + q[2]),
            *(a11 + f2 * a12 + q[3], f3 * a12 + q[4], f3 * f3 * p22 + q[5]),
        )

    def step(self, T: Floats, z: Floats) -> None:
        """Use one sample of every joint, T [s] per robot after the last."""
        x0, x1, x2, p00, p01, p02, p11, p12, p22 = self._to(T)
        s = p00 + VARIANCE
        k0, k1, k2 = p00 / s, p01 / s, p02 / s
        e = z - x0
        self.nis = e * e / s
        self.x[0], self.x[1], self.x[2] = x0 + k0 * e, x1 + k1 * e, x2 + k2 * e
        self.P[0], self.P[1], self.P[2] = p00 - k0 * p00, p01 - k0 * p01, p02 - k0 * p02
        self.P[3], self.P[4], self.P[5] = p11 - k1 * p01, p12 - k1 * p02, p22 - k2 * p02

    def predict(self, T: Floats) -> tuple[Floats, Floats, Floats]:
        """Return position, velocity and sigma of the position, T [s] per robot later."""
        T, f1, f2, q00 = (np.repeat(column, self._each) for column in (T, *(singer(T)[i] for i in (0, 1, 3))))
        x0, x1, x2 = self.x
        p00, p01, p02, p11, p12, p22 = self.P
        variance = p00 + 2.0 * (T * p01 + f1 * p02 + T * f1 * p12) + T * T * p11 + f1 * f1 * p22 + q00
        return x0 + T * x1 + f1 * x2, x1 + f2 * x2, np.sqrt(variance)


class FilterpyJoints:
    """One `filterpy.kalman.KalmanFilter` a joint."""

    def __init__(self, first: Floats, joints_per_robot: int) -> None:
        from filterpy.kalman import KalmanFilter

        self._each = joints_per_robot
        self.filters = [KalmanFilter(dim_x=3, dim_z=1) for _ in first]
        for one, position in zip(self.filters, first, strict=True):
            one.x[0, 0] = position
            one.P = np.diag([VARIANCE, SPEED_VAR, ACCELERATION_VAR])
            one.H = np.array([[1.0, 0.0, 0.0]])
            one.R = np.array([[VARIANCE]])

    def step(self, T: Floats, z: Floats) -> None:
        """Use one sample of every joint, T [s] per robot after the last."""
        for robot, interval in enumerate(T):
            f1, f2, f3, q11, q12, q13, q22, q23, q33 = singer(interval)
            F = np.array([[1.0, interval, f1], [0.0, 1.0, f2], [0.0, 0.0, f3]])
            Q = np.array([[q11, q12, q13], [q12, q22, q23], [q13, q23, q33]])
            for joint in range(robot * self._each, (robot + 1) * self._each):
                one = self.filters[joint]
                one.predict(F=F, Q=Q)
                one.update(z[joint])
