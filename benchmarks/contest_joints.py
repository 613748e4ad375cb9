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
    from collections.abc import Callable, Iterator

    from contest import Absent

_N = robots.JOINTS
_SAMPLE_BAR_NS, _PREDICT_BAR_NS = 100.0, 15.0
_KEPT = 32
"""Samples of each joint in a round, in which a bank keeps a state of each once: all do so at the same time."""


class Joints:
    """A bank of all joints of so many arms, fed by all of them in an order that is new every time."""

    def __init__(self, arms: int, messages: int) -> None:
        self.n, self._arms, self._messages, self._clock = arms * _N, arms, messages, Clock(arms)
        self._bank = JointBank(self.n)
        self._layouts = np.array([self._bank.add_layout(range(first, first + _N)) for first in range(0, self.n, _N)], np.int32)
        for _ in range(0, WARM_MESSAGES, messages):
            self.ingest_ns()

    def ingest_ns(self) -> float:
        """Feed a batch, so many messages of each arm; return what a sample cost [ns]."""
        messages, total = self._messages, self._messages * self._arms
        order = np.stack([self._clock.rng.permutation(self._arms) for _ in range(messages)])
        stamps, _ = self._clock.steps(messages)
        values = _angles(self._clock, stamps).reshape(messages, self._arms, _N)
        values = np.take_along_axis(values, order[:, :, None], axis=1).reshape(-1)
        stamps = np.take_along_axis(stamps, order, axis=1).reshape(-1)
        layout = self._layouts[order].reshape(-1)
        verdict, nis = np.empty(total * _N, np.uint8), np.empty(total * _N)
        none, zeros, offset = np.zeros(total), np.zeros(total, np.uint8), np.arange(total + 1) * _N
        spent = cpu_ns(lambda: self._bank.ingest(layout, stamps, none, zeros, offset, values, verdict, nis), per=total * _N)
        assert np.mean(verdict == Verdict.ACCEPTED) > 0.99, "most samples were not used: this would measure something else"
        return spent

    def predict_ns(self) -> float:
        """Predict all joints to one instant; return what a joint cost [ns]."""
        target = np.full(self.n, self._bank.last_ns.max() + NS_PER_MS)
        out = [np.empty(self.n) for _ in range(3)]
        return cpu_ns(lambda: self._bank.predict(target, *out), per=self.n, repeat=_repeat(self.n))


class _Steps:
    """A rival, fed one sample of every joint in every step."""

    def __init__(self, rival: type[NumpyJoints | FilterpyJoints], arms: int) -> None:
        self._n, self._arms, self._clock = arms * _N, arms, Clock(arms)
        self.rival = rival(_angles(self._clock, self._clock.steps(1)[0])[0], _N)

    def ingest_ns(self, steps: int) -> float:
        stamps, intervals = self._clock.steps(steps)
        rows = list(zip(intervals, _angles(self._clock, stamps), strict=True))
        return cpu_ns(lambda: [self.rival.step(*row) for row in rows] and None, per=steps * self._n)

    def predict_ns(self) -> float:
        ahead = self._clock.rng.uniform(0.0, 1e-3, self._arms)
        return cpu_ns(lambda: self.rival.predict(ahead), per=self._n, repeat=_repeat(self._n))


def contestants(arms: int, messages: int) -> Iterator[Contestant | Absent]:
    """Yield the ways of filtering and predicting the joints of so many arms, from batches of so many messages of each."""
    bank, batch = Joints(arms, messages), _Steps(NumpyJoints, arms)
    n, calls = bank.n, _KEPT // messages
    name = f"joint sample, {n:,} joints"
    yield Contestant(
        f"{name}: twind, eight models, any order", "ns/sample", lambda: _mean(bank.ingest_ns, calls), _SAMPLE_BAR_NS
    )
    yield Contestant(f"{name}: NumPy batch, one model", "ns/sample", lambda: batch.ingest_ns(_KEPT))

    def filterpy() -> Iterator[Contestant]:
        filters = _Steps(FilterpyJoints, arms)
        yield Contestant(f"{name}: filterpy, one model", "ns/sample", lambda: filters.ingest_ns(1))

    if n < 10_000:  # a sample costs the same however many there are
        yield from when_installed("filterpy", f"{name}: filterpy", "ns/sample", filterpy)
    name = f"predict sweep, {n:,} joints"
    yield Contestant(f"{name}: twind", "ns/joint", bank.predict_ns, _PREDICT_BAR_NS)
    yield Contestant(f"{name}: NumPy batch", "ns/joint", batch.predict_ns)


def _angles(clock: Clock, stamps: np.ndarray) -> np.ndarray:
    """Return noisy positions of all joints at the stamps of their robots, (messages, joints)."""
    seconds = np.repeat((stamps - START_NS) * 1e-9, _N, axis=1)
    return np.sin(seconds) + clock.rng.normal(0.0, 5e-4, seconds.shape)


def _mean(measure: Callable[[], float], calls: int) -> float:
    return sum(measure() for _ in range(calls)) / calls


def _repeat(n: int) -> int:
    return 20 if n < 10_000 else 3
