"""Rest: what stands still looks still, and moves with the first real motion. Frozen sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

MS = 1_000_000
SECOND = 1_000_000_000


@pytest.mark.parametrize("rate", [50, 100, 500])
@pytest.mark.parametrize(("quantum", "noise"), [(1e-4, 2e-5), (3.8e-4, 1e-4), (3.8e-4, 2e-4), (0.0, 1e-4), (0.0, 1e-3)])
def test_standing_still_it_jitters_no_more_than_the_encoder(
    joints: Any, start_ns: int, rate: int, quantum: float, noise: float
) -> None:
    rng = np.random.default_rng(4)
    t = start_ns + SECOND // rate * np.arange(6 * rate)
    z = 0.40005 + rng.normal(0.0, noise, t.size)
    z = np.round(z / quantum) * quantum if quantum else z
    robot = joints()
    shown = np.zeros((2, t.size))
    for i in range(t.size):
        robot.feed(t[i], z[i])
        shown[:, i] = robot.predict()[0][0], robot.predict(int(t[i]) + 50 * MS)[0][0]
    settled = slice(2 * rate, None)
    for row in shown:
        assert np.std(row[settled]) <= np.std(z[settled])
        assert np.ptp(row[settled]) <= np.ptp(z[settled])


@pytest.mark.parametrize("speed", [0.02, 0.3, 3.0])
def test_the_first_real_motion_shows_at_once(joints: Any, start_ns: int, speed: float) -> None:
    rng = np.random.default_rng(5)
    t = start_ns + 5 * MS * np.arange(1000)
    moving = np.maximum(t - t[600], 0) * 1e-9
    truth = 0.2 + speed * np.minimum(moving, 0.2) ** 2 / 0.4 + speed * np.maximum(moving - 0.2, 0.0)
    z = np.round((truth + rng.normal(0.0, 5e-5, t.size)) / 1e-4) * 1e-4
    robot = joints()
    estimated = np.zeros(t.size)
    for i in range(t.size):
        robot.feed(t[i], z[i])
        estimated[i] = robot.predict()[0][0]
        if i == 599:
            assert robot.bank.still.tolist() == [1]
            assert robot.predict()[1][0] == 0.0
    assert np.abs(estimated - z)[600:].max() < 2.5e-3
    left = np.flatnonzero(truth - truth[0] > 1e-3)[0]
    assert abs(estimated[left] - truth[left]) < 5e-4
    assert robot.bank.still.tolist() == [0]


def test_a_slow_creep_is_motion(joints: Any, start_ns: int) -> None:
    t = start_ns + 5 * MS * np.arange(2000)
    truth = 2e-3 * (t - start_ns) * 1e-9
    robot = joints()
    estimated, _ = robot.track(t, (np.round(truth / 1e-4) * 1e-4)[:, None])
    assert np.abs(estimated[:, 0] - truth)[400:].max() < 2e-4


@pytest.mark.parametrize("log", ["sys_id_01", "sys_id_03"])
def test_a_source_that_freezes_in_motion_is_flagged_within_a_second(
    joints: Any, pendulum: Callable[[str], tuple[np.ndarray, np.ndarray]], log: str
) -> None:
    t, z = pendulum(log)
    for cut in (1300, 2500, 4000):
        robot = joints(2)
        robot.feed(t[:cut], z[:cut])
        assert robot.bank.frozen.tolist() == [0, 0]
        late = t[cut - 1] + 2 * MS * np.arange(1, 501)
        robot.feed(late, np.repeat(z[cut - 1 : cut], 500, axis=0))
        assert robot.bank.frozen.tolist() == [1, 1]
        assert (late[-1] - robot.bank.live_ns >= 0.9 * SECOND).all()
        robot.feed(late[-1] + 2 * MS * np.arange(1, 3), z[cut : cut + 2])
        assert robot.bank.frozen.tolist() == [0, 0]
        assert (robot.bank.live_ns == robot.bank.last_ns).all()


@pytest.mark.parametrize("log", ["sys_id_01", "sys_id_03"])
def test_an_honest_log_is_never_called_frozen(
    joints: Any, pendulum: Callable[[str], tuple[np.ndarray, np.ndarray]], log: str
) -> None:
    t, z = pendulum(log)
    robot = joints(2)
    for part in np.array_split(np.arange(t.size), 200):
        robot.feed(t[part], z[part])
        assert not robot.bank.frozen.any()


def test_a_joint_that_came_to_rest_is_not_frozen(joints: Any, start_ns: int) -> None:
    t = start_ns + 4 * MS * np.arange(1500)
    s = (t - start_ns) * 1e-9
    truth = np.where(s < 2.0, 0.5 - 0.5 * np.cos(np.pi * np.minimum(s, 2.0) / 2.0), 1.0)
    robot = joints()
    robot.feed(t, np.round(truth / 1e-4) * 1e-4)
    assert robot.bank.frozen.tolist() == [0]
    assert robot.bank.still.tolist() == [1]
    assert robot.bank.live_ns[0] == t[-1]


@pytest.mark.parametrize("rate_hz", [125, 250, 1000])
@pytest.mark.parametrize("speed", [0.4, 1.0])
def test_a_slow_arm_with_exact_numbers_is_frozen_when_they_repeat_in_motion_but_not_when_it_brakes(
    joints: Any, start_ns: int, rate_hz: int, speed: float
) -> None:
    t = start_ns + np.arange(3 * rate_hz) * (SECOND // rate_hz)
    s = (t - start_ns) * 1e-9
    frozen = joints()
    frozen.feed(t, speed * np.minimum(s, 1.5))
    assert frozen.bank.frozen.tolist() == [1]
    braking = speed / 10.0  # s at 10 rad/s^2
    way = np.clip(s - 1.5, 0.0, braking)
    braked = joints()
    braked.feed(t, np.round((speed * np.minimum(s, 1.5) + speed * way - 5.0 * way**2) / 1e-5) * 1e-5)
    assert braked.bank.frozen.tolist() == [0]
