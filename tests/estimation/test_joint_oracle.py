"""The joint kernel against filterpy, with the same F, Q and R."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twind.estimation.singer import singer
from twind.model.estimates import Verdict


@pytest.mark.parametrize("settings", [{}, {"position_std": 1e-4, "jerk_noise": 3.0}, {"jerk_noise": 2e3, "tau_s": np.inf}])
def test_the_kernel_equals_filterpy_over_3000_asynchronous_steps(
    joints: Any, start_ns: int, settings: dict[str, float]
) -> None:
    from filterpy.kalman import KalmanFilter

    rng = np.random.default_rng(11)
    noise = {"position_std": 1e-3, "jerk_noise": 500.0, "tau_s": 0.5, "stamp_std_s": 1e-4, **settings}
    robot = joints(gate=1 - 1e-9, settings={**noise, "adapt": False})
    steps = rng.integers(1_000, 20_000_000, 3001)
    t = start_ns + np.cumsum(steps)
    seconds = (t - t[0]) * 1e-9
    z = 0.7 * np.sin(2.0 * seconds) + 0.2 * np.cos(5.0 * seconds) + rng.normal(0.0, noise["position_std"], t.size)
    sigma = 1e-4

    robot.feed(t[0], z[0], sigma=sigma)
    oracle = KalmanFilter(dim_x=3, dim_z=1)
    oracle.x = robot.lanes("P", "V", "A")
    oracle.P = robot.covariances()[0].copy()
    oracle.H = np.array([[1.0, 0.0, 0.0]])
    ours, theirs = [], []
    for k in range(1, t.size):
        T = (int(t[k]) - int(t[k - 1])) * 1e-9
        f1, f2, f3, q11, q12, q13, q22, q23, q33 = singer(T, 1.0 / noise["tau_s"])
        F = np.array([[1.0, T, f1], [0.0, 1.0, f2], [0.0, 0.0, f3]])
        Q = noise["jerk_noise"] ** 2 * np.array([[q11, q12, q13], [q12, q22, q23], [q13, q23, q33]])
        oracle.predict(F=F, Q=Q)
        v, vv = oracle.x[1, 0], oracle.P[1, 1]
        R = noise["position_std"] ** 2 + (v * v + vv) * (noise["stamp_std_s"] ** 2 + sigma**2)
        oracle.update(z[k], R=R)
        verdict, nis = robot.feed(t[k], z[k], sigma=sigma)
        assert verdict[0, 0] == Verdict.ACCEPTED
        P = robot.covariances()[0]
        std = np.sqrt(np.diag(oracle.P))
        x = robot.lanes("P", "V", "A")[:, 0]
        ours.append(x)
        theirs.append(oracle.x[:, 0].copy())
        assert (np.abs(P - oracle.P) <= 1e-12 * np.outer(std, std)).all(), k
        assert nis[0, 0] == pytest.approx(oracle.mahalanobis**2, rel=1e-6, abs=1e-9)
    difference = np.abs(np.array(ours) - np.array(theirs)).max(axis=0)
    assert (difference <= 1e-12 * np.abs(theirs).max(axis=0)).all()
