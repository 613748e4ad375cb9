"""Jitter of stamps that is worse than configured: learnt within bounds, and only from samples that were used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twind.model.estimates import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

MS = 1_000_000
HORIZONS = (20 * MS, 50 * MS, 100 * MS)
FIXED = [(jerk, stamp) for jerk in (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0) for stamp in (1e-4, 3e-4, 1e-3, 3e-3)]


def learnt(robot: Any) -> np.ndarray:
    """Return one sigma of every joint's stamps [s]."""
    return np.sqrt(robot.bank._tracks["stamp_var"])


@pytest.mark.parametrize("jitter", [0.0, 3e-4, 1e-3])
@pytest.mark.parametrize("column", [0, 1])
@pytest.mark.parametrize("log", ["sys_id_01", "sys_id_03"])
def test_with_jittered_stamps_prediction_is_almost_that_of_the_best_fixed_noises(
    joints: Any, pendulum: Callable[[str], tuple[np.ndarray, np.ndarray]], *, log: str, column: int, jitter: float
) -> None:
    taken, z = (part[:4000:2] for part in pendulum(log))
    true = z[:, column]
    t = taken + np.rint(np.random.default_rng(3).normal(0.0, 1e9 * jitter, taken.size)).astype(np.int64)
    fresh = np.diff(np.maximum.accumulate(t), prepend=0) > 0
    t, z = t[fresh], true[fresh]
    jerk, stamp = np.transpose([(1000.0, 1e-4), *FIXED])
    n = jerk.size
    robot = joints(n, settings={"jerk_noise": jerk, "stamp_std_s": stamp, "adapt": np.arange(n) == 0})
    predicted = np.zeros((3, t.size, n))
    refused = 0
    for i in range(t.size):
        refused += robot.feed(t[i], np.full(n, z[i]))[0][0, 0] != Verdict.ACCEPTED
        for k, horizon in enumerate(HORIZONS):
            predicted[k, i] = robot.predict(int(t[i]) + horizon)[0]
    assert refused <= 5
    for k, horizon in enumerate(HORIZONS):
        judged = (t > t[0] + 300 * MS) & (t + horizon <= taken[-1])
        error = predicted[k] - np.interp(t + horizon, taken, true)[:, None]
        ours, *best = np.sqrt((error[judged] ** 2).mean(axis=0))
        assert ours <= 1.3 * min(best)


@pytest.mark.parametrize("jitter", [1e-4, 1e-3, 2e-3])
def test_the_jitter_is_found_in_fast_motion(joints: Any, start_ns: int, jitter: float) -> None:
    rng = np.random.default_rng(2)
    taken = 4 * MS * np.arange(2500)
    z = 1.5 * np.sin(6e-9 * taken) + rng.normal(0.0, 1e-3, taken.size)
    t = start_ns + np.maximum.accumulate(taken + np.rint(rng.normal(0.0, 1e9 * jitter, taken.size)).astype(np.int64))
    robot = joints()
    robot.feed(t, z)
    assert 0.7 * jitter < learnt(robot)[0] < 1.5 * jitter


def test_rest_and_slow_motion_tell_nothing_of_stamps(joints: Any, start_ns: int) -> None:
    rng = np.random.default_rng(2)
    t = start_ns + 4 * MS * np.arange(2500)
    robot = joints(2)
    slow = 0.1 * np.sin(1e-9 * (t - start_ns))
    robot.feed(t, np.stack([np.zeros(t.size), slow], axis=1) + rng.normal(0.0, 1e-3, (t.size, 2)))
    assert learnt(robot).max() <= 1.01e-4


def test_garbage_is_no_jitter(joints: Any, start_ns: int) -> None:
    rng = np.random.default_rng(8)
    t = start_ns + 5 * MS * np.arange(4000)
    good = 0.4 * np.sin(2e-9 * (t - start_ns))
    robot = joints()
    robot.feed(t, np.where(rng.random(t.size) < 0.5, rng.uniform(-3.0, 3.0, t.size), good))
    assert learnt(robot)[0] < 1e-3


def test_a_fixed_filter_learns_nothing(joints: Any, start_ns: int) -> None:
    rng = np.random.default_rng(2)
    t = start_ns + 4 * MS * np.arange(1000)
    robot = joints(settings={"adapt": False})
    robot.feed(t, 1.5 * np.sin(6e-9 * (t + rng.normal(0.0, 1e6, t.size) - start_ns)))
    assert learnt(robot)[0] <= 1e-4
