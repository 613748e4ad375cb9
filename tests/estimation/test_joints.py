from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from twind.estimation import NO_VERDICT, JointBank
from twind.model.estimates import Verdict
from twind.model.time import NO_STAMP

MS = 1_000_000
SECOND = 1_000_000_000


def swing(t: np.ndarray) -> np.ndarray:
    """A slow arm: 0.5 rad, below 1 Hz."""
    s = (t - t[0]) * 1e-9
    return 0.25 * np.sin(1.9 * s) + 0.15 * np.sin(5.0 * s + 1.0) + 0.1 * np.sin(0.7 * s)


def settle(robot: Any, start_ns: int, value: float = 0.0, count: int = 50) -> int:
    """Feed a still joint at 100 Hz; return the last stamp."""
    t = start_ns + 10 * MS * np.arange(count)
    robot.feed(t, np.full((count, robot.n), value))
    return int(t[-1])


def test_the_first_sample_is_the_position_and_says_nothing_about_motion(joints: Any, start_ns: int) -> None:
    robot = joints(2)
    verdict, nis = robot.feed(start_ns, [0.3, -0.4])
    assert verdict.tolist() == [[Verdict.ACCEPTED, Verdict.ACCEPTED]]
    assert np.isnan(nis).all()
    position, velocity, std = robot.predict()
    assert position.tolist() == [0.3, -0.4]
    assert velocity.tolist() == [0.0, 0.0]
    assert std == pytest.approx([1e-3, 1e-3])
    assert robot.bank.last_ns.tolist() == [start_ns, start_ns]


def test_a_joint_never_seen_shows_its_rest_position_and_no_confidence(joints: Any, start_ns: int) -> None:
    robot = joints(1, settings={"rest": 0.6})
    assert robot.predict(start_ns) == (0.6, 0.0, math.inf)
    assert robot.bank.last_ns[0] == NO_STAMP


def test_velocity_is_found_within_a_few_samples(joints: Any, start_ns: int) -> None:
    robot = joints(settings={"position_std": 1e-4})
    t = start_ns + 5 * MS * np.arange(6)
    robot.feed(t, 3.0 * (t - start_ns) * 1e-9)
    assert robot.predict()[1][0] == pytest.approx(3.0, rel=0.02)


@pytest.mark.parametrize(("noise", "ratio"), [({"jerk_noise": 10.0}, 0.8), ({}, 0.99)])
def test_a_slow_arm_is_estimated_better_than_measured(
    joints: Any, start_ns: int, noise: dict[str, float], ratio: float
) -> None:
    rng = np.random.default_rng(5)
    t = start_ns + 10 * MS * np.arange(3000)
    truth = swing(t)
    measured = truth + rng.normal(0.0, 1e-3, t.size)
    robot = joints(settings=noise)
    estimated, _ = robot.track(t, measured[:, None])
    raw = math.sqrt(((measured - truth) ** 2).mean())
    assert math.sqrt(((estimated[:, 0] - truth) ** 2).mean()) < ratio * raw


def test_honest_noise_is_as_consistent_as_the_model_says(joints: Any, start_ns: int) -> None:
    rng = np.random.default_rng(6)
    noise = {"jerk_noise": 20.0, "stamp_std_s": 0.0, "adapt": False}
    robot = joints(200, settings=noise)
    F, L = _exact_model(0.01, 20.0)
    x = np.zeros((200, 3))
    accepted, squares = [], []
    for k in range(300):
        x = x @ F.T + rng.normal(size=(200, 3)) @ L.T
        verdict, nis = robot.feed(start_ns + 10 * MS * k, x[:, 0] + rng.normal(0.0, 1e-3, 200))
        if k > 20:
            accepted.append((verdict == Verdict.ACCEPTED).mean())
            squares.append(nis.mean())
    assert np.mean(squares) == pytest.approx(1.0, abs=0.03)
    assert np.mean(accepted) == pytest.approx(0.999, abs=0.0007)


def _exact_model(T: float, jerk: float) -> tuple[np.ndarray, np.ndarray]:
    from twind.estimation.singer import singer

    f1, f2, f3, q11, q12, q13, q22, q23, q33 = singer(T, 2.0)
    Q = jerk**2 * np.array([[q11, q12, q13], [q12, q22, q23], [q13, q23, q33]])
    return np.array([[1.0, T, f1], [0.0, 1.0, f2], [0.0, 0.0, f3]]), np.linalg.cholesky(Q)


def test_stamp_jitter_is_measurement_noise_in_proportion_to_speed(joints: Any, start_ns: int) -> None:
    t = start_ns + 5 * MS * np.arange(200)
    turning = 8.0 * (t - start_ns) * 1e-9
    stds = []
    for values, sigma in ((turning, 0.0), (turning, 2e-3), (np.zeros(200), 2e-3)):
        robot = joints(settings={"stamp_std_s": 0.0, "jerk_noise": 20.0})
        robot.feed(t, values, sigma=sigma)
        stds.append(robot.predict()[2][0])
    moving, moving_late, still_late = stds
    assert moving_late > 1.5 * moving
    assert still_late < 1.1 * moving


def test_one_outlier_changes_nothing(joints: Any, start_ns: int) -> None:
    robot = joints()
    last = settle(robot, start_ns)
    before = robot.bank._tracks.copy()
    verdict, nis = robot.feed(last + 10 * MS, 0.5)
    assert verdict[0, 0] == Verdict.GATED
    assert nis[0, 0] > 11
    for name in ("t_ns", "x", "still"):
        assert np.array_equal(robot.bank._tracks[name], before[name])


def test_three_rejections_that_agree_with_each_other_win(joints: Any, start_ns: int) -> None:
    robot = joints()
    last = settle(robot, start_ns)
    t = last + 10 * MS * np.arange(1, 6)
    verdict, _ = robot.feed(t, np.full(5, 0.8))
    assert verdict[:, 0].tolist() == [Verdict.GATED, Verdict.GATED, Verdict.RESET, Verdict.ACCEPTED, Verdict.ACCEPTED]
    assert robot.predict()[0][0] == pytest.approx(0.8, abs=1e-3)
    assert robot.bank.resets.tolist() == [1]


def test_rejections_that_contradict_each_other_never_win(joints: Any, start_ns: int) -> None:
    robot = joints()
    last = settle(robot, start_ns)
    rng = np.random.default_rng(2)
    verdict, _ = robot.feed(last + 5 * MS * np.arange(1, 31), rng.uniform(10.0, 1e6, 30))
    assert set(verdict[:, 0].tolist()) == {Verdict.GATED}
    assert robot.bank.resets.tolist() == [0]


def test_a_reset_takes_over_the_motion_that_the_rejected_samples_show(joints: Any, start_ns: int) -> None:
    robot = joints()
    last = settle(robot, start_ns)
    t = last + 5 * MS * np.arange(1, 4)
    verdict, _ = robot.feed(t, 1.0 + 4.0 * (t - last) * 1e-9)
    assert verdict[-1, 0] == Verdict.RESET
    assert robot.predict()[1][0] == pytest.approx(4.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e282, -2e9])
def test_what_cannot_be_a_measurement_is_refused(joints: Any, start_ns: int, bad: float) -> None:
    robot = joints()
    assert robot.feed(start_ns, bad)[0][0, 0] == Verdict.NOT_FINITE
    assert robot.bank.last_ns[0] == NO_STAMP
    last = settle(robot, start_ns)
    before = robot.snapshot()
    assert robot.feed(last + 10 * MS, bad)[0][0, 0] == Verdict.NOT_FINITE
    assert robot.snapshot() == before


def test_the_same_instant_counts_once_and_the_past_not_at_all(joints: Any, start_ns: int) -> None:
    robot = joints()
    last = settle(robot, start_ns)
    before = robot.snapshot()
    verdict, _ = robot.feed([last, last - 10 * MS], np.zeros(2))
    assert set(verdict[:, 0].tolist()) == {Verdict.DUPLICATE}
    assert robot.snapshot() == before
    verdict, _ = robot.feed([last - 201 * MS, last - SECOND], np.zeros(2))
    assert set(verdict[:, 0].tolist()) == {Verdict.TOO_OLD}
    assert robot.predict(last)[0][0] == 0.0


def test_a_log_with_every_message_twice_ends_like_the_log(joints: Any, start_ns: int) -> None:
    t = start_ns + 10 * MS * np.arange(300)
    once, twice = joints(), joints()
    once.feed(t, swing(t))
    twice.feed(np.repeat(t, 2), np.repeat(swing(t), 2))
    assert once.snapshot() == twice.snapshot()


def test_time_that_was_set_back_for_good_is_followed(joints: Any, start_ns: int) -> None:
    robot = joints()
    settle(robot, start_ns)
    t = start_ns - 3600 * SECOND + 10 * MS * np.arange(20)
    verdict, _ = robot.feed(t, np.full(20, 0.1))
    assert set(verdict[:9, 0].tolist()) == {Verdict.TOO_OLD}
    assert verdict[9, 0] == Verdict.RESET
    assert set(verdict[10:, 0].tolist()) == {Verdict.ACCEPTED}


def test_a_message_that_the_clock_refused_gives_its_verdict_to_every_joint(joints: Any, start_ns: int) -> None:
    robot = joints(2)
    verdict, _ = robot.feed([start_ns, start_ns + MS], np.zeros((2, 2)), skip=[Verdict.FUTURE, Verdict.ACCEPTED])
    assert verdict.tolist() == [[Verdict.FUTURE] * 2, [Verdict.ACCEPTED] * 2]


@pytest.mark.parametrize("gap_s", [0.1, 1.0, 4.9, 5.1, 60.0, 3600.0, 1e6])
def test_a_gap_of_any_length_leaves_the_state_finite_and_the_next_sample_is_believed(
    joints: Any, start_ns: int, gap_s: float
) -> None:
    robot = joints()
    last = settle(robot, start_ns)
    t = last + int(gap_s * 1e9) + 10 * MS * np.arange(20)
    verdict, _ = robot.feed(t, np.full(20, 0.05))
    assert verdict[0, 0] == Verdict.ACCEPTED
    assert robot.finite()
    assert robot.predict()[0][0] == pytest.approx(0.05, abs=1e-3)


def test_a_continuous_joint_never_jumps_over_many_turns(joints: Any, start_ns: int) -> None:
    robot = joints(settings={"modulus": math.tau})
    t = start_ns + 10 * MS * np.arange(2000)
    angle = 4.0 * (t - start_ns) * 1e-9
    wrapped = (angle + math.pi) % math.tau - math.pi
    estimated, _ = robot.track(t, wrapped[:, None])
    assert np.abs(estimated[:, 0] - angle).max() < 3e-3
    assert not robot.bank.resets.any()


def test_a_continuous_joint_keeps_its_turn_over_a_long_silence(joints: Any, start_ns: int) -> None:
    robot = joints(settings={"modulus": math.tau})
    last = settle(robot, start_ns, value=3.1)
    robot.feed(last + 60 * SECOND, -3.1)
    assert robot.predict()[0][0] == pytest.approx(math.tau - 3.1)


def test_an_ordinary_joint_is_not_unwrapped(joints: Any, start_ns: int) -> None:
    robot = joints()
    last = settle(robot, start_ns, value=3.1)
    assert robot.feed(last + 10 * MS, -3.1)[0][0, 0] == Verdict.GATED


def test_prediction_reads_and_never_writes(joints: Any, start_ns: int) -> None:
    robot = joints(3)
    last = settle(robot, start_ns)
    before = robot.snapshot()
    for target in (NO_STAMP, NO_STAMP + 1, 0, last - SECOND, last, last + MS, last + 3600 * SECOND, 2**63 - 1):
        position, velocity, std = robot.predict(target)
        assert np.isfinite([position, velocity, std]).all()
        assert (std > 0).all()
    assert robot.snapshot() == before


def test_prediction_follows_the_motion_then_holds_while_doubt_grows(joints: Any, start_ns: int) -> None:
    robot = joints(settings={"position_std": 1e-4, "jerk_noise": 1.0})
    t = start_ns + 5 * MS * np.arange(400)
    robot.feed(t, 1.0 * (t - start_ns) * 1e-9)
    last = int(t[-1])
    soon, held, later = robot.predict(last + 100 * MS), robot.predict(last + 501 * MS), robot.predict(last + 5 * SECOND)
    here = robot.predict()
    assert soon[0][0] == pytest.approx(here[0][0] + 0.1, abs=2e-3)
    assert soon[1][0] == pytest.approx(1.0, abs=0.01)
    assert held[0][0] == pytest.approx(here[0][0] + 0.5, abs=0.01)
    assert held[1][0] == 0.0
    assert later[0][0] == held[0][0]
    assert here[2][0] < soon[2][0] < held[2][0] < later[2][0]


def test_prediction_into_the_recent_past_goes_back_along_the_motion(joints: Any, start_ns: int) -> None:
    robot = joints()
    t = start_ns + 5 * MS * np.arange(400)
    robot.feed(t, 1.0 * (t - start_ns) * 1e-9)
    position, _, std = robot.predict(int(t[-1]) - 7 * MS)
    assert position[0] == pytest.approx((t[-1] - start_ns) * 1e-9 - 0.007, abs=1e-3)
    assert 0.0 < std[0] < robot.predict()[2][0]  # samples on both sides say more than those before alone


def test_the_sigma_of_the_recent_past_is_as_honest_as_that_of_the_present(joints: Any, start_ns: int) -> None:
    rng = np.random.default_rng(1)
    n = 200
    robot = joints(n)
    t = start_ns + 5 * MS * np.arange(400)
    rate, phase = rng.uniform(0.5, 4.0, n), rng.uniform(0.0, 6.28, n)
    s = (t - start_ns)[:, None] * 1e-9
    robot.feed(t, np.sin(rate * s + phase) + rng.normal(0.0, 1e-3, (400, n)))
    honesty = []
    for back in (0, 3, 7, 12):
        instant = int(t[-1]) - back * MS
        position, _, std = robot.predict(instant)
        error = position - np.sin(rate * (instant - start_ns) * 1e-9 + phase)
        honesty.append(np.sqrt(np.mean(np.square(error / std))))
    assert honesty == pytest.approx([honesty[0]] * 4, rel=0.1)
    assert 0.8 < honesty[0] < 1.25


def test_layouts_name_rows_in_message_order_and_pass_entries_over(start_ns: int) -> None:
    bank = JointBank(3)
    swapped, partial = bank.add_layout([2, 0]), bank.add_layout([-1, 1])
    verdict, nis = np.zeros(5, np.uint8), np.zeros(5)
    bank.ingest(
        np.array([swapped, partial], np.int32), np.array([start_ns, start_ns], np.int64), np.zeros(2),
        np.zeros(2, np.uint8), np.array([0, 2, 5], np.int64), np.array([0.2, 0.0, 9.0, 0.1, 7.0]), verdict, nis,
    )  # fmt: skip
    position = np.zeros(3)
    bank.predict(np.full(3, NO_STAMP), position, np.zeros(3), np.zeros(3))
    assert position.tolist() == [0.0, 0.1, 0.2]
    assert verdict.tolist() == [Verdict.ACCEPTED, Verdict.ACCEPTED, NO_VERDICT, Verdict.ACCEPTED, NO_VERDICT]


def test_columns_that_do_not_fit_are_refused_before_a_kernel_runs(start_ns: int) -> None:
    bank = JointBank(2)
    layout = bank.add_layout([0, 1])
    one = np.array([start_ns], np.int64)
    flag, value = np.zeros(1, np.uint8), np.zeros(2)
    with pytest.raises(ValueError, match="offsets"):
        bank.ingest(np.array([layout], np.int32), one, value[:1], flag, np.array([0, 3]), value, np.zeros(2, np.uint8), value)
    with pytest.raises(ValueError, match="one per message"):
        bank.ingest(np.array([layout], np.int32), one, value, flag, np.array([0, 2]), value, np.zeros(2, np.uint8), value)
    with pytest.raises(ValueError, match="2 entries"):
        bank.predict(one, value, value, value)
    with pytest.raises(ValueError, match="layout"):
        bank.add_layout([2])


def test_noise_is_set_per_joint_and_keeps_the_state(joints: Any, start_ns: int) -> None:
    robot = joints(2)
    settle(robot, start_ns, value=0.2)
    robot.bank.configure(1, position_std=0.01, jerk_noise=5.0, tau_s=1.0, stamp_std_s=0.0, velocity_limit=2.0)
    assert robot.bank._rows["r"].tolist() == pytest.approx([1e-6, 1e-4])
    assert robot.predict()[0] == pytest.approx([0.2, 0.2], abs=1e-9)
    robot.bank.configure(slice(None), position_std=[0.1, 0.2])
    assert robot.bank._rows["r"].tolist() == pytest.approx([0.01, 0.04])


def test_warming_up_leaves_the_bank_as_it_was(joints: Any) -> None:
    robot = joints(2)
    before = robot.snapshot()
    robot.bank.warm_up()
    assert robot.snapshot() == before
    assert repr(robot.bank) == "<JointBank 0/2 joints seen, 1 layouts>"


def test_the_joints_of_one_message_do_not_depend_on_each_other(joints: Any, start_ns: int) -> None:
    rng = np.random.default_rng(5)
    t = start_ns + np.cumsum(rng.integers(2_000_000, 6_000_000, 300))
    z = np.sin(1e-9 * (t - t[0])[:, None] * rng.uniform(0.5, 5.0, 40)) + rng.normal(0.0, 1e-3, (300, 40))
    z[rng.random(z.shape) < 0.02] += 3.0
    z[100, ::3] = np.nan
    together = joints(40)
    verdict, nis = together.feed(t, z)
    alone = [joints(1) for _ in range(40)]
    for joint, one in enumerate(alone):
        own_verdict, own_nis = one.feed(t, z[:, joint : joint + 1])
        np.testing.assert_array_equal(own_verdict[:, 0], verdict[:, joint])
        np.testing.assert_allclose(own_nis[:, 0], nis[:, joint], rtol=1e-9)
    shown = np.concatenate([one.predict(int(t[-1]) + 50_000_000) for one in alone], axis=1)
    np.testing.assert_allclose(shown, together.predict(int(t[-1]) + 50_000_000), rtol=1e-9, atol=1e-12)


def test_settings_may_change_while_samples_come(joints: Any, start_ns: int) -> None:
    robot = joints(3, settings={"adapt": False})
    step = 10_000_000
    robot.feed(start_ns + step * np.arange(50), np.zeros((50, 3)))
    robot.bank.configure(1, adapt=False, position_std=0.1, jerk_noise=10.0)
    robot.feed(start_ns + step * np.arange(50, 200), np.zeros((150, 3)))
    std = robot.predict()[2]
    assert std[0] == std[2] < std[1]
    assert robot.bank.model.tolist() == pytest.approx([1000.0, 10.0, 1000.0])
