"""Late samples: the state is that of the sorted run; the same instant counts once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twind.estimation import JointBank
from twind.model.estimates import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

MS = 1_000_000
LAG = 200 * MS


def shuffled(t: np.ndarray, rng: np.random.Generator, lag_ns: int) -> np.ndarray:
    """Order of arrival in which no sample is older than the newest before it by more than the lag; a tenth arrive twice."""
    index = np.concatenate([np.arange(t.size), rng.choice(t.size, t.size // 10, replace=False)])
    return index[np.argsort(t[index] + rng.integers(0, lag_ns, index.size), kind="stable")]


@pytest.mark.parametrize("log", ["sys_id_01", "sys_id_03"])
@pytest.mark.parametrize("seed", [1, 2])
def test_any_order_within_the_lag_ends_like_the_sorted_log(
    joints: Any, pendulum: Callable[[str], tuple[np.ndarray, np.ndarray]], log: str, seed: int
) -> None:
    t, z = pendulum(log)
    rng = np.random.default_rng(seed)
    dirty = z.copy()
    bad = rng.random(z.shape) < 0.02
    dirty[bad] = rng.uniform(-6.0, 6.0, int(bad.sum()))
    order = shuffled(t, rng, LAG)
    sorted_run, mixed = joints(2), joints(2)
    sigma = rng.uniform(0.0, 1e-3, t.size)
    sorted_run.feed(t, dirty, sigma=sigma)
    verdict, _ = mixed.feed(t[order], dirty[order], sigma=sigma[order])
    assert (verdict == Verdict.DUPLICATE).sum() == 2 * (t.size // 10)
    assert not (verdict == Verdict.TOO_OLD).any()
    a, b = sorted_run.bank._tracks, mixed.bank._tracks
    assert np.abs(a["x"] - b["x"]).max() <= 1e-9 * np.abs(a["x"]).max()
    for target in (int(t[-1]), int(t[-1]) + 50 * MS):
        assert np.abs(np.subtract(sorted_run.predict(target), mixed.predict(target))).max() <= 1e-9
    for name in ("best", "shown", "still", "resets", "t_ns"):
        assert a[name].tolist() == b[name].tolist()


def test_a_log_played_backwards_within_the_lag_ends_like_the_log(joints: Any, start_ns: int) -> None:
    t = start_ns + 2 * MS * np.arange(100)
    z = np.sin(5e-9 * (t - start_ns))
    forwards, backwards = joints(), joints()
    forwards.feed(t, z)
    backwards.feed(t[::-1], z[::-1])
    np.testing.assert_allclose(backwards.bank._tracks["x"], forwards.bank._tracks["x"], rtol=1e-9)


def test_a_sample_older_than_the_lag_or_than_the_history_is_too_old(joints: Any, start_ns: int) -> None:
    robot = joints(options={"lag_ns": LAG, "history": 64})
    t = start_ns + MS * np.arange(1, 301)
    robot.feed(t, np.zeros(300))
    verdict, _ = robot.feed([t[-1] - 250 * MS - 1, t[-1] - 100 * MS - 1, t[-1] - 20 * MS - 1], np.zeros(3))
    assert verdict[:, 0].tolist() == [Verdict.TOO_OLD, Verdict.TOO_OLD, Verdict.ACCEPTED]


def test_a_late_outlier_is_refused_and_a_late_sample_of_the_present_epoch_is_used(joints: Any, start_ns: int) -> None:
    robot = joints()
    t = start_ns + 10 * MS * np.arange(100)
    robot.feed(t, 0.3 * (t - start_ns) * 1e-9)
    late = int(t[-1]) - 95 * MS
    assert robot.feed(late, 5.0)[0][0, 0] == Verdict.GATED
    assert robot.feed(late + MS, 0.3 * (late + MS - start_ns) * 1e-9)[0][0, 0] == Verdict.ACCEPTED
    assert robot.bank.last_ns[0] == t[-1]


def test_a_stamp_from_the_future_does_not_hold_the_joint_up(joints: Any, start_ns: int) -> None:
    robot = joints()
    t = start_ns + 10 * MS * np.arange(50)
    robot.feed(t, np.zeros(50))
    robot.feed(int(t[-1]) + 900 * MS, 0.0)
    verdict, _ = robot.feed(t[-1] + 10 * MS * np.arange(1, 100), np.full(99, 0.01))
    used = np.flatnonzero((verdict[:, 0] == Verdict.ACCEPTED) | (verdict[:, 0] == Verdict.RESET))
    assert used[0] <= 80
    assert robot.finite()
    assert robot.predict()[0][0] == pytest.approx(0.01, abs=1e-3)


def test_history_is_a_power_of_two() -> None:
    with pytest.raises(ValueError, match="power of two"):
        JointBank(1, history=100)
