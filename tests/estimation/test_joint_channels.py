"""The velocity channel: used while it tells the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twind.estimation.joint_channels import DISABLED, OFF, USED

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MS = 1_000_000
SECOND = 1_000_000_000


@pytest.fixture(scope="session")
def measured(data_dir: Path) -> Callable[[str], tuple[np.ndarray, np.ndarray]]:
    """Load the velocities that the machine itself reported, (M, 2) [rad/s]."""

    def load(name: str) -> np.ndarray:
        path = data_dir / "logs" / "double_pendulum" / f"{name}.csv"
        table = np.genfromtxt(path, delimiter=",", names=True)
        return np.stack([table["vel_meas1"], table["vel_meas2"]], axis=1)

    return load


def arm(start_ns: int, count: int = 2500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    t = start_ns + 4 * MS * np.arange(count)
    s = (t - start_ns) * 1e-9
    return t, 0.4 * np.sin(1.3 * s) + 0.2 * np.sin(3.1 * s), 0.52 * np.cos(1.3 * s) + 0.62 * np.cos(3.1 * s)


@pytest.mark.parametrize("factor", [-1.0, 10.0, 0.1, 57.3])
def test_a_lying_channel_is_never_believed_and_soon_disabled(joints: Any, start_ns: int, factor: float) -> None:
    t, z, v = arm(start_ns)
    robot, plain = joints(settings={"velocity_std": 0.05}), joints()
    soon = t - start_ns < 5 * SECOND
    robot.feed(t[soon], z[soon], rates=factor * v[soon])
    assert robot.bank.channels.tolist() == [DISABLED]
    robot.feed(t[~soon], z[~soon], rates=factor * v[~soon])
    plain.feed(t, z)
    assert robot.bank.channels.tolist() == [DISABLED]
    assert robot.predict(int(t[-1]) + 50 * MS)[0] == plain.predict(int(t[-1]) + 50 * MS)[0]


@pytest.mark.parametrize("factor", [-1.0, 10.0])
def test_a_channel_that_begins_to_lie_is_disabled_within_seconds(joints: Any, start_ns: int, factor: float) -> None:
    t, z, v = arm(start_ns)
    robot = joints(settings={"velocity_std": 0.05})
    lying = t - start_ns > 3 * SECOND
    robot.feed(t[~lying], z[~lying], rates=v[~lying])
    assert robot.bank.channels.tolist() == [USED]
    part = lying & (t - start_ns < 8 * SECOND)
    robot.feed(t[part], z[part], rates=factor * v[part])
    assert robot.bank.channels.tolist() == [DISABLED]
    assert robot.finite()


def test_a_disabled_channel_comes_back_only_after_long_agreement(joints: Any, start_ns: int) -> None:
    t, z, v = arm(start_ns, 6000)
    robot = joints(settings={"velocity_std": 0.05})
    lying = t - start_ns < 4 * SECOND
    rates = np.where(lying, -v, v)
    early = t - start_ns < 7 * SECOND
    robot.feed(t[early], z[early], rates=rates[early])
    assert robot.bank.channels.tolist() == [DISABLED]
    robot.feed(t[~early], z[~early], rates=rates[~early])
    assert robot.bank.channels.tolist() == [USED]


@pytest.mark.parametrize("log", ["sys_id_01", "sys_id_03"])
def test_an_honest_channel_is_never_disabled_and_does_no_harm(
    joints: Any,
    pendulum: Callable[[str], tuple[np.ndarray, np.ndarray]],
    measured: Callable[[str], np.ndarray],
    log: str,
) -> None:
    t, z = pendulum(log)
    v = measured(log)
    robot = joints(2, settings={"velocity_std": 0.3})
    for part in np.array_split(np.arange(t.size), 100):
        robot.feed(t[part], z[part], rates=v[part])
        assert not (robot.bank.channels == DISABLED).any()
    assert not robot.bank.resets.any()


@pytest.mark.parametrize("acceleration", [0.3, 3.0, 60.0])
@pytest.mark.parametrize("rate_hz", [50, 250])
@pytest.mark.parametrize("fault", ["noise", "steps", "20 ms late", "low-passed"])
def test_a_velocity_that_is_honest_and_poor_is_never_disabled(
    joints: Any, start_ns: int, acceleration: float, rate_hz: int, fault: str
) -> None:
    rng = np.random.default_rng(3)
    t = start_ns + SECOND // rate_hz * np.arange(12 * rate_hz)
    s = (t - start_ns) * 1e-9
    pace = (acceleration / 0.3) ** 0.5

    def speed(s: np.ndarray) -> np.ndarray:
        return 0.3 * pace * np.cos(pace * s)

    v = speed(s)
    if fault == "noise":
        v += rng.normal(0.0, 0.05, v.size)
    elif fault == "steps":
        v = np.round(v / 0.02) * 0.02
    elif fault == "20 ms late":
        v = speed(s - 0.02)
    else:
        for i in range(1, v.size):
            v[i] = v[i - 1] + (v[i] - v[i - 1]) / (1.0 + 0.02 * rate_hz)
    robot = joints(settings={"velocity_std": 0.05})
    for part in np.array_split(np.arange(t.size), 50):
        robot.feed(t[part], 0.3 * np.sin(pace * s)[part], rates=v[part])
        assert robot.bank.channels[0] != DISABLED
    assert robot.bank.channels.tolist() == [USED]
    assert not robot.bank.resets.any()


@pytest.mark.parametrize("factor", [-1.0, 10.0])
def test_a_lying_channel_of_a_slow_joint_is_disabled_too(joints: Any, start_ns: int, factor: float) -> None:
    t = start_ns + 10 * MS * np.arange(500)
    s = (t - start_ns) * 1e-9
    robot = joints(settings={"velocity_std": 0.05})
    robot.feed(t, 0.1 * np.sin(0.8 * s), rates=factor * 0.08 * np.cos(0.8 * s))
    assert robot.bank.channels.tolist() == [DISABLED]


def test_a_channel_that_was_not_asked_for_or_not_sent_is_off(joints: Any, start_ns: int) -> None:
    t, z, v = arm(start_ns, 500)
    unasked, unsent = joints(), joints(settings={"velocity_std": 0.05})
    unasked.feed(t, z, rates=v)
    unsent.feed(t, z, rates=np.full(z.size, np.nan))
    assert unasked.bank.channels.tolist() == unsent.bank.channels.tolist() == [OFF]
