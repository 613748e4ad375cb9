"""Frozen sources: fresh stamps and the same numbers, told from machines that stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

MS = 1_000_000
SECOND = 1_000_000_000


def stamps(start_ns: int, seconds: float, rate_hz: int) -> np.ndarray:
    return start_ns + SECOND // rate_hz * np.arange(round(seconds * rate_hz))


def repeating(z: np.ndarray, begin: int) -> np.ndarray:
    """Return what a source sends that repeats one sample for ever."""
    return np.concatenate([z[: begin + 1], np.repeat(z[begin : begin + 1], z.shape[0] - begin - 1, axis=0)])


def stop(s: np.ndarray, at: Any, speed: Any, braking: float) -> np.ndarray:
    """Return the positions of a joint that brakes to a stand."""
    way = np.clip(s - at, 0.0, speed / braking)
    z: np.ndarray = speed * np.minimum(s, at) + speed * way - 0.5 * braking * way**2
    return z


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


@pytest.mark.parametrize(
    ("rate_hz", "speed", "quantum"),
    [
        (10, 0.5, 1e-4),
        (50, 0.2, 1e-4),
        (100, 0.1, 1e-5),
        (125, 0.4, 0.0),
        (250, 0.1, 1e-5),
        (500, 0.05, 1e-6),
        (1000, 1.0, 1e-3),
    ],
)
def test_a_slow_arm_is_frozen_when_its_numbers_repeat_in_motion(
    joints: Any, start_ns: int, rate_hz: int, speed: float, quantum: float
) -> None:
    t = stamps(start_ns, 3.0, rate_hz)
    z = speed * (t - start_ns) * 1e-9
    z = repeating(np.round(z / quantum) * quantum if quantum else z, 2 * rate_hz - 1)
    robot = joints()
    robot.feed(t, z)
    assert robot.bank.frozen.tolist() == [1]
    robot.feed(t[-1] + SECOND // rate_hz, z[-1] + 1e-6)
    assert robot.bank.frozen.tolist() == [0]


@pytest.mark.parametrize("rate_hz", [10, 50, 125, 500])
@pytest.mark.parametrize("braking", [2.0, 10.0, 25.0])
@pytest.mark.parametrize("quantum", [1e-5, 1e-4, 1e-3])
def test_a_joint_that_brakes_is_not_frozen(joints: Any, start_ns: int, rate_hz: int, braking: float, quantum: float) -> None:
    rng = np.random.default_rng(6)
    n = 20
    t = stamps(start_ns, 3.0, rate_hz)
    s = ((t - start_ns) * 1e-9)[:, None]
    z = stop(s, rng.uniform(1.2, 1.4, n), rng.uniform(0.05, 2.0, n), braking)
    robots = [joints() for _ in range(n)]
    for robot, column in zip(robots, z.T, strict=True):
        robot.feed(t, np.round(column / quantum) * quantum)
    assert [robot.bank.frozen[0] for robot in robots] == [0] * n


@pytest.mark.parametrize(("rate_hz", "quantum"), [(25, 1e-5), (50, 1e-4), (100, 1e-4)])
def test_the_axes_of_a_slow_arm_tell_together_that_it_froze(joints: Any, start_ns: int, rate_hz: int, quantum: float) -> None:
    rng = np.random.default_rng(12)
    t = stamps(start_ns, 4.0, rate_hz)
    s = ((t - start_ns) * 1e-9)[:, None]
    for _ in range(10):
        rate = rng.uniform(0.3, 0.8, 7)
        z = rng.uniform(0.1, 0.3, 7) / rate * np.sin(rate * s + rng.uniform(0.0, 6.28, 7))
        robot = joints(7)
        robot.feed(t, repeating(np.round(z / quantum) * quantum, int(rng.integers(2 * rate_hz, 3 * rate_hz))))
        assert robot.bank.frozen.tolist() == [1] * 7


@pytest.mark.parametrize("rate_hz", [10, 50, 125, 500, 1000])
@pytest.mark.parametrize("quantum", [1e-5, 1e-4, 1e-3])
def test_axes_that_brake_to_one_instant_are_not_frozen(joints: Any, start_ns: int, rate_hz: int, quantum: float) -> None:
    rng = np.random.default_rng(13)
    t = stamps(start_ns, 3.0, rate_hz)
    s = ((t - start_ns) * 1e-9)[:, None]
    for _ in range(10):
        speed = rng.uniform(0.05, 2.0, 7)
        z = stop(s, rng.uniform(1.4, 1.6) - speed / 10.0, speed, 10.0)
        robot = joints(7)
        robot.feed(t, np.round(z / quantum) * quantum)
        assert not robot.bank.frozen.any()


def test_a_machine_that_stops_harder_than_others_is_mistaken_once(joints: Any, start_ns: int) -> None:
    t = stamps(start_ns, 16.0, 250)
    s = (t - start_ns) * 1e-9
    z = np.round(0.8 * (np.minimum(s % 4.0, 2.0) + 2.0 * (s // 4.0)) / 1e-5) * 1e-5  # two seconds of motion, two of rest
    robot = joints()
    frozen = []
    for second in np.array_split(np.arange(t.size), 16):
        robot.feed(t[second], z[second])
        frozen.append(robot.bank.frozen[0])
    assert frozen == [0, 0, 1, 1, *[0] * 12]


@pytest.mark.parametrize("speed", [0.0, 0.002])
def test_an_encoder_that_dithers_at_rest_is_frozen_when_it_no_longer_does(joints: Any, start_ns: int, speed: float) -> None:
    rng = np.random.default_rng(7)
    t = stamps(start_ns, 8.0, 100)
    s = (t - start_ns) * 1e-9
    z = np.round((0.3 + speed * np.maximum(s - 5.0, 0.0) + rng.normal(0.0, 2e-5, t.size)) / 1e-6) * 1e-6
    honest, frozen = joints(), joints()
    honest.feed(t, z)
    frozen.feed(t, repeating(z, 650))
    assert (honest.bank.frozen[0], frozen.bank.frozen[0]) == (0, 1)


@pytest.mark.parametrize("noise", [0.0, 0.1, 0.3, 0.6])
def test_an_encoder_that_flickers_between_two_steps_may_stop_doing_so(joints: Any, start_ns: int, noise: float) -> None:
    rng = np.random.default_rng(8)
    t = stamps(start_ns, 30.0, 100)
    between = (t - start_ns) // (6 * SECOND) % 2 == 0  # at the edge of a step, and in its middle
    z = 1e-4 * np.round(np.where(between, 500.5, 501.0) + np.where(between, noise, 0.1 * noise) * rng.normal(size=t.size))
    robot = joints()
    for part in np.array_split(np.arange(t.size), 60):
        robot.feed(t[part], z[part])
        assert robot.bank.frozen.tolist() == [0]


@pytest.mark.parametrize("settings", [{}, {"velocity_std": 0.05}])
def test_a_velocity_that_is_repeated_tells_of_a_slow_joint_that_froze(
    joints: Any, start_ns: int, settings: dict[str, float]
) -> None:
    t = stamps(start_ns, 8.0, 100)
    s = (t - start_ns) * 1e-9
    z = np.where(s < 5.0, 0.5 * np.sin(2.0 * s), 0.5 * np.sin(10.0) + 0.03 * (s - 5.0))
    v = np.where(s < 5.0, np.cos(2.0 * s), 0.03)
    z = np.round(z / 1e-3) * 1e-3
    first = 600 + int(np.flatnonzero(np.diff(z[600:]) != 0.0)[0]) + 1
    told, untold = joints(settings=settings), joints(settings=settings)
    told.feed(t, repeating(z, first), rates=repeating(v, first))
    untold.feed(t, repeating(z, first))
    assert (told.bank.frozen[0], untold.bank.frozen[0]) == (1, 0)
    honest = joints(settings=settings)
    honest.feed(t, z, rates=v)
    assert honest.bank.frozen.tolist() == [0]


def swing(rng: np.random.Generator, s: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return seven axes that swing with top speeds from `low` to `high`."""
    rate = rng.uniform(0.3, 0.8, 7)
    z: np.ndarray = rng.uniform(low, high, 7) / rate * np.sin(rate * s[:, None] + rng.uniform(0.0, 6.28, 7))
    return z


def ever_frozen(robot: Any, t: np.ndarray, z: np.ndarray, **more: np.ndarray) -> bool:
    """Say whether any joint is called frozen at any time, looked at eight times a second."""
    ever = False
    for part in np.array_split(np.arange(t.size), max(int((t[-1] - t[0]) * 8e-9), 1)):
        robot.feed(t[part], z[part], **{name: column[part] for name, column in more.items()})
        ever = ever or bool(robot.bank.frozen.any())
    return ever


@pytest.mark.parametrize("rate_hz", [10, 50, 500])
def test_a_slow_arm_with_coarse_encoders_that_sends_velocities_is_told_when_it_freezes(
    joints: Any, start_ns: int, rate_hz: int
) -> None:
    rng = np.random.default_rng(15)
    t = stamps(start_ns, 4.0, rate_hz)
    s = (t - start_ns) * 1e-9
    told = 0
    for _ in range(10):
        z = swing(rng, s, 0.1, 0.3)
        v = np.gradient(z, s, axis=0)
        cut = int(rng.integers(2 * rate_hz, 3 * rate_hz))
        robot = joints(7)
        robot.feed(t, repeating(np.round(z / 1e-3) * 1e-3, cut), rates=repeating(v, cut))
        told += robot.bank.frozen.all()
    assert told >= 9


@pytest.mark.parametrize("rate_hz", [10, 50, 500])
def test_a_robot_that_stops_at_once_and_says_so_is_never_frozen(joints: Any, start_ns: int, rate_hz: int) -> None:
    rng = np.random.default_rng(16)
    t = stamps(start_ns, 5.0, rate_hz)
    s = (t - start_ns) * 1e-9
    for _ in range(5):
        z = swing(rng, s, 0.3, 1.0)
        v = np.gradient(z, s, axis=0)
        cut = int(rng.integers(2 * rate_hz, 3 * rate_hz))
        z, v = repeating(z, cut), v * (np.arange(t.size) <= cut)[:, None]
        assert not ever_frozen(joints(7), t, z, rates=v)
        v[cut + 1 :] = rng.normal(0.0, 1e-3, (t.size - cut - 1, 7))
        assert not ever_frozen(joints(7), t, z, rates=v)


@pytest.mark.parametrize("rate_hz", [10, 50, 100])
@pytest.mark.parametrize("quantum", [1e-5, 1e-4])
def test_a_robot_that_stops_at_once_between_two_messages_is_not_frozen(
    joints: Any, start_ns: int, rate_hz: int, quantum: float
) -> None:
    rng = np.random.default_rng(17)
    t = stamps(start_ns, 5.0, rate_hz)
    s = (t - start_ns) * 1e-9
    for _ in range(10):
        at = 2.5 + rng.uniform(0.2, 0.8) / rate_hz  # no message is within a fifth of an interval
        z = np.round(rng.uniform(0.3, 1.5, 7) * np.minimum(s, at)[:, None] / quantum) * quantum
        assert not ever_frozen(joints(7), t, z)


@pytest.mark.parametrize("quantum", [1e-5, 1e-4, 1e-3])
def test_seven_axes_that_brake_hard_to_one_instant_are_not_frozen(joints: Any, start_ns: int, quantum: float) -> None:
    rng = np.random.default_rng(18)
    t = stamps(start_ns, 3.0, 500)
    s = ((t - start_ns) * 1e-9)[:, None]
    told = 0
    for _ in range(20):
        speed = rng.uniform(0.05, 2.0, 7)
        z = stop(s, rng.uniform(1.4, 1.6) - speed / 25.0, speed, 25.0)
        told += ever_frozen(joints(7), t, np.round(z / quantum) * quantum)
    assert told <= 1


@pytest.mark.parametrize("rate_hz", [10, 100])
def test_an_encoder_that_is_noisy_cannot_repeat_itself(joints: Any, start_ns: int, rate_hz: int) -> None:
    rng = np.random.default_rng(19)
    t = stamps(start_ns, 5.0, rate_hz)
    z = 0.3 + 1e-4 * rng.normal(size=t.size)
    robot = joints()
    robot.feed(t, repeating(z, 4 * rate_hz - 1))
    assert robot.bank.frozen.tolist() == [1]
    assert not ever_frozen(joints(), t, z)


def test_one_encoder_that_dies_is_told_while_the_others_go_on(joints: Any, start_ns: int) -> None:
    t = stamps(start_ns, 4.0, 100)
    s = ((t - start_ns) * 1e-9)[:, None]
    z = np.round(np.sin(s * [0.5, 0.8, 1.1] + [0.1, 0.2, 0.3]) / 1e-5) * 1e-5
    z[251:, 1] = z[250, 1]
    robot = joints(3)
    robot.feed(t[:351], z[:351])
    assert robot.bank.frozen.tolist() == [0, 1, 0]
    assert robot.bank.live_ns.tolist() == [t[350], t[250], t[350]]
    robot.feed(t[351], np.round(np.sin(3.51 * np.array([0.5, 0.8, 1.1]) + [0.1, 0.2, 0.3]) / 1e-5) * 1e-5)
    assert robot.bank.frozen.tolist() == [0, 0, 0]


@pytest.mark.parametrize("braking", [10.0, 25.0])
@pytest.mark.parametrize("rate_hz", [10, 100, 500])
def test_one_axis_that_brakes_while_the_others_go_on_is_not_dead(
    joints: Any, start_ns: int, rate_hz: int, braking: float
) -> None:
    rng = np.random.default_rng(20)
    t = stamps(start_ns, 4.0, rate_hz)
    s = (t - start_ns) * 1e-9
    for _ in range(5):
        z = swing(rng, s, 0.3, 1.0)
        z[:, 3] = stop(s, rng.uniform(2.0, 2.3), rng.uniform(0.1, 1.5), braking)
        assert not ever_frozen(joints(7), t, np.round(z / 1e-4) * 1e-4)
