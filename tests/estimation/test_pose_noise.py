"""Poses that are noisier, or better, than configured or stated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from twind.config.settings import PoseSettings
from twind.model.estimates import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    Flight = Callable[[str, int], tuple[np.ndarray, np.ndarray, np.ndarray]]

AHEAD_NS = 100_000_000
TURN_PER_METRE = 1.74  # rad of noise for a metre of noise, as 8.7 mrad beside 5 mm


def shipped() -> dict[str, float]:
    settings = PoseSettings()
    return {
        "position_std": settings.position_std_m,
        "rotation_std": settings.rotation_std_rad,
        "acceleration_noise": settings.acceleration_noise,
        "angular_acceleration_noise": settings.angular_acceleration_noise,
    }


class Noisy:
    """A path with noise, loss, outliers and silences, followed pose by pose; `stated` is the sigma that messages claim."""

    def __init__(
        self, body: Any, path: Any, noise: float, seed: int, *, outliers: float = 0.01, stated: float | None = None
    ) -> None:
        self.body = body
        t, p, q, truth = path
        rng = np.random.default_rng(seed)
        s = (t - t[0]) * 1e-9
        kept = (rng.random(t.size) > 0.05) & (s % 15.0 > 1.5)
        off = rng.random(t.size) < outliers
        direction = rng.normal(size=p.shape)
        z = p + rng.normal(0.0, noise, p.shape)
        z[off] += 0.5 * (direction / np.linalg.norm(direction, axis=1, keepdims=True))[off]
        turn = Rotation.from_rotvec(rng.normal(0.0, TURN_PER_METRE * noise, p.shape))
        r = np.roll((Rotation.from_quat(np.roll(q, -1, axis=1)) * turn).as_quat(), 1, axis=1)
        claims = {} if stated is None else {"position_var": stated**2, "rotation_var": (TURN_PER_METRE * stated) ** 2}
        verdict = np.full(t.size, 255, np.uint8)
        now, ahead, std = np.zeros(p.shape), np.zeros(p.shape), np.ones(t.size)
        for i in np.flatnonzero(kept):
            verdict[i] = body.feed(t[i], z[i], r[i], tag=i, **claims)[0][0]
            if body.overruled[0] >= 0:
                verdict[body.overruled[0]] = Verdict.GATED
            now[i], _, std[i], _ = body.predict(int(t[i]))
            ahead[i] = body.predict(int(t[i]) + AHEAD_NS)[0]
        good, future = kept & ~off, truth(t + AHEAD_NS)
        self.ratio = float(np.sqrt(((ahead - future)[good] ** 2).sum() / ((z - future)[good] ** 2).sum()))
        self.nees = float((((now - p) ** 2).sum(axis=1) / std**2)[good].mean() / 3.0)
        self.refused = float((verdict[off & kept] == Verdict.GATED).mean()) if (off & kept).any() else 1.0
        self.lost = float((verdict[good] != Verdict.ACCEPTED).mean())


@pytest.fixture
def fly(poses: Any, flight: Flight) -> Callable[..., Noisy]:
    def run(log: str, every: int, noise: float, seed: int, **options: Any) -> Noisy:
        t, p, q = flight(log, 1)

        def truth(at: np.ndarray) -> np.ndarray:
            return np.stack([np.interp(at, t, p[:, i]) for i in range(3)], axis=1)

        return Noisy(poses(shipped()), (t[::every], p[::every], q[::every], truth), noise, seed, **options)

    return run


def sweep(start_ns: int, rate_hz: int, seconds: float = 40.0, speed: float = 1.0) -> Any:
    """A body that swings and turns; `speed` 0 stands still."""

    def truth(at: np.ndarray) -> np.ndarray:
        s = speed * (at - start_ns) * 1e-9
        return np.stack([1.5 * np.sin(s), 1.2 * np.cos(0.8 * s), 0.3 * np.sin(1.3 * s)], axis=1)

    t = start_ns + (np.arange(int(seconds * rate_hz)) * 1e9 / rate_hz).astype(np.int64)
    s = speed * (t - start_ns) * 1e-9
    turn = Rotation.from_rotvec(np.stack([0.5 * np.sin(s), 0.3 * np.cos(s), 0.4 * s], axis=1))
    return t, truth(t), np.roll(turn.as_quat(), 1, axis=1), truth


# Every pose at 29 Hz, every tenth of 200 Hz at 20 Hz, and at 100 Hz.
@pytest.mark.parametrize("noise", [0.001, 0.02, 0.05])
@pytest.mark.parametrize(("log", "every"), [("V1_01_easy", 1), ("V1_01_easy", 3), ("V2_01_easy", 7)])
def test_a_flight_is_followed_whatever_its_poses_are_worth(
    fly: Callable[..., Noisy], log: str, every: int, noise: float
) -> None:
    run = fly(log, every, noise, 1)
    assert run.ratio < {0.001: 0.3, 0.02: 0.85, 0.05: 0.9}[noise]
    assert 0.3 <= run.nees <= 3.0
    assert run.refused >= 0.98
    assert run.lost <= 0.015


@pytest.mark.parametrize("noise", [0.001, 0.02, 0.05])
@pytest.mark.parametrize("rate_hz", [10, 30, 100])
def test_the_noise_of_poses_is_found_at_any_rate(poses: Any, start_ns: int, rate_hz: int, noise: float) -> None:
    run = Noisy(poses(shipped()), sweep(start_ns, rate_hz), noise, 3, outliers=0.0)
    assert run.ratio < 1.0
    assert 0.3 <= run.nees <= 3.0
    position, rotation = run.body.bank.measurement_noise
    assert 0.005 * position[0] == pytest.approx(noise, rel=0.35)
    assert 0.01 * rotation[0] == pytest.approx(TURN_PER_METRE * noise, rel=0.35)


def test_noise_as_configured_changes_nothing(fly: Callable[..., Noisy]) -> None:
    run = fly("V2_01_easy", 7, 0.005, 2)
    position, rotation = run.body.bank.measurement_noise
    assert position[0] == pytest.approx(1.0, abs=0.2)
    assert rotation[0] == pytest.approx(0.87, abs=0.2)


@pytest.mark.parametrize("claim", [0.1, 0.3, 1.0, 3.0, 10.0])
def test_a_stated_covariance_counts_while_it_is_sane_and_is_scaled_when_it_is_far_off(
    fly: Callable[..., Noisy], claim: float
) -> None:
    run = fly("V1_01_easy", 1, 0.005, 4, stated=0.005 * claim)
    assert run.ratio <= 0.45
    assert 0.3 <= run.nees <= 3.0
    assert run.refused >= 0.98


def test_outliers_do_not_pass_for_noise(poses: Any, start_ns: int) -> None:
    run = Noisy(poses(shipped()), sweep(start_ns, 50), 0.005, 5, outliers=0.1)
    assert run.body.bank.measurement_noise[0][0] < 1.6
    assert run.refused >= 0.98


def test_a_motion_that_bends_between_samples_does_not_pass_for_noise(poses: Any, start_ns: int) -> None:
    """Ten poses a second of a body that swings at 0.9 Hz: third differences are all motion, and agree with each other."""
    body, (t, p, q, _) = poses(shipped()), sweep(start_ns, 10, speed=4.0)
    for k in range(t.size):
        body.feed(t[k], p[k], q[k])
    assert body.bank.measurement_noise[0][0] <= 1.1


def test_numbers_that_repeat_at_rest_tell_nothing_of_noise(poses: Any, start_ns: int) -> None:
    body = poses(shipped())
    body.feed(start_ns + 20_000_000 * np.arange(500), (1.0, 2.0, 3.0))
    assert body.bank.measurement_noise[0][0] == body.bank.measurement_noise[1][0] == 1.0


def test_the_noise_found_does_not_depend_on_the_order_of_arrival(poses: Any, start_ns: int) -> None:
    t, p, q, _ = sweep(start_ns, 50, 10.0)
    rng = np.random.default_rng(6)
    z = p + rng.normal(0.0, 0.03, p.shape)
    order = np.argsort(t + rng.integers(0, 190_000_000, t.size), kind="stable")
    found = []
    for arrived in (np.arange(t.size), order):
        body = poses(shipped())
        body.feed(t[arrived], z[arrived], q[arrived])
        found.append(body.bank.measurement_noise[0][0])
    assert found[0] > 3.0
    assert found[1] == pytest.approx(found[0], abs=1e-9)
