"""How bad stamps may be before their samples are refused: as bad as they show themselves to be, and no worse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twind.model.estimates import Verdict

MS = 1_000_000


@pytest.mark.parametrize("rate_hz", [100, 500])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_samples_with_badly_jittered_stamps_are_used_from_the_first_motion_on(
    joints: Any, start_ns: int, rate_hz: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    taken = start_ns + 1000 * MS // rate_hz * np.arange(10 * rate_hz)
    s = (taken - start_ns) * 1e-9
    z = np.where(s < 1.0, 0.0, 0.5 - 0.5 * np.cos(2.0 * np.maximum(s - 1.0, 0.0)))
    t = taken + np.rint(rng.normal(0.0, 3.0 * MS, taken.size)).astype(np.int64)
    robot = joints(settings={"velocity_limit": 3.14})
    verdict, _ = robot.feed(t, np.round(z / 1e-4) * 1e-4)
    assert np.count_nonzero(verdict != Verdict.ACCEPTED) <= 0.02 * t.size
    assert robot.bank.resets[0] == 0


def test_stamps_that_proved_good_let_no_small_outlier_through(joints: Any, start_ns: int) -> None:
    t = start_ns + 4 * MS * np.arange(1000)
    s = (t - start_ns) * 1e-9
    z = 1.5 * np.sin(4.0 * s)
    robot = joints()
    robot.feed(t, z)
    verdict, _ = robot.feed(t[-1] + 4 * MS, 1.5 * np.sin(4.0 * (s[-1] + 0.004)) + 0.05)
    assert verdict[0, 0] == Verdict.GATED


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_swing_that_turns_between_sparse_samples_with_jittered_stamps_begins_nothing_anew(
    joints: Any, start_ns: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    taken = 20 * MS * np.arange(800)
    z = 1.2 * np.sin(2.0 * np.pi * 3.0 * taken * 1e-9)  # 22 rad/s and 426 rad/s^2: as a light pendulum swings
    t = start_ns + taken + np.rint(rng.normal(0.0, 1.0 * MS, taken.size)).astype(np.int64)
    robot = joints()
    verdict, _ = robot.feed(t, np.round(z / 1e-3) * 1e-3)
    assert robot.bank.resets[0] == 0
    assert np.count_nonzero(verdict != Verdict.ACCEPTED) <= 0.02 * t.size
