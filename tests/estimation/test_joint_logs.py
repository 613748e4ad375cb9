"""The default settings on the log of a real machine: the state equals the measurement at the state's own stamp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twind.config.settings import JointSettings

if TYPE_CHECKING:
    from collections.abc import Callable

BAR = 3e-3  # rad
LOGS = ["sys_id_01", "sys_id_03"]


def defaults() -> dict[str, float]:
    shipped = JointSettings()
    return {
        "position_std": shipped.position_std_rad,
        "jerk_noise": shipped.jerk_noise,
        "adapt": shipped.adapt,
        "tau_s": shipped.acceleration_tau_s,
        "stamp_std_s": shipped.stamp_std_ms * 1e-3,
    }


def excursion(robot: Any, t: np.ndarray, z: np.ndarray) -> float:
    """Largest difference of state and measurement, both at the state's own stamp [rad]."""
    estimated, stamps = robot.track(t, z)
    return max(float(np.abs(estimated[:, j] - np.interp(stamps[:, j], t, z[:, j])).max()) for j in range(z.shape[1]))


@pytest.mark.parametrize("every", [1, 2, 5, 10])  # 500, 250, 100 and 50 Hz
@pytest.mark.parametrize("log", LOGS)
def test_the_state_equals_the_measurement_from_the_first_sample(
    joints: Any, pendulum: Callable[[str], tuple[np.ndarray, np.ndarray]], log: str, every: int
) -> None:
    t, z = pendulum(log)
    robot = joints(2, settings=defaults())
    assert excursion(robot, t[::every], z[::every]) < BAR
    assert not robot.bank.resets.any()


@pytest.mark.parametrize("log", LOGS)
def test_it_does_so_with_jittered_stamps(
    joints: Any, pendulum: Callable[[str], tuple[np.ndarray, np.ndarray]], log: str
) -> None:
    t, z = pendulum(log)
    jitter = np.random.default_rng(3).normal(0.0, 1e5, t.size).astype(np.int64)
    assert excursion(joints(2, settings=defaults()), np.maximum.accumulate(t + jitter), z) < BAR


@pytest.mark.parametrize("log", LOGS)
def test_it_does_so_when_it_starts_in_mid_motion(
    joints: Any, pendulum: Callable[[str], tuple[np.ndarray, np.ndarray]], log: str
) -> None:
    t, z = pendulum(log)
    for begin in range(150, 4900, 250):
        part = slice(begin, begin + 60)
        assert excursion(joints(2, settings=defaults()), t[part], z[part]) < BAR


@pytest.mark.parametrize("log", LOGS)
def test_outliers_and_loss_do_not_carry_it_away(
    joints: Any, pendulum: Callable[[str], tuple[np.ndarray, np.ndarray]], log: str
) -> None:
    t, z = pendulum(log)
    rng = np.random.default_rng(7)
    kept = rng.random(t.size) > 0.1
    t, z = t[kept], z[kept]
    dirty = z.copy()
    bad = rng.random(z.shape) < 0.02
    dirty[bad] = rng.uniform(-6.0, 6.0, int(bad.sum()))
    robot = joints(2, settings=defaults())
    estimated, stamps = robot.track(t, dirty)
    worst = max(float(np.abs(estimated[:, j] - np.interp(stamps[:, j], t, z[:, j])).max()) for j in range(2))
    # An outlier that the gate cannot tell from motion may shift the state; it is within 6 sigma of the truth then.
    assert worst < 2 * BAR


@pytest.mark.parametrize(("log", "bars"), [("sys_id_03", (0.067, 0.12, 0.24)), ("sys_id_01", (0.07, 0.15, 0.34))])
def test_prediction_beats_holding_the_last_value(
    joints: Any,
    pendulum: Callable[[str], tuple[np.ndarray, np.ndarray]],
    log: str,
    bars: tuple[float, float, float],
) -> None:
    t, z = pendulum(log)
    horizons = (20_000_000, 50_000_000, 100_000_000)
    robot = joints(2, settings=defaults())
    predicted = np.zeros((3, *z.shape))
    for i in range(t.size):
        robot.feed(t[i : i + 1], z[i : i + 1])
        for k, horizon in enumerate(horizons):
            predicted[k, i] = robot.predict(int(t[i]) + horizon)[0]
    for k, horizon in enumerate(horizons):
        ahead = t + horizon <= t[-1]
        truth = np.stack([np.interp(t + horizon, t, z[:, j]) for j in range(2)], axis=1)
        ours = np.sqrt(((predicted[k] - truth)[ahead] ** 2).mean())
        held = np.sqrt(((z - truth)[ahead] ** 2).mean())
        assert ours <= bars[k] * held
