"""A sample of a joint, and the prediction of all joints: the joint bank against a NumPy batch and filterpy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import robots
from contest import START_NS, WARM_MESSAGES, Clock, Contestant, cpu_ns, when_installed
from rival_joints import FilterpyJoints, NumpyJoints

from twind.estimation import JointBank
from twind.model.estimates import Verdict
from twind.model.time import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contest import Absent

_N = robots.JOINTS
_SAMPLE_BAR_NS, _PREDICT_BAR_NS = 100.0, 15.0


def contestants(arms: int, messages: int) -> Iterator[Contestant | Absent]:
    """Yield the ways of filtering and predicting the joints of so many arms, from batches of so many messages of each."""
    n, clock = arms * _N, Clock(arms)
    bank = JointBank(n)
    layouts = np.array([bank.add_layout(range(first, first + _N)) for first in range(0, n, _N)], np.int32)

    def ingest(messages: int) -> float:
        order = np.stack([clock.rng.permutation(arms) for _ in range(messages)])  # robots have no order among them
        stamps, _ = clock.steps(messages)
        values = _angles(clock, stamps, _N).reshape(messages, arms, _N)
        arrived = np.take_along_axis(values, order[:, :, None], axis=1).reshape(-1)
        arrived_ns = np.take_along_axis(stamps, order, axis=1).reshape(-1)
        total = messages * arms
        verdict, nis = np.empty(total * _N, np.uint8), np.empty(total * _N)
        none, zeros, offset = np.zeros(total), np.zeros(total, np.uint8), np.arange(total + 1) * _N
        layout = layouts[order].reshape(-1)
        spent = cpu_ns(lambda: bank.ingest(layout, arrived_ns, none, zeros, offset, arrived, verdict, nis), per=total * _N)
        assert np.mean(verdict == Verdict.ACCEPTED) > 0.99, "most samples were not used: this would measure something else"
        return spent

    for _ in range(0, WARM_MESSAGES, messages):
        ingest(messages)

    def predict() -> float:
        target = np.full(n, bank.last_ns.max() + NS_PER_MS)
        out = [np.empty(n) for _ in range(3)]
        return cpu_ns(lambda: bank.predict(target, *out), per=n, repeat=20 if n < 10_000 else 3)

    own = Clock(arms)
    first = _angles(own, own.steps(1)[0], _N)[0]
    batch = NumpyJoints(first, _N)

    def step_batch(batch: NumpyJoints | FilterpyJoints, clock: Clock, messages: int) -> float:
        stamps, intervals = clock.steps(messages)
        values = _angles(clock, stamps, _N)
        return cpu_ns(lambda: [batch.step(T, z) for T, z in zip(intervals, values, strict=True)] and None, per=messages * n)

    def predict_batch() -> float:
        ahead = own.rng.uniform(0.0, 1e-3, arms)
        return cpu_ns(lambda: batch.predict(ahead), per=n, repeat=20 if n < 10_000 else 3)

    name = f"joint sample, {n:,} joints"
    yield Contestant(f"{name}: twind, eight models, any order", "ns/sample", lambda: ingest(messages), _SAMPLE_BAR_NS)
    yield Contestant(f"{name}: NumPy batch, one model", "ns/sample", lambda: step_batch(batch, own, messages))

    def filterpy() -> Iterator[Contestant]:
        clock = Clock(arms)
        filters = FilterpyJoints(_angles(clock, clock.steps(1)[0], _N)[0], _N)
        yield Contestant(f"{name}: filterpy, one model", "ns/sample", lambda: step_batch(filters, clock, 1))

    if n < 10_000:  # a sample costs the same however many there are
        yield from when_installed("filterpy", f"{name}: filterpy", "ns/sample", filterpy)
    name = f"predict sweep, {n:,} joints"
    yield Contestant(f"{name}: twind", "ns/joint", predict, _PREDICT_BAR_NS)
    yield Contestant(f"{name}: NumPy batch", "ns/joint", predict_batch)


def _angles(clock: Clock, stamps: np.ndarray, each: int) -> np.ndarray:
    """Return noisy positions of all joints at the stamps of their robots, (messages, joints)."""
    seconds = np.repeat((stamps - START_NS) * 1e-9, each, axis=1)
    return np.sin(seconds) + clock.rng.normal(0.0, 5e-4, seconds.shape)
