"""Rest: what stands still looks still, and moves with the first real motion."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

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
