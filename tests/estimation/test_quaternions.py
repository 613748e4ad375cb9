from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from twind.estimation.quaternions import conjugate, exponential, logarithm, multiply

ANGLES = [0.0, 1e-12, 1e-6, 9.9e-5, 1.01e-4, 1e-3, 0.5, 2.0, 3.1415]


def quaternion(rotation: Rotation) -> np.ndarray:
    return np.roll(rotation.as_quat(), 1)


@pytest.mark.parametrize("angle", ANGLES)
def test_exponential_and_logarithm_equal_scipy(angle: float) -> None:
    vector = angle * np.array([0.36, -0.48, 0.8])
    q = exponential(*vector)
    np.testing.assert_allclose(q, quaternion(Rotation.from_rotvec(vector)), atol=1e-15)
    np.testing.assert_allclose(logarithm(q), vector, rtol=1e-9, atol=1e-20)


@pytest.mark.parametrize("angle", ANGLES[1:])
def test_a_quaternion_and_its_negative_are_the_same_rotation(angle: float) -> None:
    q = exponential(0.0, angle, 0.0)
    np.testing.assert_allclose(logarithm(tuple(-value for value in q)), logarithm(q), atol=1e-15)


def test_products_equal_scipy() -> None:
    a, b = Rotation.from_rotvec([0.3, -1.0, 2.0]), Rotation.from_rotvec([-2.0, 0.1, 0.4])
    qa, qb = tuple(quaternion(a)), tuple(quaternion(b))
    product = np.array(multiply(qa, qb))
    expected = quaternion(a * b)
    np.testing.assert_allclose(product * np.sign(product @ expected), expected, atol=1e-15)
    np.testing.assert_allclose(multiply(qa, conjugate(qa)), (1.0, 0.0, 0.0, 0.0), atol=1e-15)
