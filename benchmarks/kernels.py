"""What the kernels cost on whole batches: CPU time per sample, joint or link, dispatch included."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import machine
import numpy as np
import robots
from table import Section, row

from twind.estimation import JointBank, PoseBank
from twind.model.estimates import Verdict
from twind.model.time import NS_PER_MS
from twind.twin import Twin
from twind.twin.kinematics import place_frames
from twind.twin.tables import flatten

if TYPE_CHECKING:
    from collections.abc import Callable

_ROBOTS = 100
_MESSAGES = 20
"""Messages of each robot in one batch."""
_PERIOD_NS = 10 * NS_PER_MS
_START_NS = 1_800_000_000_000_000_000
_JITTER_NS = 100_000
"""Of stamps: with equal intervals the filter would compute its model once."""


def measure(*, quick: bool) -> Section:
    """Measure every kernel in every round."""
    rounds = 5 if quick else 31
    with machine.on(machine.MEASURED):
        joints, poses, twin = _Joints(), _Poses(), _Kinematics()
        spent: dict[tuple[str, str], list[float]] = {}
        for number in range(rounds + 1):
            found = {
                ("joint filter", "ns/sample"): joints.ingest_ns(),
                ("joint prediction", "ns/joint"): joints.predict_ns(),
                ("pose filter", "ns/pose"): poses.ingest_ns(),
                ("pose prediction", "ns/body"): poses.predict_ns(),
                ("forward kinematics", "ns/joint"): twin.place_ns(),
                ("twin: all of a publish tick (status, mimic, limits, kinematics, local poses)", "ns/joint"): twin.advance_ns(),
            }
            if number:  # the first round compiles or loads
                for key, value in found.items():
                    spent.setdefault(key, []).append(value)
    rows = tuple(row(name, unit, samples) for (name, unit), samples in spent.items())
    return Section(
        f"Kernels, {_ROBOTS} robots of {robots.JOINTS} joints or bodies, batches of {_ROBOTS * _MESSAGES} messages", rows
    )


class _Clock:
    """Stamps that go on, batch by batch: messages of all robots in turn, with jitter."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(1)
        self._next_ns = _START_NS

    def stamps(self) -> np.ndarray:
        grid = self._next_ns + np.repeat(np.arange(_MESSAGES), _ROBOTS) * _PERIOD_NS
        self._next_ns += _MESSAGES * _PERIOD_NS
        return grid + self.rng.integers(-_JITTER_NS, _JITTER_NS, len(grid))


class _Joints:
    def __init__(self) -> None:
        n = robots.JOINTS
        self._bank = JointBank(_ROBOTS * n)
        layouts = [self._bank.add_layout(range(first, first + n)) for first in range(0, _ROBOTS * n, n)]
        self._layout = np.array(layouts * _MESSAGES, np.int32)
        self._clock = _Clock()

    def ingest_ns(self) -> float:
        messages, values = len(self._layout), len(self._layout) * robots.JOINTS
        stamps = self._clock.stamps()
        position = np.sin(np.repeat(stamps - _START_NS, robots.JOINTS) * 1e-9) + self._clock.rng.normal(0, 5e-4, values)
        verdict, nis = np.empty(values, np.uint8), np.empty(values)
        none, zeros = np.zeros(messages), np.zeros(messages, np.uint8)
        offset = np.arange(messages + 1) * robots.JOINTS
        spent = _cpu_ns(
            lambda: self._bank.ingest(self._layout, stamps, none, zeros, offset, position, verdict, nis), per=values
        )
        assert np.mean(verdict == Verdict.ACCEPTED) > 0.99, "most samples were not used: this would measure something else"
        return spent

    def predict_ns(self) -> float:
        n = self._bank.n_joints
        target = self._bank.last_ns + NS_PER_MS * np.arange(n) // n
        out = [np.empty(n) for _ in range(3)]
        return _cpu_ns(lambda: self._bank.predict(target, *out), per=n, repeat=20)


class _Poses:
    def __init__(self) -> None:
        self._bank = PoseBank(_ROBOTS)
        self._row = np.tile(np.arange(_ROBOTS, dtype=np.int32), _MESSAGES)
        self._clock = _Clock()

    def ingest_ns(self) -> float:
        count = len(self._row)
        stamps = self._clock.stamps()
        half = 0.15 * (stamps - _START_NS) * 1e-9
        position = np.stack([np.cos(half), np.sin(half), 0 * half], axis=1) + self._clock.rng.normal(0, 0.003, (count, 3))
        orientation = np.stack([np.cos(half), 0 * half, 0 * half, np.sin(half)], axis=1)
        unknown, verdict, nis = np.full((count, 3), np.nan), np.empty(count, np.uint8), np.empty(count)
        none, zeros = np.zeros(count), np.zeros(count, np.uint8)
        spent = _cpu_ns(
            lambda: self._bank.ingest(self._row, stamps, none, zeros, position, orientation, unknown, unknown, verdict, nis),
            per=count,
        )
        assert np.mean(verdict == Verdict.ACCEPTED) > 0.99, "most samples were not used: this would measure something else"
        return spent

    def predict_ns(self) -> float:
        target = self._bank.last_ns + NS_PER_MS
        position, orientation = np.empty((_ROBOTS, 3)), np.empty((_ROBOTS, 4))
        stds = np.empty(_ROBOTS), np.empty(_ROBOTS)
        return _cpu_ns(lambda: self._bank.predict(target, position, orientation, *stds), per=_ROBOTS, repeat=20)


class _Kinematics:
    def __init__(self) -> None:
        topology = robots.topology(_ROBOTS)
        self._n, self._entities = topology.n_joints, len(topology.entities)
        self._tables = flatten(topology)
        self._twin = Twin(topology, fresh_ns=150 * NS_PER_MS, coast_ns=500 * NS_PER_MS, lost_ns=5000 * NS_PER_MS)
        self._now_ns = _START_NS
        self._rng = np.random.default_rng(2)

    def place_ns(self) -> float:
        everyone, unposed = np.arange(self._entities), np.zeros(self._entities, np.uint8)
        angles, body, turned = self._rng.uniform(-1, 1, self._n), np.zeros((self._entities, 3)), np.zeros((self._entities, 4))
        position, orientation = self._tables.frames["rest_position"].copy(), self._tables.frames["rest_orientation"].copy()
        return _cpu_ns(
            lambda: place_frames(self._tables, everyone, unposed, body, turned, angles, position, orientation),
            per=self._n,
            repeat=20,
        )

    def advance_ns(self) -> float:
        self._now_ns += 33 * NS_PER_MS
        stamp = np.full(self._entities, self._now_ns - NS_PER_MS)
        position, velocity, std = self._rng.uniform(-1, 1, self._n), np.zeros(self._n), np.full(self._n, 1e-3)
        sampled = np.full(self._n, self._now_ns - NS_PER_MS)
        body, orientation = np.zeros((self._entities, 3)), np.tile([1.0, 0.0, 0.0, 0.0], (self._entities, 1))
        none, unposed = np.zeros(self._entities), np.zeros(self._entities, np.uint8)
        return _cpu_ns(
            lambda: self._twin.advance(
                now_ns=self._now_ns,
                target_ns=stamp,
                sample_ns=stamp,
                joint_position=position,
                joint_velocity=velocity,
                joint_std=std,
                joint_sample_ns=sampled,
                body_position=body,
                body_orientation=orientation,
                body_position_std=none,
                body_rotation_std=none,
                posed=unposed,
            ),
            per=self._n,
        )


def _cpu_ns(call: Callable[[], object], *, per: int, repeat: int = 1) -> float:
    started = time.process_time_ns()
    for _ in range(repeat):
        call()
    return (time.process_time_ns() - started) / (per * repeat)
