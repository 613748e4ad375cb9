"""The links of all arms: twind's kinematics against a NumPy batch and Pinocchio."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import numpy as np
import robots
from contest import START_NS, Contestant, cpu_ns, when_installed
from rival_kinematics import NumpyKinematics, Pinocchio

from twind.model.time import NS_PER_MS
from twind.twin import Twin
from twind.twin.kinematics import place_frames
from twind.twin.tables import flatten

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contest import Absent

_N = robots.JOINTS
_BAR_NS = 40.0


def contestants(arms: int) -> Iterator[Contestant | Absent]:
    """Yield the ways of placing the links of so many arms, and the publish tick that they are part of."""
    topology = robots.topology(arms)
    arm, n, entities = topology.robots[0], arms * _N, len(topology.entities)
    tables, rng = flatten(topology), np.random.default_rng(2)
    movable = np.tile([joint.movable for joint in arm.joints], arms)
    everyone, unposed = np.arange(entities), np.zeros(entities, np.uint8)
    body, turned = np.zeros((entities, 3)), np.zeros((entities, 4))
    position, orientation = tables.frames["rest_position"].copy(), tables.frames["rest_orientation"].copy()

    def angles() -> np.ndarray:
        return rng.uniform(-3.0, 3.0, (arms, _N))

    def place() -> float:
        every = np.zeros(topology.n_joints)
        every[movable] = angles().reshape(-1)
        return cpu_ns(
            lambda: place_frames(tables, everyone, unposed, body, turned, every, position, orientation), per=n, repeat=20
        )

    batch = NumpyKinematics(arm)

    def place_batch() -> float:
        q = angles()
        return cpu_ns(lambda: batch.place(q), per=n, repeat=5)

    name = f"kinematics, {n:,} joints"
    yield Contestant(f"{name}: twind", "ns/joint", place, _BAR_NS)
    yield Contestant(f"{name}: NumPy batch", "ns/joint", place_batch)

    def pinocchio() -> Iterator[Contestant]:
        single, whole, empty = Pinocchio(arm, 1), Pinocchio(arm, arms), Pinocchio(arm, 0)

        def one_by_one() -> float:
            q = list(angles())
            return cpu_ns(lambda: [single.place(one) for one in q] and None, per=n, repeat=5)

        def at_once() -> float:
            q = angles().reshape(-1)
            return cpu_ns(lambda: whole.place(q), per=n, repeat=20)

        def call() -> float:
            nothing = np.zeros(0)
            return cpu_ns(lambda: empty.place(nothing), per=_N, repeat=500)

        yield Contestant(f"{name}: Pinocchio, a call per arm", "ns/joint", one_by_one)
        yield Contestant(f"{name}: Pinocchio, of which the call itself", "ns/joint", call)
        yield Contestant(f"{name}: Pinocchio, one model of all arms", "ns/joint", at_once)

    yield from when_installed("pinocchio", f"{name}: Pinocchio", "ns/joint", pinocchio)
    twin = Twin(topology, fresh_ns=150 * NS_PER_MS, coast_ns=500 * NS_PER_MS, lost_ns=5000 * NS_PER_MS)
    ticks = count(START_NS, 33 * NS_PER_MS)

    def advance() -> float:
        now_ns, rows = next(ticks), topology.n_joints
        stamp, sampled = np.full(entities, now_ns - NS_PER_MS), np.full(rows, now_ns - NS_PER_MS)
        every, velocity, std = rng.uniform(-1.0, 1.0, rows), np.zeros(rows), np.full(rows, 1e-3)
        upright, none = np.tile([1.0, 0.0, 0.0, 0.0], (entities, 1)), np.zeros(entities)
        return cpu_ns(
            lambda: twin.advance(
                now_ns=now_ns,
                target_ns=stamp,
                sample_ns=stamp,
                joint_position=every,
                joint_velocity=velocity,
                joint_std=std,
                joint_sample_ns=sampled,
                body_position=body,
                body_orientation=upright,
                body_position_std=none,
                body_rotation_std=none,
                posed=unposed,
            ),
            per=n,
        )

    yield Contestant(
        "twind's publish tick before the stage: status, mimic, limits, kinematics, local poses", "ns/joint", advance
    )
