"""What twind does with a message once the source has it: route, decode, collect, estimate. CPU time, no network."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import machine
import robots
from table import Row, Section, row

from twind.codecs.joint_state import JointStateCodec
from twind.config.base import RouteSettings
from twind.config.settings import EstimationSettings
from twind.model.estimates import Verdict
from twind.runtime.bindings import Bindings
from twind.runtime.estimators import Estimators, Outcome
from twind.runtime.pipeline import Feed

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from twind.model.errors import RefusedInput
    from twind.model.messages import RawMessage
    from twind.model.topology import Topology
    from twind.runtime.columns import JointColumns

_ROBOTS = 50
_BATCHES = (1, 8, 64, 512)
_START_NS = 1_800_000_000_000_000_000
_BAR_US = 5.0


class _Collected:
    """In the place of the estimators: keeps the columns of each batch, and estimates nothing."""

    def __init__(self, outcome: Outcome) -> None:
        self.batches: list[JointColumns] = []
        self.uses_velocity = False
        self.efforts = None
        self._outcome = outcome

    def ingest_joints(self, columns: JointColumns) -> Outcome:
        self.batches.append(columns)
        return self._outcome


class _Way:
    """One complete way of messages: real bindings, real estimators, and messages that were never seen before."""

    def __init__(self, topology: Topology, *, velocities: bool) -> None:
        self.stream = robots.Stream(_ROBOTS, start_ns=_START_NS, velocities=velocities)
        self.estimators = Estimators(topology, EstimationSettings())
        self.estimators.warm_up()
        routes = [RouteSettings.model_validate({"topic": robots.PATTERN, "codec": "joint_state"})]
        bindings = Bindings(routes, {"joint_state": JointStateCodec()}, topology, self.estimators)
        self.feed = Feed(bindings, self.estimators, on_refused=_not_expected)
        first = self.feed.process(self.stream.take(_ROBOTS))  # binds every topic
        empty: np.ndarray = first.used_ns[:0]
        self.collected = _Collected(Outcome(empty.astype("u1"), empty))
        self.collector = Feed(bindings, self.collected, on_refused=_not_expected)  # type: ignore[arg-type]

    def process_us(self, count: int, batch: int) -> float:
        """Return the CPU time of a message through all of `Feed.process`."""
        batches = _cut(self.stream.take(count), batch)
        accepted = 0
        started = time.process_time()
        for messages in batches:
            accepted += int(self.feed.process(messages).verdicts[Verdict.ACCEPTED])
        spent = time.process_time() - started
        assert accepted == count * robots.JOINTS, "a sample was not used: this would measure something else"
        return spent / count * 1e6

    def collect_and_estimate_us(self, count: int, batch: int) -> tuple[float, float]:
        """Return the CPU time of a message up to its columns, and from the columns to the estimate."""
        batches = _cut(self.stream.take(count), batch)
        started = time.process_time()
        for messages in batches:
            self.collector.process(messages)
        between = time.process_time()
        for columns in self.collected.batches:
            self.estimators.ingest_joints(columns)
        spent = time.process_time() - between
        self.collected.batches.clear()
        return (between - started) / count * 1e6, spent / count * 1e6

    def decode_us(self, count: int, decode: Callable[[bytes], object]) -> float:
        """Return the CPU time of one decode."""
        payloads = [message.payload for message in self.stream.take(count)]
        started = time.process_time()
        for one in payloads:
            decode(one)
        return (time.process_time() - started) / count * 1e6


def measure(*, quick: bool) -> Section:
    """Measure every batch size in every round."""
    rounds, count = (5, 1024) if quick else (21, 4096)
    topology = robots.topology(_ROBOTS)
    spent: dict[str, list[float]] = {}
    bars = {f"everything, batches of {batch}": _BAR_US for batch in _BATCHES if batch > 1}
    with machine.on(machine.MEASURED):
        decode = JointStateCodec().decode
        full, lean = _Way(topology, velocities=True), _Way(topology, velocities=False)
        for _ in range(rounds):
            for batch in _BATCHES:
                spent.setdefault(f"everything, batches of {batch}", []).append(full.process_us(count, batch))
            spent.setdefault("everything, batches of 64, no velocities", []).append(lean.process_us(count, 64))
            spent.setdefault("  typed decode alone", []).append(full.decode_us(count, decode))
            spent.setdefault("for comparison: json.loads alone", []).append(full.decode_us(count, json.loads))
            for batch in (8, 64):
                collect, estimate = full.collect_and_estimate_us(count, batch)
                spent.setdefault(f"  batches of {batch}: route, decode, collect", []).append(collect)
                spent.setdefault(f"  batches of {batch}: clocks and filters", []).append(estimate)
    size = len(robots.payload(1, _START_NS + 123_456_789_012))
    rows: list[Row] = [row(name, "us/message", samples, bar=bars.get(name)) for name, samples in spent.items()]
    return Section(f"7-joint JSON message ({size} bytes, positions and velocities): CPU of Feed.process", tuple(rows))


def _cut(messages: list[RawMessage], batch: int) -> list[list[RawMessage]]:
    return [messages[start : start + batch] for start in range(0, len(messages), batch)]


def _not_expected(_message: RawMessage, refusal: RefusedInput) -> None:
    raise AssertionError(refusal)
