"""Bodies whose source repeats itself, and bodies that stand still."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twind.estimation import Channel, PoseBank

MS, SECOND = 1_000_000, 1_000_000_000
NOW = (1.0, 0.0, 0.0, 0.0)


def circle(start_ns: int, rate_hz: int, seconds: float, *, speed: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return stamps, positions and quaternions of a body that goes round, looking where it goes."""
    t = start_ns + (np.arange(int(seconds * rate_hz)) * (SECOND // rate_hz)).astype(np.int64)
    angle = speed * (t - start_ns) * 1e-9
    zero = np.zeros(t.size)
    p = np.stack([np.cos(angle), np.sin(angle), zero], axis=1)
    return t, p, np.stack([np.cos(angle / 2), zero, zero, np.sin(angle / 2)], axis=1)


def flagged(body: Any, t: np.ndarray, p: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Feed pose by pose; return (M,) whether the source was thought frozen after each."""
    found = np.zeros(t.size, bool)
    for k in range(t.size):
        body.feed(t[k], p[k], q[k])
        found[k] = body.bank.frozen[0] == 1
    return found


def noisy(p: np.ndarray, q: np.ndarray, std: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return p + rng.normal(0.0, std, p.shape), q + rng.normal(0.0, std, q.shape)


@pytest.mark.parametrize("rate_hz", [10, 30, 100])
@pytest.mark.parametrize(("std", "speed"), [(0.0, 0.5), (0.0005, 0.5), (0.005, 0.5), (0.0005, 0.0), (0.005, 0.0)])
def test_a_source_that_freezes_is_told_within_a_second_and_gets_old(
    poses: Any, start_ns: int, rate_hz: int, std: float, speed: float
) -> None:
    body, (t, p, q) = poses(), circle(start_ns, rate_hz, 10.0, speed=speed)
    p, q = noisy(p, q, std) if std else (p, q)
    cut = 6 * rate_hz
    p[cut:], q[cut:] = p[cut - 1], q[cut - 1]
    q[cut::3] *= -1.0  # the same rotation
    found = flagged(body, t, p, q)
    assert not found[:cut].any()
    assert found[t > t[cut - 1] + SECOND].all()
    assert body.bank.live_ns[0] == t[cut - 1]
    assert body.bank.last_ns[0] == t[-1]


@pytest.mark.parametrize("std", [0.0, 0.005])
def test_a_source_that_thaws_is_believed_where_it_is(poses: Any, start_ns: int, std: float) -> None:
    body, (t, p, q) = poses(), circle(start_ns, 30, 12.0)
    p, q = noisy(p, q, std) if std else (p, q)
    stands = slice(180, 270)
    p[stands], q[stands] = p[179], q[179]
    found = flagged(body, t, p, q)
    assert found[stands].any()
    assert not found[270:].any()
    assert body.bank.resets[0] == 0
    assert np.linalg.norm(body.predict()[0] - p[-1]) < 0.01
    assert body.bank.live_ns[0] == t[-1]


@pytest.mark.parametrize("quantum", [0.0, 1e-6, 1e-3])
@pytest.mark.parametrize("rate_hz", [10, 30, 100])
def test_a_body_without_noise_that_comes_to_rest_is_not_frozen(poses: Any, start_ns: int, rate_hz: int, quantum: float) -> None:
    body = poses()
    s = np.arange(20 * rate_hz) / rate_hz
    u = np.clip((s % 4.0) / 2.0, 0.0, 1.0)
    way = u**3 * (10.0 - 15.0 * u + 6.0 * u * u)
    p = np.stack([np.where(s // 4 % 2 == 0, way, 1.0 - way), 0.0 * s, 0.0 * s], axis=1)
    p = np.round(p / quantum) * quantum if quantum else p
    t = start_ns + (s * 1e9).astype(np.int64)
    assert not flagged(body, t, p, np.tile(NOW, (s.size, 1))).any()


@pytest.mark.parametrize("rate_hz", [2, 30])
def test_a_body_that_never_moved_is_not_frozen(poses: Any, start_ns: int, rate_hz: int) -> None:
    body = poses()
    t = start_ns + np.arange(20 * rate_hz) * (SECOND // rate_hz)
    assert not flagged(body, t, np.tile([1.0, 2.0, 3.0], (t.size, 1)), np.tile(NOW, (t.size, 1))).any()


def test_coarse_numbers_of_a_noisy_source_that_repeat_at_rest_are_not_frozen(poses: Any, start_ns: int) -> None:
    body, (t, p, q) = poses(), circle(start_ns, 30, 20.0)
    p, q = noisy(p, q, 0.0003)
    p, q = np.round(p, 2), np.round(q, 2)
    p[300:], q[300:] = p[299], q[299]
    assert not flagged(body, t[:300], p[:300], q[:300]).any()
    slow = start_ns + 10 * SECOND + 33 * MS * np.arange(300)
    p, _ = noisy(np.tile(p[299], (300, 1)), np.tile(NOW, (300, 1)), 0.0003)
    assert not flagged(body, slow, np.round(p, 2), np.tile(NOW, (300, 1))).any()


def test_a_tracker_that_sends_each_pose_twice_is_not_frozen(poses: Any, start_ns: int) -> None:
    body, (t, p, q) = poses(), circle(start_ns, 60, 10.0)
    p, q = noisy(p, q, 0.005)
    p[1::2], q[1::2] = p[::2], q[::2]
    assert not flagged(body, t, p, q).any()


def test_a_body_that_stops_dead_and_goes_on_from_there_is_mistaken_once(poses: Any, start_ns: int) -> None:
    """A script may do what no machine does."""
    body = poses()
    s = np.arange(600) / 30.0
    way = np.clip(s % 4.0, 0.0, 2.0) + 2.0 * (s // 4.0)
    found = flagged(body, start_ns + (s * 1e9).astype(np.int64), way[:, None] * [0.3, 0.0, 0.0], np.tile(NOW, (600, 1)))
    assert found[(s > 2.0) & (s < 4.0)].any()
    assert not found[s > 4.1].any()


@pytest.mark.parametrize("channel", [Channel.TWIST_WORLD, Channel.IMU])
@pytest.mark.parametrize("inertial", [False, True])
def test_poses_that_stand_while_the_body_says_that_it_moves_are_frozen(
    start_ns: int,
    poses: Any,
    channel: Channel,
    inertial: bool,  # noqa: FBT001
) -> None:
    """Rounded poses of a slow body look like rest: what else measures the body tells."""

    def run(*, moves: bool) -> bool:
        body = poses({"inertial": inertial})
        t, p, q = circle(start_ns, 30, 12.0, speed=0.3)
        p, q = np.round(p, 2), np.round(q, 2)
        p[240:], q[240:] = p[239], q[239]
        for k in range(t.size):
            body.feed(t[k], p[k], q[k])
            angle, going = 0.3 * (t[k] - start_ns) * 1e-9, 1.0 if moves or k < 240 else 0.0
            velocity = np.array([-0.3 * np.sin(angle), 0.3 * np.cos(angle), 0.0])
            linear = going * velocity if channel == Channel.TWIST_WORLD else (-0.09, 0.0, 9.80665)
            body.feed(t[k] + 5 * MS, linear, (0.0, 0.0, 0.3 * going, 0.0), channel=channel)
            if body.bank.frozen[0]:
                assert t[k] - t[239] < SECOND
                return True
        return False

    assert run(moves=True)
    assert not run(moves=False)


def test_the_order_of_arrival_does_not_matter(start_ns: int) -> None:
    t, p, q = circle(start_ns, 50, 8.0)
    p, q = noisy(p, q, 0.003)
    p[300:], q[300:] = p[299], q[299]
    order = np.argsort(t + np.random.default_rng(2).integers(0, 190 * MS, t.size), kind="stable")
    found = []
    for arrived in (np.arange(t.size), order):
        bank = PoseBank(1)
        unknown, count = np.full((t.size, 3), np.nan), t.size
        bank.ingest(
            np.zeros(count, np.int32), t[arrived], np.zeros(count), np.zeros(count, np.uint8), p[arrived], q[arrived], unknown,
            unknown, np.zeros(count, np.uint8), np.zeros(count),
        )  # fmt: skip
        found.append((int(bank.frozen[0]), int(bank.live_ns[0])))
    assert found[0] == found[1] == (1, t[299])
