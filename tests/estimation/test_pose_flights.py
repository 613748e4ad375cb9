"""The bars of the pose filter: on real flights with the shipped defaults, and its consistency in simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.transform import Rotation

from twind.config.settings import PoseSettings
from twind.estimation import PoseBank
from twind.model.estimates import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    Flight = Callable[[str, int], tuple[np.ndarray, np.ndarray, np.ndarray]]

AHEAD_NS = 100_000_000


def angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return 2.0 * np.arccos(np.clip(np.abs((a * b).sum(axis=-1)), 0.0, 1.0))


def wxyz(rotation: Rotation) -> np.ndarray:
    return np.roll(rotation.as_quat(), 1, axis=-1)


def rms(errors: np.ndarray) -> float:
    return float(np.sqrt((errors**2).sum(axis=-1).mean()))


class Run:
    """One flight with noise, loss, outliers, silences and flipped quaternions, followed pose by pose."""

    def __init__(self, body: Any, data: tuple[np.ndarray, np.ndarray, np.ndarray], truth: Any, seed: int) -> None:
        self.t, self.p, self.q = data
        rng = np.random.default_rng(seed)
        count, s = self.t.size, (self.t - self.t[0]) * 1e-9
        self.kept = (rng.random(count) > 0.05) & (s % 15.0 > 1.5)
        self.outlier = rng.random(count) < 0.01
        direction = rng.normal(size=self.p.shape)
        self.z = self.p + rng.normal(0.0, 0.005, self.p.shape)
        self.z[self.outlier] += 0.5 * (direction / np.linalg.norm(direction, axis=1, keepdims=True))[self.outlier]
        turned = Rotation.from_quat(np.roll(self.q, -1, axis=1)) * Rotation.from_rotvec(rng.normal(0.0, 0.0087, self.p.shape))
        self.r = wxyz(turned) * rng.choice([-1.0, 1.0], (count, 1))
        self.verdict = np.full(count, 255, np.uint8)
        self.now, self.ahead, self.turn = np.zeros((count, 3)), np.zeros((count, 3)), np.zeros((count, 4))
        self.std = np.ones(count)
        for i in np.flatnonzero(self.kept):
            self.verdict[i] = body.feed(self.t[i], self.z[i], self.r[i], tag=i)[0][0]
            if body.overruled[0] >= 0:
                self.verdict[body.overruled[0]] = Verdict.GATED
            self.now[i], self.turn[i], self.std[i], _ = body.predict(int(self.t[i]))
            self.ahead[i] = body.predict(int(self.t[i]) + AHEAD_NS)[0]
        self.future = truth(self.t + AHEAD_NS)
        self.good = self.kept & ~self.outlier

    def ahead_over_hold(self) -> float:
        """Error of the prediction 100 ms ahead over that of the newest sample, where that is no outlier."""
        return rms((self.ahead - self.future)[self.good]) / rms((self.z - self.future)[self.good])

    def longest_refusal(self) -> float:
        """Longest time without a used pose while poses came [s]."""
        used = np.isin(self.verdict, (Verdict.ACCEPTED, Verdict.RESET))
        longest, since = 0.0, None
        for i in np.flatnonzero(self.kept):
            since = None if used[i] else (self.t[i] if since is None else since)
            longest = longest if since is None else max(longest, (self.t[i] - since) * 1e-9)
        return longest


def shipped(scale: float = 1.0) -> dict[str, float]:
    settings = PoseSettings()
    return {
        "position_std": settings.position_std_m,
        "rotation_std": settings.rotation_std_rad,
        "acceleration_noise": settings.acceleration_noise * scale,
        "angular_acceleration_noise": settings.angular_acceleration_noise * scale,
    }


@pytest.fixture
def fly(poses: Any, flight: Flight) -> Callable[..., Run]:
    def run(log: str, every: int, scale: float, seed: int) -> Run:
        t, p, _ = flight(log, 1)

        def truth(at: np.ndarray) -> np.ndarray:
            return np.stack([np.interp(at, t, p[:, i]) for i in range(3)], axis=1)

        return Run(poses(shipped(scale)), flight(log, every), truth, seed)

    return run


LOGS = [("V1_01_easy", 1), ("V2_01_easy", 7)]


@pytest.mark.parametrize("seed", [1, 6, 7, 31])
@pytest.mark.parametrize(("log", "every"), LOGS)
def test_a_real_flight_with_noise_loss_silences_and_outliers_is_followed(
    fly: Callable[..., Run], log: str, every: int, seed: int
) -> None:
    run = fly(log, every, 1.0, seed)
    assert run.ahead_over_hold() <= 0.45
    bad = run.outlier & run.kept
    assert (run.verdict[bad] == Verdict.GATED).mean() >= 0.98
    assert (run.verdict[run.good] != Verdict.ACCEPTED).mean() <= 0.01
    error = np.linalg.norm(run.now - run.p, axis=1)
    assert 0.5 <= ((error / run.std) ** 2)[run.good].mean() / 3.0 <= 1.5
    assert rms((run.now - run.p)[run.good]) < 0.9 * rms((run.z - run.p)[run.good])
    assert rms(angle(run.turn, run.q)[run.good][:, None]) < 0.9 * rms(angle(run.r, run.q)[run.good][:, None])


@pytest.mark.parametrize("scale", [0.1, 0.01])
@pytest.mark.parametrize(("log", "every"), LOGS)
def test_a_process_noise_that_is_far_too_small_costs_little(
    fly: Callable[..., Run], log: str, every: int, scale: float
) -> None:
    run = fly(log, every, scale, 31)
    assert run.ahead_over_hold() <= 0.6  # the bar is 2: adaptation finds the noise that fits
    assert run.longest_refusal() < 1.0


def test_errors_are_as_large_as_the_filter_says(start_ns: int) -> None:
    """Monte Carlo over the model itself: the NEES averages to the degrees of freedom within its 99 % band."""
    rng = np.random.default_rng(3)
    runs, steps, T, qa, qw = 80, 60, 0.033, 0.3, 1.0
    bank = PoseBank(runs)
    p, v = rng.normal(0.0, 1.0, (runs, 3)), rng.normal(0.0, 0.3, (runs, 3))
    q, w = Rotation.random(runs, random_state=1), rng.normal(0.0, 0.3, (runs, 3))
    rows, unknown = np.arange(runs, dtype=np.int32), np.full((runs, 3), np.nan)
    G = np.linalg.cholesky(np.array([[T**3 / 3.0, T**2 / 2.0], [T**2 / 2.0, T]]))
    nis = np.zeros((steps, runs))
    for k in range(steps):
        a, b = rng.normal(size=(2, runs, 3)), rng.normal(size=(2, runs, 3))
        p, v = p + v * T + qa * G[0, 0] * a[0], v + qa * (G[1, 0] * a[0] + G[1, 1] * a[1])
        q, w = q * Rotation.from_rotvec(w * T + qw * G[0, 0] * b[0]), w + qw * (G[1, 0] * b[0] + G[1, 1] * b[1])
        z, r = p + rng.normal(0.0, 0.005, (runs, 3)), wxyz(q * Rotation.from_rotvec(rng.normal(0.0, 0.01, (runs, 3))))
        t = np.full(runs, start_ns + int(k * T * 1e9))
        bank.ingest(rows, t, np.zeros(runs), np.zeros(runs, np.uint8), z, r, unknown, unknown, np.zeros(runs, np.uint8), nis[k])
    s = bank._states
    position, rotation = np.zeros(runs), np.zeros(runs)
    for n in range(runs):
        for i in range(3):
            e = np.array([s["p"][n, i] - p[n, i], s["v"][n, i] - v[n, i]])
            position[n] += e @ np.linalg.solve([[s["pp"][n, i], s["pv"][n, i]], [s["pv"][n, i], s["vv"][n, i]]], e)
        theta = (Rotation.from_quat(np.roll(s["q"][n], -1)).inv() * q[n]).as_rotvec()
        e = np.concatenate([theta, w[n] - s["w"][n]])
        rotation[n] = e @ np.linalg.solve(s["P"][n], e)
    for nees in (position, rotation):
        low, high = stats.chi2.ppf([0.005, 0.995], 6 * runs) / runs
        assert low < nees.mean() < high
    late = nis[20:]
    low, high = stats.chi2.ppf([0.005, 0.995], 6 * late.size) / late.size
    assert low * 0.97 < np.nanmean(late) < high * 1.03  # the gate trims it, adaptation moves it a little
    white = (late - late.mean(axis=0)) / late.std(axis=0)
    assert abs((white[1:] * white[:-1]).mean()) < 3.0 / np.sqrt(white.size)


def test_a_body_that_stands_still_is_shown_stiller_than_it_is_measured(poses: Any, start_ns: int) -> None:
    rng = np.random.default_rng(8)
    body = poses(shipped())
    shown = []
    for k in range(900):
        body.feed(start_ns + k * 33_000_000, rng.normal(0.0, 0.005, 3), (1.0, *rng.normal(0.0, 0.005, 3)))
        shown.append(body.predict()[0])
    assert np.std(shown[-300:], axis=0).max() < 0.003
    assert body.bank.process_noise[0][0] < 0.05**2


def outlier_run(poses: Any, start_ns: int, outliers: set[int], *, rate_hz: int = 30) -> tuple[Any, np.ndarray, np.ndarray]:
    """Return the body, its verdicts and its errors [m]: one that flies on at 1 m/s, some of its poses half a metre off."""
    rng = np.random.default_rng(9)
    body, verdicts, errors = poses(shipped()), np.zeros(90, np.uint8), np.zeros(90)
    for k in range(90):
        x = np.array([k / rate_hz, 0.0, 0.0])
        z = x + rng.normal(0.0, 0.005, 3) + (np.array([0.0, 0.5, 0.0]) if k in outliers else 0.0)
        verdicts[k] = body.feed(start_ns + k * 10**9 // rate_hz, z, tag=k)[0][0]
        if body.overruled[0] >= 0:
            verdicts[body.overruled[0]] = Verdict.GATED
        errors[k] = np.linalg.norm(body.predict()[0] - x)
    return body, verdicts, errors


@pytest.mark.parametrize("outliers", [{60}, {60, 61}, {60, 62, 63}, {1}])
def test_outliers_that_follow_each_other_cost_no_good_pose(poses: Any, start_ns: int, outliers: set[int]) -> None:
    body, verdicts, errors = outlier_run(poses, start_ns, outliers)
    refused = set(np.flatnonzero(verdicts == Verdict.GATED))
    assert outliers <= refused
    assert len(refused - outliers) <= 1  # one honest pose in a thousand is
    assert np.delete(errors, sorted(refused)).max() < 0.03
    assert body.bank.resets[0] == 0
