"""A pose of a body: the pose bank against a NumPy batch and filterpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from contest import START_NS, WARM_MESSAGES, Clock, Contestant, cpu_ns, when_installed
from rival_poses import FilterpyPoses, NumpyPoses

from twind.estimation import PoseBank
from twind.model.estimates import Verdict
from twind.model.time import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contest import Absent

_SAMPLE_BAR_NS = 1200.0


class Poses:
    """A bank of so many bodies, whose messages come in an order that is new every time."""

    def __init__(self, bodies: int, messages: int) -> None:
        self._bodies, self._messages, self._clock, self._bank = bodies, messages, Clock(bodies), PoseBank(bodies)
        for _ in range(0, WARM_MESSAGES, messages):
            self.ingest_ns()

    def ingest_ns(self) -> float:
        """Feed a batch, so many messages of each body; return what a pose cost [ns]."""
        total = self._messages * self._bodies
        order = np.stack([self._clock.rng.permutation(self._bodies) for _ in range(self._messages)])
        stamps, _ = self._clock.steps(self._messages)
        position, orientation = (
            np.take_along_axis(column, order[:, :, None], axis=1).reshape(total, -1) for column in _path(self._clock, stamps)
        )
        row, stamps = order.astype(np.int32).reshape(-1), np.take_along_axis(stamps, order, axis=1).reshape(-1)
        unknown, verdict, nis = np.full((total, 3), np.nan), np.empty(total, np.uint8), np.empty(total)
        none, zeros = np.zeros(total), np.zeros(total, np.uint8)
        spent = cpu_ns(
            lambda: self._bank.ingest(row, stamps, none, zeros, position, orientation, unknown, unknown, verdict, nis),
            per=total,
        )
        assert np.mean(verdict == Verdict.ACCEPTED) > 0.99, "most samples were not used: this would measure something else"
        return spent

    def predict_ns(self) -> float:
        """Predict all bodies to one instant; return what a body cost [ns]."""
        n = self._bodies
        target, stds = np.full(n, self._bank.last_ns.max() + NS_PER_MS), (np.empty(n), np.empty(n))
        position, orientation = np.empty((n, 3)), np.empty((n, 4))
        return cpu_ns(lambda: self._bank.predict(target, position, orientation, *stds), per=n, repeat=20)


def _path(clock: Clock, stamps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return noisy positions and the orientations of bodies that go in a circle, at stamps (messages, bodies)."""
    half = 0.15 * (stamps - START_NS) * 1e-9
    noise = clock.rng.normal(0.0, 0.003, (*stamps.shape, 3))
    position = np.stack([np.cos(half), np.sin(half), 0.0 * half], axis=-1) + noise
    return position, np.stack([np.cos(half), 0.0 * half, 0.0 * half, np.sin(half)], axis=-1)


def contestants(bodies: int, messages: int) -> Iterator[Contestant | Absent]:
    """Yield the ways of filtering so many bodies, from batches of so many messages of each."""
    bank = Poses(bodies, messages)
    own = Clock(bodies)
    position, orientation = _path(own, own.steps(1)[0])
    batch = NumpyPoses(position[0], orientation[0])

    def step_batch() -> float:
        stamps, intervals = own.steps(messages)
        rows = list(zip(intervals, *_path(own, stamps), strict=True))
        return cpu_ns(lambda: [batch.step(*row) for row in rows] and None, per=messages * bodies)

    name = f"pose sample, {bodies:,} bodies"
    yield Contestant(f"{name}: twind, noise adapts, any order", "ns/sample", bank.ingest_ns, _SAMPLE_BAR_NS)
    yield Contestant(f"{name}: NumPy batch", "ns/sample", step_batch)

    def filterpy() -> Iterator[Contestant]:
        clock = Clock(bodies)
        filters = FilterpyPoses(_path(clock, clock.steps(1)[0])[0][0])

        def step() -> float:
            stamps, intervals = clock.steps(1)
            position, orientation = _path(clock, stamps)
            measured = np.concatenate([position[0], 2.0 * orientation[0, :, 1:]], axis=1)
            return cpu_ns(lambda: filters.step(intervals[0], measured), per=bodies)

        yield Contestant(f"{name}: filterpy, twelve linear states", "ns/sample", step)

    if bodies < 1000:
        yield from when_installed("filterpy", f"{name}: filterpy", "ns/sample", filterpy)
        yield Contestant(f"pose prediction, {bodies:,} bodies: twind", "ns/body", bank.predict_ns)
