from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import expm

from twind.estimation.singer import singer


def van_loan(T: float, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """F and Q by the matrix exponential (Van Loan 1978), with time scaled to steps so that nothing overflows."""
    A = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, -alpha * T]])
    M = np.zeros((6, 6))
    M[:3, :3] = -A
    M[2, 5] = 1.0
    M[3:, 3:] = A.T
    E = expm(M)
    F = E[3:, 3:].T
    D = np.diag([T * T, T, 1.0])
    inverse = np.diag([1.0 / T**2, 1.0 / T, 1.0])
    return D @ F @ inverse, D @ (F @ E[:3, 3:]) @ D * T


def built(T: float, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    f1, f2, f3, q11, q12, q13, q22, q23, q33 = singer(T, alpha)
    F = np.array([[1.0, T, f1], [0.0, 1.0, f2], [0.0, 0.0, f3]])
    return F, np.array([[q11, q12, q13], [q12, q22, q23], [q13, q23, q33]])


@pytest.mark.parametrize("T", [1e-6, 1e-3, 0.005, 0.00999, 0.01, 0.1, 0.24999, 0.25, 0.25001, 1.0])
@pytest.mark.parametrize("alpha", [0.0, 0.1, 2.0, 10.0])
def test_transition_and_noise_equal_the_matrix_exponential(T: float, alpha: float) -> None:
    F, Q = built(T, alpha)
    F_expected, Q_expected = van_loan(T, alpha)
    np.testing.assert_allclose(F, F_expected, rtol=1e-11)
    np.testing.assert_allclose(Q, Q_expected, rtol=1e-9)


@pytest.mark.parametrize("x", [0.004, 0.06, 0.2, 0.5])
def test_series_of_every_length_and_the_closed_form_meet(x: float) -> None:
    below, above = np.array(singer(x * (1 - 1e-13), 1.0)), np.array(singer(x * (1 + 1e-13), 1.0))
    np.testing.assert_allclose(below, above, rtol=3e-12)


def test_no_time_means_no_change() -> None:
    F, Q = built(0.0, 2.0)
    assert np.array_equal(F, np.eye(3))
    assert not Q.any()


@pytest.mark.parametrize("T", [1e-9, 1e-3, 1.0, 3600.0, 9e9])
def test_noise_is_finite_and_positive_for_any_time(T: float) -> None:
    _, Q = built(T, 2.0)
    assert np.isfinite(Q).all()
    d = np.sqrt(np.diag(Q))
    assert np.linalg.eigvalsh(Q / np.outer(d, d)).min() > -1e-12


def test_after_many_time_constants_acceleration_is_stationary() -> None:
    F, Q = built(60.0, 2.0)
    assert F[2, 2] < 1e-50
    assert F[1, 2] == pytest.approx(0.5)
    assert Q[2, 2] == pytest.approx(0.25)
    assert Q[1, 1] == pytest.approx((2 * 120.0 - 3.0) / 16.0)
