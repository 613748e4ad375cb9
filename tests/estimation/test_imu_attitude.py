"""Attitude from an IMU alone, against the reference implementation of VQF."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from twind.estimation import Channel
from twind.model.estimates import Verdict

vqf = pytest.importorskip("vqf")

T = 0.01
STEP_NS = 10_000_000
UP = np.array([0.0, 0.0, 1.0])


def wxyz(rotation: Rotation) -> np.ndarray:
    return np.roll(rotation.as_quat(), 1, axis=-1)


def shaken(seconds: float, *, shake: float, seed: int = 1) -> tuple[Rotation, np.ndarray, np.ndarray]:
    """A sensor that turns and is shaken: (M,) attitudes, (M, 3) specific forces, (M, 3) rates since the sample before."""
    rng = np.random.default_rng(seed)
    s = np.arange(int(seconds / T)) * T
    turn = Rotation.from_rotvec(np.stack([0.8 * np.sin(0.9 * s), 0.6 * np.sin(0.7 * s + 1.0), 1.5 * np.sin(0.3 * s)], axis=1))
    rate = np.zeros((s.size, 3))
    rate[1:] = (turn[:-1].inv() * turn[1:]).as_rotvec() / T
    world = 9.81 * UP + shake * np.stack([np.sin(7.0 * s), np.cos(5.0 * s), np.sin(6.0 * s)], axis=1)
    force = turn.inv().apply(world) + rng.normal(0.0, 0.05, (s.size, 3))
    return turn, force, rate


def follow(body: Any, start_ns: int, force: np.ndarray, rate: np.ndarray) -> np.ndarray:
    """Feed IMU samples; return the (M, 4) attitude after each."""
    found = np.zeros((len(force), 4))
    for k in range(len(force)):
        assert body.feed(start_ns + k * STEP_NS, force[k], rate[k], channel=Channel.IMU)[0][0] == Verdict.ACCEPTED
        found[k] = body.predict()[1]
    return found


def test_it_equals_the_reference_without_bias_estimation(poses: Any, start_ns: int) -> None:
    _, force, rate = shaken(20.0, shake=3.0)
    reference = vqf.PyVQF(T, motionBiasEstEnabled=False, restBiasEstEnabled=False, magDistRejectionEnabled=False)
    expected = reference.updateBatch(rate, force)["quat6D"]
    found = follow(poses(), start_ns, force, rate)
    assert np.abs(found * np.sign((found * expected).sum(axis=1, keepdims=True)) - expected).max() < 1e-9


@pytest.mark.parametrize("shake", [0.0, 3.0, 8.0])
def test_its_tilt_is_right_while_the_sensor_is_shaken(poses: Any, start_ns: int, shake: float) -> None:
    turn, force, rate = shaken(60.0, shake=shake, seed=4)
    rate = rate + np.random.default_rng(6).normal(0.0, 0.005, rate.shape) + np.radians((0.2, -0.1, 0.1))
    found = follow(poses(), start_ns, force, rate)
    up = Rotation.from_quat(np.roll(found, -1, axis=1)).inv().apply(UP)
    error = np.degrees(np.arccos(np.clip((up * turn.inv().apply(UP)).sum(axis=1), -1.0, 1.0)))[1000:]
    expected = vqf.VQF(T).updateBatch(rate, force)["quat6D"]
    theirs = Rotation.from_quat(np.roll(expected, -1, axis=1)).inv().apply(UP)
    reference = np.degrees(np.arccos(np.clip((theirs * turn.inv().apply(UP)).sum(axis=1), -1.0, 1.0)))[1000:]
    assert np.sqrt((error**2).mean()) < 2.3
    assert np.sqrt((error**2).mean()) < np.sqrt((reference**2).mean()) + 1.0


def test_a_sensor_at_rest_shows_its_bias(poses: Any, start_ns: int) -> None:
    rng = np.random.default_rng(2)
    bias = np.radians((0.5, -0.7, 0.3))
    body = poses()
    follow(body, start_ns, 9.81 * UP + rng.normal(0.0, 0.05, (2000, 3)), bias + rng.normal(0.0, 0.002, (2000, 3)))
    assert body.bank._states["bias"][0] == pytest.approx(bias, abs=np.radians(0.05))
    assert np.abs(body.bank._states["w"][0]).max() < np.radians(1.0)


def test_an_attitude_alone_is_no_position(poses: Any, start_ns: int) -> None:
    body = poses()
    follow(body, start_ns, np.tile(9.81 * UP, (100, 1)), np.zeros((100, 3)))
    _, orientation, position_std, rotation_std = body.predict()
    assert body.bank.posed[0] == 0
    assert position_std == np.inf
    assert 0.0 < rotation_std < 0.1
    assert np.abs(orientation) == pytest.approx((1.0, 0.0, 0.0, 0.0), abs=1e-9)


@pytest.mark.parametrize("force", [(0.0, 0.0, 0.0), (0.0, 0.0, -9.81), (1e9, -1e9, 1e9)])
def test_any_force_leaves_the_attitude_finite_and_gravity_brings_it_back(poses: Any, start_ns: int, force: Any) -> None:
    body = poses()
    follow(body, start_ns, np.tile(force, (50, 1)), np.zeros((50, 3)))
    assert body.finite_attitude()
    last = int(body.bank.last_ns[0])
    found = follow(body, last + 3_000_000_000, np.tile(9.81 * UP, (100, 1)), np.zeros((100, 3)))
    assert Rotation.from_quat(np.roll(found[-1], -1)).apply(UP) == pytest.approx(UP, abs=1e-6)


def test_a_pose_takes_over_from_an_attitude(poses: Any, start_ns: int) -> None:
    body = poses()
    follow(body, start_ns, np.tile(9.81 * UP, (50, 1)), np.zeros((50, 3)))
    q = wxyz(Rotation.from_rotvec((0.3, 0.0, 1.0)))
    for k in range(50, 100):
        body.feed(start_ns + k * STEP_NS, (1.0, 2.0, 3.0), q)
    assert body.predict()[0] == pytest.approx((1.0, 2.0, 3.0), abs=1e-6)
    assert abs(body.predict()[1] @ q) == pytest.approx(1.0, abs=1e-9)
    assert body.finite()
