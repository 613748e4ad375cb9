"""What the kernels are measured against computes the same: otherwise being faster would mean nothing."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twind.estimation import JointBank, PoseBank
from twind.twin.kinematics import place_frames
from twind.twin.tables import flatten

START_NS = 1_800_000_000_000_000_000


@pytest.fixture
def rival(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    return importlib.import_module


def test_the_numpy_joints_equal_filterpy(rival: Any) -> None:
    module, rng = rival("rival_joints"), np.random.default_rng(0)
    batch, filters = module.NumpyJoints(np.zeros(4), 2), module.FilterpyJoints(np.zeros(4), 2)
    for _ in range(100):
        interval, z = rng.uniform(0.005, 0.02, 2), rng.normal(0.0, 0.1, 4)
        batch.step(interval, z)
        filters.step(interval, z)
    np.testing.assert_allclose(batch.x.T, [one.x[:, 0] for one in filters.filters], rtol=1e-7, atol=1e-9)


def test_the_numpy_joints_equal_the_joint_bank_with_one_model_and_exact_stamps(rival: Any) -> None:
    module = rival("rival_joints")
    bank = JointBank(1, gate=1 - 1e-12, coast_ns=10**9)
    bank.configure(0, adapt=False, stamp_std_s=0.0, jerk_noise=np.sqrt(module.DENSITY), position_std=1e-3)
    layout, batch = np.array([bank.add_layout([0])], np.int32), module.NumpyJoints(np.array([0.0]), 1)
    for k in range(300):
        z = np.array([np.sin(0.01 * k)])
        stamp, none, zeros = np.array([START_NS + 10_000_000 * k]), np.zeros(1), np.zeros(1, np.uint8)
        bank.ingest(layout, stamp, none, zeros, np.array([0, 1]), z, np.zeros(1, np.uint8), np.zeros(1))
        if k:
            batch.step(np.array([0.01]), z)
    ours = np.zeros(1), np.zeros(1), np.zeros(1)
    bank.predict(stamp + 50_000_000, *ours)
    np.testing.assert_allclose(np.concatenate(ours), np.concatenate(batch.predict(np.array([0.05]))), rtol=1e-5)


def test_the_numpy_poses_equal_the_pose_bank_with_the_same_process_noise(rival: Any) -> None:
    module, rng, n = rival("rival_poses"), np.random.default_rng(1), 5
    bank, q = PoseBank(n, gate=1 - 1e-12), rng.normal(size=(n, 4))
    q /= np.linalg.norm(q, axis=1)[:, None]
    batch = module.NumpyPoses(np.zeros((n, 3)), q)
    unknown, rows = np.full((n, 3), np.nan), np.arange(n, dtype=np.int32)
    for k in range(6):  # before the bank learns that the noise is not what it was told, which the rival never does
        p = rng.normal(0.0, 0.003, (n, 3))
        batch.acceleration[:, 0], batch.angular[:, 0] = bank.process_noise  # as adapted so far
        stamps, none, zeros = np.full(n, START_NS + 10_000_000 * k), np.zeros(n), np.zeros(n, np.uint8)
        bank.ingest(rows, stamps, none, zeros, p, q, unknown, unknown, np.zeros(n, np.uint8), np.zeros(n))
        if k:
            batch.step(np.full(n, 0.01), p, q)
        else:
            batch.p = p.copy()
        turn = module._exponential(rng.normal(0.0, 0.01, (n, 3)))
        q = module._product(q, turn)
    position, orientation = np.zeros((n, 3)), np.zeros((n, 4))
    bank.predict(stamps, position, orientation, np.zeros(n), np.zeros(n))
    np.testing.assert_allclose(batch.p, position, atol=1e-9)
    np.testing.assert_allclose(np.abs(np.sum(batch.q * orientation, axis=1)), 1.0, atol=1e-12)


def test_the_numpy_kinematics_and_pinocchio_equal_twinds(rival: Any) -> None:
    module, topology = rival("rival_kinematics"), rival("robots").topology(3)
    tables, arm, entities = flatten(topology), topology.robots[0], 3
    angles = np.random.default_rng(2).uniform(-3.0, 3.0, (entities, 7))
    every = np.zeros(topology.n_joints)
    every[np.tile([joint.movable for joint in arm.joints], entities)] = angles.reshape(-1)
    position, orientation = np.zeros((topology.n_frames, 3)), np.zeros((topology.n_frames, 4))
    zeros = np.zeros((entities, 3)), np.zeros((entities, 4))
    place_frames(tables, np.arange(entities), np.zeros(entities, np.uint8), *zeros, every, position, orientation)
    placed = position.reshape(entities, 8, 3)
    ours = placed[:, 1:] - placed[:, :1]  # from its base, which the others leave at the origin
    theirs, _ = module.NumpyKinematics(arm).place(angles)
    np.testing.assert_allclose(np.stack(theirs, axis=1), ours, atol=1e-9)

    pytest.importorskip("pinocchio")
    pinocchio = module.Pinocchio(arm, entities)
    pinocchio.place(angles.reshape(-1))
    found = np.array([link.translation for link in pinocchio.data.oMi[1:]]).reshape(entities, 7, 3)
    np.testing.assert_allclose(found, ours, atol=1e-9)
