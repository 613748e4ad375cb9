"""One model on data that follow it: errors are as large as it says, and innovations are white."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from twind.estimation.singer import transition

RUNS, STEPS, DT_NS = 300, 200, 10_000_000
NOISE = {"jerk_noise": 5.0, "stamp_std_s": 0.0, "adapt": False}


def exact(model: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the transition matrix over one step and a root of its noise, which `cv` has in two dimensions only."""
    alpha = {"singer": 2.0, "ca": 0.0, "cv": np.inf}[model]
    f1, f2, f3, q11, q12, q13, q22, q23, q33 = transition(DT_NS * 1e-9, alpha)
    Q = 5.0**2 * np.array([[q11, q12, q13], [q12, q22, q23], [q13, q23, q33]])
    values, vectors = np.linalg.eigh(Q)
    return np.array([[1.0, DT_NS * 1e-9, f1], [0.0, 1.0, f2], [0.0, 0.0, f3]]), vectors * np.sqrt(np.maximum(values, 0.0))


@pytest.mark.parametrize(("model", "order"), [("singer", 3), ("ca", 3), ("cv", 2)])
def test_errors_are_as_large_as_the_covariance_says_and_innovations_are_white(
    joints: Any, start_ns: int, model: str, order: int
) -> None:
    rng = np.random.default_rng(6)
    F, L = exact(model)
    robot = joints(RUNS, gate=1 - 1e-9, settings={**NOISE, "model": model})
    x = np.zeros((RUNS, 3))
    nees, innovations = [], []
    for k in range(STEPS):
        x = x @ F.T + rng.normal(size=(RUNS, 3)) @ L.T
        z = x[:, 0] + rng.normal(0.0, 1e-3, RUNS)
        t = start_ns + DT_NS * k
        ahead = robot.predict(t)
        _, nis = robot.feed(t, z)
        if k < 40:
            continue
        innovations.append((z - ahead[0]) / np.sqrt(ahead[2] ** 2 + 1e-6))
        np.testing.assert_allclose(innovations[-1] ** 2, nis[0], rtol=1e-6)
        if k % 20 == 0:
            error = (robot.lanes("P", "V", "A").T - x)[:, :order]
            P = np.array(robot.covariances())[7::8, :order, :order]
            nees.append(np.einsum("ni,nij,nj->n", error, np.linalg.inv(P), error))
    total = float(np.sum(nees))
    dof = order * np.size(nees)
    low, high = chi2.ppf([0.005, 0.995], dof)
    assert low < total < high
    white = np.array(innovations)
    for lag in range(1, 6):
        rho = (white[lag:] * white[:-lag]).mean()
        assert abs(rho) < 2.6 / np.sqrt(white[lag:].size)
