"""The pose kernel against a plain NumPy error-state filter: twelve states, one block update, no shortcuts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from twind.model.estimates import Verdict


def cross(x: np.ndarray) -> np.ndarray:
    return np.array([[0.0, -x[2], x[1]], [x[2], 0.0, -x[0]], [-x[1], x[0], 0.0]])


def right_jacobian(phi: np.ndarray) -> np.ndarray:
    """Sola eq. 183, by quadrature of its defining integral of Exp(-phi s) over s in [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(20)
    return sum(0.5 * w * Rotation.from_rotvec(-0.5 * (x + 1.0) * phi).as_matrix() for x, w in zip(nodes, weights, strict=True))


class Reference:
    """State (p, v, theta, w), full 12 x 12 covariance, block update in Joseph form with the 12 x 12 reset."""

    def __init__(self, p: np.ndarray, q: Rotation, P: np.ndarray, qa: float, qw: float) -> None:
        self.p, self.v, self.q, self.w, self.P = p, np.zeros(3), q, np.zeros(3), P
        self.qa, self.qw = qa, qw

    def step(self, T: float, z: np.ndarray, r: Rotation, var: np.ndarray, late: float) -> float:
        identity, zero = np.eye(3), np.zeros((3, 3))
        phi = self.w * T
        F = np.block(
            [
                [identity, T * identity, zero, zero],
                [zero, identity, zero, zero],
                [zero, zero, Rotation.from_rotvec(-phi).as_matrix(), right_jacobian(phi) * T],
                [zero, zero, zero, identity],
            ]
        )
        G = np.array([[T**3 / 3.0, T**2 / 2.0], [T**2 / 2.0, T]])
        Q = np.zeros((12, 12))
        Q[:6, :6], Q[6:, 6:] = np.kron(self.qa * G, identity), np.kron(self.qw * G, identity)
        P = F @ self.P @ F.T + Q
        p, q = self.p + self.v * T, self.q * Rotation.from_rotvec(phi)
        H = np.zeros((6, 12))
        H[:3, :3], H[3:, 6:9] = identity, identity
        y = np.concatenate([z - p, (q.inv() * r).as_rotvec()])
        speeds = np.concatenate([self.v**2 + np.diag(P)[3:6], self.w**2 + np.diag(P)[9:]])
        R = np.diag(var + late**2 * speeds)
        S = H @ P @ H.T + R
        K = P @ H.T @ np.linalg.inv(S)
        dx = K @ y
        A = np.eye(12) - K @ H
        P = A @ P @ A.T + K @ R @ K.T
        reset = np.eye(12)
        reset[6:9, 6:9] -= 0.5 * cross(dx[6:9])
        self.P = reset @ P @ reset.T
        self.p, self.v = p + dx[:3], self.v + dx[3:6]
        self.q, self.w = q * Rotation.from_rotvec(dx[6:9]), self.w + dx[9:]
        return float(y @ np.linalg.solve(S, y))


@pytest.mark.parametrize("late", [0.0, 2e-3])
def test_the_kernel_equals_a_plain_twelve_state_filter(poses: Any, start_ns: int, late: float) -> None:
    rng = np.random.default_rng(41)
    body = poses({"acceleration_noise": 2.0, "angular_acceleration_noise": 3.0}, gate=1 - 1e-9)
    t = start_ns + np.cumsum(rng.integers(2_000_000, 60_000_000, 1001))
    s = (t - t[0]) * 1e-9
    z = np.stack([np.sin(s), np.cos(1.3 * s), 0.2 * s], axis=1) + rng.normal(0.0, 0.005, (t.size, 3))
    turn = Rotation.from_rotvec(np.stack([np.sin(0.9 * s), 0.8 * s, np.cos(0.4 * s)], axis=1))
    turn = turn * Rotation.from_rotvec(rng.normal(0.0, 0.01, (t.size, 3)))
    var = np.array([1e-5, 2e-5, 4e-5, 1e-4, 2e-4, 0.5e-4])

    def feed(k: int) -> tuple[np.ndarray, np.ndarray]:
        quaternion = np.roll(turn[k].as_quat(), 1)
        return body.feed(t[k], z[k], quaternion, sigma=late, position_var=var[None, :3], rotation_var=var[None, 3:])

    feed(0)
    prior = np.diag(np.concatenate([var[:3], np.full(3, 9.0), var[3:], np.full(3, 25.0)]))
    oracle = Reference(z[0], turn[0], prior, 4.0, 9.0)
    row = body.bank._states[0]
    for k in range(1, t.size):
        oracle.qa, oracle.qw = float(row["q_position"]), float(row["q_rotation"])  # as adapted so far
        nis = oracle.step((t[k] - t[k - 1]) * 1e-9, z[k], turn[k], var, late)
        verdict, ours = feed(k)
        assert verdict[0] == Verdict.ACCEPTED
        assert ours[0] == pytest.approx(nis, rel=1e-8)
        np.testing.assert_allclose(row["p"], oracle.p, atol=1e-12)
        np.testing.assert_allclose(row["v"], oracle.v, atol=1e-11)
        np.testing.assert_allclose(row["w"], oracle.w, atol=1e-11)
        assert np.abs((Rotation.from_quat(np.roll(row["q"], -1)).inv() * oracle.q).as_rotvec()).max() < 1e-12
        std = np.sqrt(np.diag(oracle.P))
        assert np.abs(row["P"] - oracle.P[6:, 6:]).max() < 1e-12 * std[6:].max() ** 2
        for i in range(3):
            ours_axis = np.array([[row["pp"][i], row["pv"][i]], [row["pv"][i], row["vv"][i]]])
            axis = oracle.P[np.ix_([i, 3 + i], [i, 3 + i])]
            np.testing.assert_allclose(ours_axis, axis, rtol=1e-10)
        assert np.abs(oracle.P[:6, 6:]).max() == 0.0  # the blocks that the kernel leaves out
