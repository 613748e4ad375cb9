"""The fifteen-state filter: an IMU drives the body, poses correct it and reveal the biases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.transform import Rotation

from twind.estimation import Channel, PoseBank
from twind.model.estimates import Verdict

MS = 1_000_000
G = np.array([0.0, 0.0, 9.80665])


def log(start_ns: int, seconds: float, seed: int = 1) -> dict[str, Any]:
    """A body on a loop: IMU at 200 Hz with biases and noise, poses at 20 Hz with 5 mm and 10 mrad of noise."""
    rng = np.random.default_rng(seed)
    T = 0.005
    s = np.arange(int(seconds / T)) * T
    phase = rng.uniform(0.0, 6.0, 3)
    p = np.stack([2.0 * np.sin(1.1 * s + phase[0]), 1.5 * np.cos(0.9 * s + phase[1]), 0.5 * np.sin(1.7 * s)], axis=1)
    v = np.stack([2.2 * np.cos(1.1 * s + phase[0]), -1.35 * np.sin(0.9 * s + phase[1]), 0.85 * np.cos(1.7 * s)], axis=1)
    turn = Rotation.from_rotvec(np.stack([0.5 * np.sin(s), 0.4 * np.cos(1.3 * s), 0.8 * np.sin(0.4 * s + phase[2])], axis=1))
    rate, force = np.zeros_like(p), np.tile(G, (s.size, 1))
    rate[1:] = (turn[:-1].inv() * turn[1:]).as_rotvec() / T
    force[1:] = turn[:-1].inv().apply(np.diff(v, axis=0) / T + G)
    gyro_bias, acc_bias = rng.normal(0.0, 0.05, 3), rng.normal(0.0, 0.15, 3)
    rate += gyro_bias + rng.normal(0.0, 0.005 / np.sqrt(T), p.shape)
    force += acc_bias + rng.normal(0.0, 0.05 / np.sqrt(T), p.shape)
    noisy = turn * Rotation.from_rotvec(rng.normal(0.0, 0.01, p.shape))
    t = start_ns + (np.arange(s.size) * 5 * MS)
    return {
        "t": t, "p": p, "v": v, "turn": turn, "rate": rate, "force": force, "gyro_bias": gyro_bias, "acc_bias": acc_bias,
        "z": p + rng.normal(0.0, 0.005, p.shape), "r": np.roll(noisy.as_quat(), 1, axis=1),
    }  # fmt: skip


def columns(data: dict[str, Any]) -> dict[str, np.ndarray]:
    """Interleave IMU samples with a pose at every tenth."""
    pose = np.arange(0, data["t"].size, 10)
    t = np.concatenate([data["t"], data["t"][pose]])
    channel = np.repeat(np.array([Channel.IMU, Channel.POSE], np.uint8), [data["t"].size, pose.size])
    linear = np.concatenate([data["force"], data["z"][pose]])
    angular = np.concatenate([np.pad(data["rate"], ((0, 0), (0, 1))), data["r"][pose]])
    order = np.lexsort((channel, t))
    return {"t": t[order], "channel": channel[order], "linear": linear[order], "angular": angular[order]}


def run(data: dict[str, np.ndarray], order: np.ndarray | None = None, *, inertial: bool = True) -> tuple[PoseBank, np.ndarray]:
    order = np.arange(data["t"].size) if order is None else order
    bank = PoseBank(1, depth=96)
    bank.configure(0, inertial=inertial)
    count = order.size
    verdict, unknown = np.zeros(count, np.uint8), np.full((count, 3), np.nan)
    bank.ingest(
        np.zeros(count, np.int32), data["t"][order], np.zeros(count), np.zeros(count, np.uint8), data["linear"][order],
        data["angular"][order], unknown, unknown, verdict, np.zeros(count), data["channel"][order],
    )  # fmt: skip
    return bank, verdict


def error(bank: PoseBank, data: dict[str, Any]) -> np.ndarray:
    """(15,) error of the state."""
    s, gyro, acc = bank._states[0], *bank.imu_biases
    theta = (Rotation.from_quat(np.roll(s["q"], -1)).inv() * data["turn"][-1]).as_rotvec()
    return np.concatenate(
        [data["p"][-1] - s["p"], data["v"][-1] - s["v"], theta, data["gyro_bias"] - gyro[0], data["acc_bias"] - acc[0]]
    )


def test_poses_reveal_the_biases_of_the_imu(start_ns: int) -> None:
    data = log(start_ns, 30.0)
    bank, verdict = run(columns(data))
    assert np.mean(verdict == Verdict.ACCEPTED) > 0.995
    found = error(bank, data)
    assert np.abs(found[:3]).max() < 0.01
    assert np.abs(found[6:9]).max() < 0.01
    assert np.abs(found[9:12]).max() < 0.01
    assert np.abs(found[12:]).max() < 0.1


def test_the_imu_carries_the_body_through_a_silence_of_its_poses(start_ns: int) -> None:
    data = log(start_ns, 21.0)
    sent = columns(data)
    heard = (sent["channel"] == Channel.IMU) | (sent["t"] < start_ns + 20_000 * MS)
    errors = [
        np.abs(error(run({name: column[heard] for name, column in sent.items()}, inertial=inertial)[0], data)[:3]).max()
        for inertial in (True, False)
    ]
    assert errors[0] < 0.15
    assert errors[0] < 0.5 * errors[1]


def test_its_errors_are_as_large_as_it_says(start_ns: int) -> None:
    nees = []
    for seed in range(40):
        data = log(start_ns, 6.0, seed)
        bank, _ = run(columns(data))
        e = error(bank, data)
        nees.append(e @ np.linalg.solve(bank._driven[0]["P"], e))
    low, high = stats.chi2.ppf([0.005, 0.995], 15 * 40) / 40
    assert low < np.mean(nees) < high


@pytest.mark.parametrize("seed", range(3))
def test_any_order_within_the_lag_ends_as_the_sorted_run(start_ns: int, seed: int) -> None:
    sent = columns(log(start_ns, 3.0))
    rng = np.random.default_rng(seed)
    order = np.argsort(sent["t"] + rng.integers(0, 190 * MS, sent["t"].size), kind="stable")
    expected, _ = run(sent)
    found, verdict = run(sent, order)
    assert not (verdict == Verdict.TOO_OLD).any()
    for name in ("p", "v", "q", "w"):
        np.testing.assert_allclose(found._states[name], expected._states[name], rtol=0.0, atol=1e-9)
    np.testing.assert_allclose(found._driven["P"], expected._driven["P"], rtol=0.0, atol=1e-9)


def test_outliers_are_refused_and_a_lasting_jump_is_followed(start_ns: int) -> None:
    data = log(start_ns, 10.0)
    data["z"][1000] += 0.5
    data["z"][1500:] += (0.5, 0.0, 0.0)
    sent = columns(data)
    bank, verdict = run(sent)
    pose = sent["channel"] == Channel.POSE
    assert verdict[pose][100] == Verdict.GATED
    assert verdict[pose][150:153].tolist() == [Verdict.GATED, Verdict.GATED, Verdict.RESET]
    assert bank.resets[0] == 1
    assert bank.reset_delta[0][0] == pytest.approx((0.5, 0.0, 0.0), abs=0.05)
    assert error(bank, data)[:3] == pytest.approx((-0.5, 0.0, 0.0), abs=0.03)


def test_without_its_imu_the_body_coasts_on(start_ns: int) -> None:
    data = log(start_ns, 10.0)
    sent = columns(data)
    heard = (sent["channel"] == Channel.POSE) | (sent["t"] < start_ns + 5_000 * MS)
    bank, verdict = run({name: column[heard] for name, column in sent.items()})
    assert np.isfinite(bank._driven["P"]).all()
    assert np.mean(verdict[-80:] == Verdict.ACCEPTED) > 0.9
    assert np.linalg.norm(bank._states["p"][0] - data["p"][-10]) < 0.05
