"""One default for every machine: prediction within 1.3 times the best fixed noise found for that very log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twind.config.settings import JointSettings

if TYPE_CHECKING:
    from collections.abc import Callable

MS = 1_000_000
HORIZONS = (20 * MS, 50 * MS, 100 * MS)
TOLD = 300 * MS
"""How much of a log any filter may use before it is judged [ns]."""


def shipped(**changes: Any) -> dict[str, Any]:
    defaults = JointSettings()
    return {
        "position_std": defaults.position_std_rad,
        "jerk_noise": defaults.jerk_noise,
        "adapt": defaults.adapt,
        "tau_s": defaults.acceleration_tau_s,
        "stamp_std_s": defaults.stamp_std_ms * 1e-3,
        **changes,
    }


def errors(
    joints: Any, t: np.ndarray, z: np.ndarray, truth: Callable[[np.ndarray], np.ndarray], settings: dict[str, Any]
) -> np.ndarray:
    """Root mean square of the causal prediction error at each horizon, as a fraction of hold-last's."""
    robot = joints(settings=settings)
    predicted = np.zeros((len(HORIZONS), t.size))
    for i in range(t.size):
        robot.feed(t[i], z[i])
        for k, horizon in enumerate(HORIZONS):
            predicted[k, i] = robot.predict(int(t[i]) + horizon)[0][0]
    ratios = []
    for k, horizon in enumerate(HORIZONS):
        judged = (t > t[0] + TOLD) & (t + horizon <= t[-1])
        later = truth(t + horizon)
        ratios.append(np.sqrt(((predicted[k] - later)[judged] ** 2).mean() / ((z - later)[judged] ** 2).mean()))
    return np.array(ratios)


def best_fixed(joints: Any, t: np.ndarray, z: np.ndarray, truth: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Least error at each horizon over a grid of one-model filters."""
    return np.min(
        [
            errors(joints, t, z, truth, shipped(adapt=False, jerk_noise=jerk, stamp_std_s=stamp))
            for jerk in (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
            for stamp in (1e-4, 1e-3)
        ],
        axis=0,
    )


@pytest.mark.parametrize("column", [0, 1])
@pytest.mark.parametrize("log", ["sys_id_01", "sys_id_03"])
def test_a_fast_pendulum_is_predicted_almost_as_by_the_best_fixed_filter(
    joints: Any, pendulum: Callable[[str], tuple[np.ndarray, np.ndarray]], log: str, column: int
) -> None:
    t, z = pendulum(log)
    t, z = t[:2000:2], z[:2000:2, column]
    ours, best = (found(t, z) for found in _searches(joints, lambda at: np.interp(at, t, z)))
    assert (ours <= 1.3 * best).all()


@pytest.mark.parametrize(
    ("rate", "quantum", "noise", "jitter", "size", "pace", "bar"),
    [
        (250, 1e-4, 0.0, 1e-4, 0.5, 0.3, 0.05),
        (250, 4e-4, 0.0, 1e-4, 0.5, 0.3, 0.05),
        (250, 4e-4, 0.0, 1e-4, 0.2, 0.1, 0.1),
        (100, 0.0, 1e-3, 1e-4, 0.5, 0.5, 0.15),
        (250, 1e-4, 0.0, 1e-3, 0.5, 0.3, 0.15),
    ],
)
def test_a_slow_arm_is_predicted_almost_as_by_the_best_fixed_filter(
    joints: Any, start_ns: int, *, rate: int, quantum: float, noise: float, jitter: float, size: float, pace: float, bar: float
) -> None:
    rng = np.random.default_rng(1)
    hz, phase, width = rng.uniform(0.05, pace, 6), rng.uniform(0.0, 6.3, 6), 0.5 * size * rng.uniform(0.2, 1.0, 6)

    def truth(at: np.ndarray) -> np.ndarray:
        s = (at - start_ns) * 1e-9
        return (width[:, None] * np.sin(2.0 * np.pi * hz[:, None] * s + phase[:, None])).sum(axis=0)

    taken = start_ns + 1_000_000_000 // rate * np.arange(4 * rate)
    z = truth(taken) + rng.normal(0.0, noise, taken.size)
    z = np.round(z / quantum) * quantum if quantum else z
    t = np.unique(taken + np.rint(rng.normal(0.0, 1e9 * jitter, taken.size)).astype(np.int64))
    ours, best = (found(t, z) for found in _searches(joints, truth))
    assert (ours <= 1.3 * best).all()
    assert (ours <= bar).all()


@pytest.mark.parametrize("jitter", [1e-3, 3e-3])
@pytest.mark.parametrize("seed", [0, 1])
def test_an_arm_with_badly_jittered_stamps_is_predicted_almost_as_by_the_best_fixed_filter(
    joints: Any, start_ns: int, jitter: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    way = np.cumsum(rng.choice([-1.0, 1.0], 9) * rng.uniform(0.5, 1.5, 9))  # of minimum jerk, between stops
    s = np.arange(0.0, 14.0, 1e-3)
    u = np.clip((s[:, None] - 1.6 * np.arange(8)) / 1.5, 0.0, 1.0)
    p = (np.diff(way) * (10.0 * u**3 - 15.0 * u**4 + 6.0 * u**5)).sum(axis=1)

    def truth(at: np.ndarray) -> np.ndarray:
        return np.interp((at - start_ns) * 1e-9, s, p)

    taken = start_ns + 10 * MS * np.arange(1300)
    z = np.round(truth(taken) / 1e-4) * 1e-4
    t = taken + np.rint(rng.normal(0.0, 1e9 * jitter, taken.size)).astype(np.int64)
    fresh = np.diff(np.maximum.accumulate(t), prepend=0) > 0
    ours, best = (
        errors(joints, t[fresh], z[fresh], truth, shipped(velocity_limit=3.14)),
        np.min(
            [
                errors(joints, t[fresh], z[fresh], truth, shipped(adapt=False, jerk_noise=jerk, stamp_std_s=stamp))
                for jerk in (3.0, 10.0, 30.0, 100.0)
                for stamp in (1e-3, 3e-3, 1e-2)
            ],
            axis=0,
        ),
    )
    assert (ours <= 1.3 * best).all()


def _searches(joints: Any, truth: Callable[[np.ndarray], np.ndarray]) -> tuple[Callable[..., np.ndarray], ...]:
    return (
        lambda t, z: errors(joints, t, z, truth, shipped()),
        lambda t, z: best_fixed(joints, t, z, truth),
    )


def test_the_model_follows_the_machine_both_ways(joints: Any, start_ns: int) -> None:
    t = start_ns + 4 * MS * np.arange(2500)
    s = (t - start_ns) * 1e-9
    slow, fast = 0.3 * np.sin(0.8 * s), 0.3 * np.sin(0.8 * s) + 0.5 * np.sin(14.0 * s)
    rng = np.random.default_rng(3)
    noise = rng.normal(0.0, 3e-4, t.size)
    robot = joints()
    robot.feed(t[:1000], (slow + noise)[:1000])
    calm = robot.bank.model[0]
    robot.feed(t[1000:1500], (fast + noise)[1000:1500])
    wild = robot.bank.model[0]
    robot.feed(t[1500:], (slow + noise)[1500:])
    assert calm < 0.1 * wild
    assert robot.bank.model[0] < 0.1 * wild


def test_a_slow_arm_with_a_noisy_encoder_is_shown_better_than_measured(joints: Any, start_ns: int) -> None:
    rng = np.random.default_rng(5)
    t = start_ns + 10 * MS * np.arange(2000)
    s = (t - start_ns) * 1e-9
    truth = 0.25 * np.sin(1.9 * s) + 0.15 * np.sin(5.0 * s + 1.0) + 0.1 * np.sin(0.7 * s)
    z = truth + rng.normal(0.0, 1e-3, t.size)
    estimated, _ = joints(settings=shipped()).track(t, z[:, None])
    assert np.sqrt(((estimated[:, 0] - truth) ** 2).mean()) < 0.75 * np.sqrt(((z - truth) ** 2).mean())
