from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from twind.estimation import PoseBank
from twind.model.estimates import Verdict
from twind.model.time import NO_STAMP

MS = 1_000_000
SECOND = 1_000_000_000
UNIT = (1.0, 0.0, 0.0, 0.0)


def quaternions(rotation: Rotation) -> np.ndarray:
    return np.roll(rotation.as_quat(), 1, axis=-1)


def angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Angle between orientations [rad]."""
    return 2.0 * np.arccos(np.clip(np.abs((a * b).sum(axis=-1)), 0.0, 1.0))


def spin(seconds: np.ndarray, rate: tuple[float, float, float]) -> np.ndarray:
    return quaternions(Rotation.from_rotvec(np.outer(seconds, rate)))


def settle(body: Any, start_ns: int, count: int = 50) -> int:
    """Feed a still body at 50 Hz; return the last stamp."""
    t = start_ns + 20 * MS * np.arange(count)
    body.feed(t, (1.0, 2.0, 3.0), UNIT)
    return int(t[-1])


def test_the_first_pose_is_the_state(poses: Any, start_ns: int) -> None:
    body = poses()
    verdict, nis = body.feed(start_ns, (1.0, 2.0, 3.0), (0.0, 0.0, 0.0, -2.0))
    assert verdict[0] == Verdict.ACCEPTED
    assert math.isnan(nis[0])
    position, orientation, position_std, rotation_std = body.predict()
    assert position.tolist() == [1.0, 2.0, 3.0]
    assert abs(orientation[3]) == 1.0
    assert (position_std, rotation_std) == pytest.approx((0.005, 0.01))
    assert body.bank.last_ns[0] == start_ns


def test_a_body_never_seen_is_the_identity_without_confidence(poses: Any, start_ns: int) -> None:
    position, orientation, position_std, rotation_std = poses().predict(start_ns)
    assert position.tolist() == [0.0, 0.0, 0.0]
    assert orientation.tolist() == list(UNIT)
    assert position_std == rotation_std == math.inf


def test_velocity_and_body_rate_are_found_and_predicted_with(poses: Any, start_ns: int) -> None:
    body = poses()
    t = start_ns + 20 * MS * np.arange(100)
    s = (t - start_ns) * 1e-9
    rate = (0.3, -1.0, 2.0)
    velocity = np.array([1.0, -0.5, 0.2])
    verdict, _ = body.feed(t, np.outer(s, velocity), spin(s, rate))
    assert not verdict.any()
    row = body.bank._states[0]
    assert row["v"] == pytest.approx(velocity, abs=1e-3)
    assert row["w"] == pytest.approx(rate, abs=5e-3)
    ahead = s[-1] + 0.1
    position, orientation, _, _ = body.predict(int(t[-1]) + 100 * MS)
    assert position == pytest.approx(ahead * velocity, abs=1e-3)
    assert angle(orientation, spin(np.array([ahead]), rate)[0]) < 2e-3


def test_the_sign_and_length_of_a_quaternion_say_nothing(poses: Any, start_ns: int) -> None:
    t = start_ns + 20 * MS * np.arange(100)
    q = spin((t - start_ns) * 1e-9, (0.0, 0.0, 2.0))
    plain, flipped = poses(), poses()
    plain.feed(t, np.zeros(3), q)
    rng = np.random.default_rng(1)
    scale = rng.uniform(0.5, 2.0, (100, 1)) * rng.choice([-1.0, 1.0], (100, 1))
    verdict, _ = flipped.feed(t, np.zeros(3), q * scale)
    assert not verdict.any()
    assert angle(plain.predict()[1], flipped.predict()[1]) < 1e-7
    assert plain.bank._states["w"][0] == pytest.approx(flipped.bank._states["w"][0], abs=1e-9)


@pytest.mark.parametrize(
    ("position", "orientation"),
    [
        ((math.nan, 0.0, 0.0), UNIT),
        ((0.0, math.inf, 0.0), UNIT),
        ((0.0, 0.0, 1e282), UNIT),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)),
        ((0.0, 0.0, 0.0), (math.nan, 0.0, 0.0, 1.0)),
        ((0.0, 0.0, 0.0), (1e300, 0.0, 0.0, 0.0)),
    ],
)
def test_what_cannot_be_a_pose_is_refused(poses: Any, start_ns: int, position: Any, orientation: Any) -> None:
    body = poses()
    last = settle(body, start_ns)
    before = body.bank._states.copy()
    assert body.feed(last + 20 * MS, position, orientation)[0][0] == Verdict.NOT_FINITE
    assert body.bank._states.tobytes() == before.tobytes()


@pytest.mark.parametrize(("position", "orientation"), [((1.5, 2.0, 3.0), UNIT), ((1.0, 2.0, 3.0), (0.9, 0.1, 0.3, 0.0))])
def test_an_outlier_in_position_or_rotation_changes_nothing(poses: Any, start_ns: int, position: Any, orientation: Any) -> None:
    body = poses()
    last = settle(body, start_ns)
    before = body.bank._states.copy()
    assert body.feed(last + 20 * MS, position, orientation)[0][0] == Verdict.GATED
    for name in ("t_ns", "p", "v", "q", "w", "pp", "P"):
        assert np.array_equal(body.bank._states[name], before[name])


def test_three_rejections_that_agree_with_each_other_win(poses: Any, start_ns: int) -> None:
    body = poses()
    last = settle(body, start_ns)
    t = last + 20 * MS * np.arange(1, 6)
    verdict, _ = body.feed(t, (1.5, 2.0, 3.0), (0.0, 1.0, 0.0, 0.0))
    assert verdict.tolist() == [Verdict.GATED, Verdict.GATED, Verdict.RESET, Verdict.ACCEPTED, Verdict.ACCEPTED]
    assert body.predict()[0] == pytest.approx((1.5, 2.0, 3.0), abs=1e-3)
    assert body.bank.resets[0] == 1


def test_the_same_instant_counts_once_and_the_past_not_at_all(poses: Any, start_ns: int) -> None:
    body = poses()
    last = settle(body, start_ns)
    before = body.bank._states.copy()
    verdict, _ = body.feed([last, last - 20 * MS, last - 300 * MS], (1.0, 2.0, 3.0))
    assert verdict.tolist() == [Verdict.DUPLICATE, Verdict.DUPLICATE, Verdict.TOO_OLD]
    assert body.bank._states.tobytes() == before.tobytes()


def test_time_that_was_set_back_for_good_is_followed(poses: Any, start_ns: int) -> None:
    body = poses()
    settle(body, start_ns)
    t = start_ns - 3600 * SECOND + 20 * MS * np.arange(20)
    verdict, _ = body.feed(t, (0.0, 0.0, 0.0))
    assert verdict[9] == Verdict.RESET
    assert not verdict[10:].any()


def test_a_pose_that_the_clock_refused_keeps_its_verdict(poses: Any, start_ns: int) -> None:
    assert poses().feed(start_ns, np.zeros(3), skip=Verdict.FUTURE)[0][0] == Verdict.FUTURE


def test_stated_variances_count_when_they_can_be_variances(poses: Any, start_ns: int) -> None:
    stds = []
    for variance in (np.nan, 1e-8, 0.0, -1.0, math.inf):
        body = poses()
        t = start_ns + 20 * MS * np.arange(50)
        body.feed(t, np.zeros(3), position_var=variance, rotation_var=variance)
        stds.append(body.predict()[2:])
    assert stds[1][0] < 0.1 * stds[0][0]
    assert stds[1][1] < 0.1 * stds[0][1]
    assert stds[2] == stds[3] == stds[4] == stds[0]


def test_late_stamps_are_noise_in_proportion_to_speed(poses: Any, start_ns: int) -> None:
    t = start_ns + 20 * MS * np.arange(100)
    s = (t - start_ns) * 1e-9
    sharp, late = poses(), poses()
    path = np.outer(s, (3.0, 0.0, 0.0))
    sharp.feed(t, path, spin(s, (0.0, 0.0, 4.0)))
    late.feed(t, path, spin(s, (0.0, 0.0, 4.0)), sigma=5e-3)
    assert late.bank._states["pp"][0, 0] > 1.5 * sharp.bank._states["pp"][0, 0]
    assert late.bank._states["P"][0, 2, 2] > 1.5 * sharp.bank._states["P"][0, 2, 2]


@pytest.mark.parametrize("gap_s", [0.5, 1.5, 2.1, 60.0, 3600.0, 1e6])
def test_a_gap_of_any_length_leaves_the_state_finite_and_the_next_pose_is_believed(
    poses: Any, start_ns: int, gap_s: float
) -> None:
    body = poses()
    last = settle(body, start_ns)
    t = last + int(gap_s * 1e9) + 20 * MS * np.arange(30)
    body.feed(t, (1.2, 2.0, 3.0), (0.8, 0.6, 0.0, 0.0))
    assert body.finite()
    position, orientation, _, _ = body.predict()
    assert position == pytest.approx((1.2, 2.0, 3.0), abs=5e-3)
    assert angle(orientation, np.array([0.8, 0.6, 0.0, 0.0])) < 0.02


@pytest.mark.parametrize("ratio", [1e6, 1e9, 1e12])
def test_a_prior_far_wider_than_the_noise_leaves_every_variance_positive(poses: Any, start_ns: int, ratio: float) -> None:
    body = poses()
    rng = np.random.default_rng(12)
    std = 3.0 / math.sqrt(ratio)
    t = start_ns + 10 * MS * np.arange(500)
    noise = rng.normal(0.0, std, (500, 3))
    turn = quaternions(Rotation.from_rotvec(rng.normal(0.0, std, (500, 3))))
    for k in range(500):
        body.feed(t[k], noise[k], turn[k], position_var=std**2, rotation_var=std**2)
        assert body.finite()
    assert np.abs(body.predict()[0]).max() < 5.0 * std


def test_prediction_reads_never_writes_and_never_fails(poses: Any, start_ns: int) -> None:
    body = poses()
    last = settle(body, start_ns)
    before = body.bank._states.copy()
    stds = []
    for target in (NO_STAMP + 1, 0, last - SECOND, NO_STAMP, last + MS, last + SECOND, last + 3600 * SECOND, 2**63 - 1):
        position, orientation, position_std, rotation_std = body.predict(target)
        assert np.isfinite(position).all()
        assert np.linalg.norm(orientation) == pytest.approx(1.0, abs=1e-12)
        assert position_std > 0.0
        stds.append((position_std, rotation_std))
    assert stds[3:] == sorted(stds[3:])
    assert body.bank._states.tobytes() == before.tobytes()


def test_prediction_coasts_then_holds(poses: Any, start_ns: int) -> None:
    body = poses()
    t = start_ns + 20 * MS * np.arange(100)
    s = (t - start_ns) * 1e-9
    body.feed(t, np.outer(s, (1.0, 0.0, 0.0)), spin(s, (0.0, 0.0, 1.0)))
    here, held, later = body.predict(), body.predict(int(t[-1]) + 500 * MS), body.predict(int(t[-1]) + 5 * SECOND)
    assert held[0][0] == pytest.approx(here[0][0] + 0.5, abs=0.01)
    assert angle(here[1], held[1]) == pytest.approx(0.5, abs=0.01)
    assert np.array_equal(held[0], later[0])
    assert np.array_equal(held[1], later[1])


FLOATS = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(-5.0, 5.0), st.sampled_from([0.0, 1e9, 1e-7]))


@settings(derandomize=True, max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.one_of(st.integers(-50 * MS, 50 * MS), st.integers(-(2**62), 2**62), st.sampled_from([0, 3_600 * SECOND])),
            st.tuples(FLOATS, FLOATS, FLOATS),
            st.tuples(FLOATS, FLOATS, FLOATS, FLOATS),
            FLOATS,
        ),
        max_size=30,
    ),
    st.sampled_from([1e-4, 0.5, 1e3]),
)
@example([(0, (0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), 0.0)], 1e3)
def test_any_garbage_leaves_the_state_finite_and_good_poses_recover_it(
    poses: Any, start_ns: int, garbage: list[tuple[int, Any, Any, float]], noise: float
) -> None:
    body = poses({"acceleration_noise": noise, "angular_acceleration_noise": noise})
    newest = start_ns
    for step, position, orientation, number in garbage:
        t = max(-(2**63) + 1, min(2**63 - 1, start_ns + step))
        verdict, _ = body.feed(t, position, orientation, sigma=number, position_var=number, rotation_var=number)
        assert verdict[0] in list(Verdict)
        assert body.finite()
        newest = max(newest, int(body.bank.last_ns[0]))
    t = newest + 20 * MS * np.arange(1, 51)
    body.feed(t, (0.3, 0.2, 0.1), (0.8, 0.0, 0.6, 0.0))
    assert body.finite()
    assert body.bank.last_ns[0] == t[-1]
    position, orientation, _, _ = body.predict()
    assert position == pytest.approx((0.3, 0.2, 0.1), abs=0.01)
    assert angle(orientation, np.array([0.8, 0.0, 0.6, 0.0])) < 0.03


def test_any_order_of_messages_leaves_the_state_finite(poses: Any, start_ns: int) -> None:
    rng = np.random.default_rng(3)
    t = start_ns + 20 * MS * np.arange(100)
    q = spin((t - start_ns) * 1e-9, (0.5, 0.1, -1.0))
    for _ in range(10):
        body = poses()
        order = rng.permutation(100)
        body.feed(t[order], np.zeros(3), q[order])
        assert body.finite()
        assert body.bank.last_ns[0] == t[-1]


def test_columns_that_do_not_fit_are_refused(start_ns: int) -> None:
    bank = PoseBank(1)
    rows, t, zero, flag = np.zeros(1, np.int32), np.array([start_ns]), np.zeros(1), np.zeros(1, np.uint8)
    p, q = np.zeros((1, 3)), np.ones((1, 4))
    with pytest.raises(ValueError, match="one per sample"):
        bank.ingest(rows, t, zero, flag, np.zeros((2, 3)), q, p, p, flag, zero)
    with pytest.raises(ValueError, match="numbers a row"):
        bank.ingest(rows, t, zero, flag, q, q, p, p, flag, zero)
    with pytest.raises(ValueError, match="row of"):
        bank.ingest(rows + 1, t, zero, flag, p, q, p, p, flag, zero)
    with pytest.raises(ValueError, match="entries"):
        bank.predict(t, q, q, zero, zero)


def test_warming_up_leaves_the_bank_as_it_was() -> None:
    bank = PoseBank(2)
    before = bank._states.copy()
    bank.warm_up()
    assert bank._states.tobytes() == before.tobytes()
    assert repr(bank) == "<PoseBank 0/2 bodies seen>"
