"""Twists and gyroscopes beside poses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from twind.estimation import Channel
from twind.model.estimates import Verdict

MS = 1_000_000


def wxyz(rotation: Rotation) -> np.ndarray:
    return np.roll(rotation.as_quat(), 1, axis=-1)


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return wxyz(Rotation.from_quat(np.roll(a, -1)) * Rotation.from_quat(np.roll(b, -1)))


def circle(start_ns: int, seconds: float, rate_hz: float = 30.0) -> dict[str, np.ndarray]:
    """A body that drives a circle at 1 m/s, looking ahead: its velocity is constant only along its own axes."""
    t = start_ns + (np.arange(int(seconds * rate_hz)) * 1e9 / rate_hz).astype(np.int64)
    yaw = 0.5 * (t - start_ns) * 1e-9
    return {
        "t": t,
        "p": np.stack([2.0 * np.sin(yaw), 2.0 - 2.0 * np.cos(yaw), np.zeros_like(yaw)], axis=1),
        "q": wxyz(Rotation.from_rotvec(np.outer(yaw, (0.0, 0.0, 1.0)))),
        "v": np.stack([np.cos(yaw), np.sin(yaw), np.zeros_like(yaw)], axis=1),
    }


@pytest.mark.parametrize("channel", [Channel.TWIST_BODY, Channel.TWIST_WORLD])
def test_a_twist_is_understood_along_the_axes_of_its_frame(poses: Any, start_ns: int, channel: Channel) -> None:
    body, path = poses(), circle(start_ns, 4.0)
    verdicts = []
    for k in range(path["t"].size):
        if k % 15 == 0:
            body.feed(path["t"][k], path["p"][k], path["q"][k])
        linear = (1.0, 0.0, 0.0) if channel == Channel.TWIST_BODY else path["v"][k]
        verdicts.append(body.feed(path["t"][k] + 5 * MS, linear, (0.0, 0.0, 0.5), channel=channel)[0][0])
    assert set(verdicts[:15]) == {Verdict.GATED}  # one pose does not tell how a body moves: nothing to judge a twist by
    assert np.mean(np.array(verdicts[15:]) == Verdict.ACCEPTED) > 0.95
    assert np.abs(body.bank._states["v"][0] - path["v"][-1]).max() < 0.05
    assert body.bank._states["w"][0] == pytest.approx((0.0, 0.0, 0.5), abs=0.03)
    assert body.finite()


def test_a_twist_carries_a_body_through_a_silence_of_its_poses(poses: Any, start_ns: int) -> None:
    errors = []
    for twist in (False, True):
        body, path = poses(), circle(start_ns, 5.0)
        for k in range(path["t"].size):
            if k < 75:
                body.feed(path["t"][k], path["p"][k], path["q"][k])
            if twist:
                body.feed(path["t"][k] + 1, (1.0, 0.0, 0.0), (0.0, 0.0, 0.5), channel=Channel.TWIST_BODY)
        errors.append(np.linalg.norm(body.predict(int(path["t"][-1]))[0] - path["p"][-1]))
    assert errors[1] < 0.1
    assert errors[1] < 0.2 * errors[0]


def test_a_twist_is_no_pose(poses: Any, start_ns: int) -> None:
    body = poses()
    assert body.feed(start_ns, (1.0, 0.0, 0.0), (0.0, 0.0, 0.0), channel=Channel.TWIST_BODY)[0][0] == Verdict.GATED
    assert body.bank.posed[0] == 0


@pytest.mark.parametrize("factor", [-1.0, 10.0])
def test_a_twist_that_lies_is_left_out_and_an_honest_one_never(poses: Any, start_ns: int, factor: float) -> None:
    path = circle(start_ns, 10.0)
    rng = np.random.default_rng(5)
    for scale in (factor, 1.0):
        body = poses()
        refused = []
        for k in range(path["t"].size):
            body.feed(path["t"][k], path["p"][k] + rng.normal(0.0, 0.005, 3), path["q"][k])
            linear = (scale + rng.normal(0.0, 0.05), *rng.normal(0.0, 0.05, 2))
            verdict, _ = body.feed(path["t"][k] + 10 * MS, linear, (0.0, 0.0, 0.5), channel=Channel.TWIST_BODY)
            refused.append(verdict[0] == Verdict.GATED)
        position, _, _, _ = body.predict(int(path["t"][-1]))
        assert np.abs(position - path["p"][-1]).max() < 0.03
        if scale == 1.0:
            assert np.mean(refused[30:]) < 0.02
            assert body.bank._states["twist_off"][0] == 0
        else:
            assert all(refused[150:])  # within five seconds
            assert body.bank._states["twist_off"][0] == 1
            assert body.bank.resets[0] == 0


def test_a_twist_that_tells_the_truth_again_is_used_again(poses: Any, start_ns: int) -> None:
    body, path = poses(), circle(start_ns, 10.0)
    verdicts = []
    for k in range(path["t"].size):
        body.feed(path["t"][k], path["p"][k], path["q"][k])
        linear = (-1.0 if k < 150 else 1.0, 0.0, 0.0)
        verdicts.append(body.feed(path["t"][k] + 10 * MS, linear, (0.0, 0.0, 0.5), channel=Channel.TWIST_BODY)[0][0])
    assert verdicts[149] == Verdict.GATED
    assert set(verdicts[-60:]) == {Verdict.ACCEPTED}


def test_a_gyroscope_sharpens_the_rate_and_leaves_the_position_alone(poses: Any, start_ns: int) -> None:
    rng = np.random.default_rng(9)
    path = circle(start_ns, 4.0)
    found = []
    for gyro in (False, True):
        body = poses()
        for k in range(path["t"].size):
            turn = np.array([1.0, *rng.normal(0.0, 0.005, 3)])  # half of 10 mrad
            body.feed(path["t"][k], path["p"][k] + rng.normal(0.0, 0.005, 3), product(path["q"][k], turn))
            for j in range(1, 6) if gyro else ():
                rate = rng.normal((0.0, 0.0, 0.5), 0.02)
                verdict, _ = body.feed(path["t"][k] + 5 * j * MS, (0.0, 0.0, 9.81), rate, channel=Channel.IMU)
                assert verdict[0] != Verdict.DUPLICATE
        found.append(body.bank._states["P"][0, 5, 5])
        assert body.finite()
        assert np.abs(body.predict(int(path["t"][-1]))[0] - path["p"][-1]).max() < 0.03
    assert found[1] < 0.5 * found[0]


@pytest.mark.parametrize("channel", [Channel.TWIST_BODY, Channel.IMU])
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e282])
def test_what_cannot_be_a_velocity_is_refused(poses: Any, start_ns: int, channel: Channel, value: float) -> None:
    body = poses()
    body.feed(start_ns, (0.0, 0.0, 0.0))
    for linear, angular in (((value, 0.0, 0.0), np.zeros(3)), (np.zeros(3), (0.0, 0.0, value))):
        assert body.feed(start_ns + 10 * MS, linear, angular, channel=channel)[0][0] == Verdict.NOT_FINITE
    assert body.finite()


def test_a_channel_that_does_not_exist_is_refused(poses: Any, start_ns: int) -> None:
    assert poses().feed(start_ns, np.zeros(3), channel=9)[0][0] == Verdict.NOT_FINITE
