"""Pose filters that others would write: no gate, no adaptation, every sample used as it comes, no late ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

POSITION_VAR, ROTATION_VAR = 0.005**2, 0.01**2
ACCELERATION, ANGULAR = 0.8**2, 1.0
SPEED_VAR, RATE_VAR = 9.0, 25.0
"""Of a body never seen."""


class NumpyPoses:
    """All bodies in one step: the error state of `twind/estimation/pose_kernels.py`, its blocks apart, the rotation stacked."""

    def __init__(self, position: Floats, orientation: Floats) -> None:
        n = len(position)
        self.p, self.v, self.w, self.q = position.copy(), np.zeros((n, 3)), np.zeros((n, 3)), orientation.copy()
        self.pp, self.pv, self.vv = np.full((n, 3), POSITION_VAR), np.zeros((n, 3)), np.full((n, 3), SPEED_VAR)
        self.P = np.tile(np.diag([ROTATION_VAR] * 3 + [RATE_VAR] * 3), (n, 1, 1))
        self.acceleration, self.angular = np.full((n, 1), ACCELERATION), np.full((n, 1), ANGULAR)

    def step(self, T: Floats, z: Floats, turned: Floats) -> None:
        """Use one pose of every body, T [s] per body after the last."""
        T = T[:, None]
        q = self.acceleration
        pv, vv = self.pv + T * self.vv + q * T * T / 2.0, self.vv + q * T
        pp = self.pp + T * (2.0 * self.pv + T * self.vv) + q * T**3 / 3.0
        total = pp + POSITION_VAR
        k0, k1 = pp / total, pv / total
        p = self.p + T * self.v
        e = z - p
        self.p, self.v = p + k0 * e, self.v + k1 * e
        self.pp, self.pv, self.vv = pp - k0 * pp, pv - k0 * pv, vv - k1 * pv
        self._turn(T, turned)

    def _turn(self, T: Floats, turned: Floats) -> None:
        n, eye = len(T), np.eye(3)
        phi = self.w * T
        angle = np.linalg.norm(phi, axis=1)[:, None, None]
        near = angle < 1e-4
        safe = np.where(near, 1.0, angle)
        s = np.where(near, 1.0, np.sin(safe) / safe)
        c = np.where(near, 0.5, (1.0 - np.cos(safe)) / safe**2)
        d = np.where(near, 1.0 / 6.0, (1.0 - s) / safe**2)
        hat = _cross(phi)
        square = hat @ hat
        F = np.zeros((n, 6, 6))
        F[:, :3, :3] = eye - s * hat + c * square
        F[:, :3, 3:] = (eye - c * hat + d * square) * T[:, None]
        F[:, 3:, 3:] = eye
        P = F @ self.P @ F.transpose(0, 2, 1)
        noise = (self.angular * T)[:, 0]
        for i in range(3):
            P[:, i, i] += noise * T[:, 0] ** 2 / 3.0
            P[:, i, 3 + i] += noise * T[:, 0] / 2.0
            P[:, 3 + i, i] += noise * T[:, 0] / 2.0
            P[:, 3 + i, 3 + i] += noise
        predicted = _product(self.q, _exponential(phi))
        y = _logarithm(_product(predicted * (1.0, -1.0, -1.0, -1.0), turned))
        K = P[:, :, :3] @ np.linalg.inv(P[:, :3, :3] + ROTATION_VAR * eye)
        dx = (K @ y[:, :, None])[:, :, 0]
        P = P - K @ P[:, :3, :]
        reset = np.tile(np.eye(6), (n, 1, 1))
        reset[:, :3, :3] -= 0.5 * _cross(dx[:, :3])
        self.P = reset @ P @ reset.transpose(0, 2, 1)
        q = _product(predicted, _exponential(dx[:, :3]))
        self.q, self.w = q / np.linalg.norm(q, axis=1)[:, None], self.w + dx[:, 3:]


class FilterpyPoses:
    """One `filterpy.kalman.KalmanFilter` a body over position, velocity, rotation vector and rate: it knows no rotations."""

    def __init__(self, position: Floats) -> None:
        from filterpy.kalman import KalmanFilter

        self.filters = [KalmanFilter(dim_x=12, dim_z=6) for _ in position]
        for one, start in zip(self.filters, position, strict=True):
            one.x[:3, 0] = start
            one.P = np.diag([POSITION_VAR, SPEED_VAR, ROTATION_VAR, RATE_VAR]).repeat(3, 0).repeat(3, 1) * np.tile(
                np.eye(3), (4, 4)
            )
            one.H = np.kron([[1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]], np.eye(3))
            one.R = np.diag([POSITION_VAR] * 3 + [ROTATION_VAR] * 3)

    def step(self, T: Floats, z: Floats) -> None:
        """Use one position and rotation vector, (n, 6), of every body, T [s] per body after the last."""
        for one, interval, measured in zip(self.filters, T, z, strict=True):
            G = np.array([[interval**3 / 3.0, interval**2 / 2.0], [interval**2 / 2.0, interval]])
            F, Q = np.eye(12), np.zeros((12, 12))
            F[:3, 3:6] = F[6:9, 9:] = interval * np.eye(3)
            Q[:6, :6], Q[6:, 6:] = np.kron(ACCELERATION * G, np.eye(3)), np.kron(ANGULAR * G, np.eye(3))
            one.predict(F=F, Q=Q)
            one.update(measured[:, None])


def _cross(v: Floats) -> Floats:
    result = np.zeros((len(v), 3, 3))
    result[:, 0, 1], result[:, 0, 2], result[:, 1, 2] = -v[:, 2], v[:, 1], -v[:, 0]
    result[:, 1, 0], result[:, 2, 0], result[:, 2, 1] = v[:, 2], -v[:, 1], v[:, 0]
    return result


def _product(a: Floats, b: Floats) -> Floats:
    aw, ax, ay, az = a.T
    bw, bx, by, bz = b.T
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=1,
    )


def _exponential(v: Floats) -> Floats:
    half = 0.5 * np.linalg.norm(v, axis=1)[:, None]
    return np.concatenate([np.cos(half), 0.5 * np.sinc(half / np.pi) * v], axis=1)


def _logarithm(q: Floats) -> Floats:
    q = np.where(q[:, :1] < 0.0, -q, q)
    sine = np.linalg.norm(q[:, 1:], axis=1)[:, None]
    near = sine < 1e-8
    scale = np.where(near, 2.0, 2.0 * np.arctan2(sine, q[:, :1]) / np.where(near, 1.0, sine))
    turn: Floats = scale * q[:, 1:]
    return turn
