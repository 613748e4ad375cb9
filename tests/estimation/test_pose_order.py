"""Samples of a body in any order: what counts is their stamps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from twind.estimation import Channel, PoseBank
from twind.model.estimates import Verdict

MS = 1_000_000
SECOND = 1_000_000_000
FIELDS = ("p", "v", "q", "w", "pp", "pv", "vv", "P", "q_position", "q_rotation")


def log(start_ns: int, count: int = 300) -> dict[str, np.ndarray]:
    """Poses at 50 Hz with body twists and IMU samples between them, and some outliers."""
    rng = np.random.default_rng(17)
    t = start_ns + np.arange(count) * 20 * MS + rng.integers(0, 5 * MS, count)
    s = (t - start_ns) * 1e-9
    channel = rng.choice([Channel.POSE, Channel.POSE, Channel.POSE, Channel.TWIST_WORLD, Channel.IMU], count).astype(np.uint8)
    channel[:3] = Channel.POSE
    linear = np.stack([np.sin(s), np.cos(s), 0.1 * s], axis=1) + rng.normal(0.0, 0.005, (count, 3))
    linear[rng.random(count) < 0.03] += 0.7
    turn = Rotation.from_rotvec(np.outer(s, (0.1, 0.4, 0.2))) * Rotation.from_rotvec(rng.normal(0.0, 0.01, (count, 3)))
    angular = np.roll(turn.as_quat(), 1, axis=1)
    twist = channel == Channel.TWIST_WORLD
    linear[twist] = np.stack([np.cos(s), -np.sin(s), 0.1 + 0.0 * s], axis=1)[twist]
    angular[channel != Channel.POSE] = (0.1, 0.4, 0.2, 0.0)
    return {"t": t, "linear": linear, "angular": angular, "channel": channel}


def run(data: dict[str, np.ndarray], order: np.ndarray, **options: Any) -> tuple[PoseBank, np.ndarray]:
    bank = PoseBank(1, **options)
    count = order.size
    verdict, unknown = np.zeros(count, np.uint8), np.full((count, 3), np.nan)
    bank.ingest(
        np.zeros(count, np.int32), data["t"][order], np.full(count, 1e-4), np.zeros(count, np.uint8), data["linear"][order],
        data["angular"][order], unknown, unknown, verdict, np.zeros(count), data["channel"][order],
    )  # fmt: skip
    return bank, verdict


@pytest.mark.parametrize("seed", range(8))
def test_any_order_within_the_lag_with_duplicates_ends_as_the_sorted_run(start_ns: int, seed: int) -> None:
    data = log(start_ns)
    rng = np.random.default_rng(seed)
    expected, _ = run(data, np.arange(300))
    late = data["t"] + rng.integers(0, 190 * MS, 300)  # no sample arrives after one that is 190 ms newer
    order = np.argsort(late, kind="stable")
    again = rng.choice(300, 30, replace=False)
    order = np.concatenate([order, again])[np.argsort(np.concatenate([late[order], late[again] + 5 * MS]), kind="stable")]
    found, verdict = run(data, order)
    assert np.count_nonzero(verdict == Verdict.DUPLICATE) == 30
    assert not (verdict == Verdict.TOO_OLD).any()
    for name in FIELDS:
        np.testing.assert_allclose(found._states[name], expected._states[name], rtol=0.0, atol=1e-9)


def test_the_state_equals_a_plain_rerun_of_all_samples_at_every_moment(start_ns: int) -> None:
    """The plain reference of a fixed-lag filter: sort what has arrived, start from nothing, filter again."""
    data = log(start_ns, 60)
    rng = np.random.default_rng(2)
    order = np.argsort(data["t"] + rng.integers(0, 150 * MS, 60), kind="stable")
    for count in range(1, 61):
        found, _ = run(data, order[:count])
        expected, _ = run(data, np.sort(order[:count]))
        for name in FIELDS:
            np.testing.assert_allclose(found._states[name], expected._states[name], rtol=0.0, atol=1e-12)


def test_a_ring_that_is_too_short_says_so(start_ns: int) -> None:
    data = log(start_ns, 40)
    order = np.concatenate([[0], np.arange(2, 40), [1]])
    _, verdict = run(data, order, lag_ns=SECOND, depth=8)
    assert verdict[-1] == Verdict.TOO_OLD
    assert not (verdict[:-1] == Verdict.TOO_OLD).any()


@pytest.mark.parametrize("count", range(20, 33))
def test_the_newest_samples_up_to_the_depth_can_have_come_late_wherever_the_ring_stands(start_ns: int, count: int) -> None:
    data = log(start_ns, count)
    expected, _ = run(data, np.arange(count), lag_ns=10 * SECOND, depth=9)
    order = np.delete(np.arange(count), count - 9)
    found, verdict = run(data, np.append(order, count - 9), lag_ns=10 * SECOND, depth=9)
    assert verdict[-1] != Verdict.TOO_OLD
    for name in FIELDS:
        np.testing.assert_allclose(found._states[name], expected._states[name], rtol=0.0, atol=1e-12)


def test_two_channels_may_share_an_instant(start_ns: int) -> None:
    data = log(start_ns, 40)
    data["t"][10:20:2] = data["t"][11:21:2]
    data["channel"][10:20:2], data["channel"][11:21:2] = Channel.POSE, Channel.IMU
    data["angular"][10:20:2], data["angular"][11:21:2] = (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)
    swapped = np.arange(40)
    swapped[10:20:2], swapped[11:21:2] = np.arange(11, 21, 2), np.arange(10, 20, 2)
    one, first = run(data, np.arange(40))
    other, second = run(data, swapped)
    assert not (np.concatenate([first, second]) == Verdict.DUPLICATE).any()
    assert np.array_equal(one._states, other._states)


def test_time_set_back_is_a_new_epoch_with_the_jump_reported(poses: Any, start_ns: int) -> None:
    body = poses()
    t = start_ns + 20 * MS * np.arange(60)
    body.feed(t, (1.0, 2.0, 3.0))
    body.feed(t - 3600 * SECOND, (1.0, 2.0, 4.0), (0.0, 1.0, 0.0, 0.0))
    assert (body.bank.epochs[0], body.bank.resets[0]) == (1, 1)
    shift, turn = body.bank.reset_delta
    assert shift[0] == pytest.approx((0.0, 0.0, 1.0), abs=1e-3)
    assert np.abs(turn[0]) == pytest.approx((0.0, 1.0, 0.0, 0.0), abs=1e-3)
    assert body.bank.last_ns[0] == t[-1] - 3600 * SECOND


def test_a_step_back_by_less_than_a_restart_is_followed_within_a_second(poses: Any, start_ns: int) -> None:
    body = poses()
    t = start_ns + 50 * MS * np.arange(40)
    body.feed(t, np.zeros(3))
    verdict, _ = body.feed(t[-1] - 1500 * MS + 50 * MS * np.arange(1, 21), np.zeros(3))
    assert Verdict.RESET in verdict.tolist()[:12]
    assert verdict[-1] == Verdict.ACCEPTED


def test_a_reset_says_what_it_changed(poses: Any, start_ns: int) -> None:
    body = poses()
    t = start_ns + 20 * MS * np.arange(53)
    path = np.zeros((53, 3))
    path[50:, 0] = 0.5
    verdict, _ = body.feed(t, path)
    assert verdict[-1] == Verdict.RESET
    assert body.bank.reset_delta[0][0] == pytest.approx((0.5, 0.0, 0.0), abs=5e-3)
