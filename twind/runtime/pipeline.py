"""From raw messages to estimates: route, decode, collect, one kernel call per batch. The hot path of the daemon."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from twind.model.errors import RefusedInput
from twind.model.estimates import Verdict
from twind.model.messages import NO_SEQUENCE
from twind.model.refusals import Refusal
from twind.runtime.bindings import JointBinding
from twind.runtime.columns import BodyColumns, JointColumns, pad

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from twind.model.messages import RawMessage
    from twind.runtime.bindings import Binding
    from twind.runtime.estimators import Estimators, Outcome


@dataclass(slots=True)
class Refused:
    """How many messages of one batch were refused for one reason, with the first as an example."""

    count: int
    topic: str
    example: str


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What became of every message of one batch: each is either refused or among `messages - refused`."""

    messages: int
    refused: dict[Refusal, Refused]
    outcomes: tuple[Outcome, ...] = ()
    """What the estimators made of the rest, one of joints and one of bodies, as far as there were any."""

    @property
    def verdicts(self) -> NDArray[np.int64]:
        """Count of samples by `Verdict`."""
        return sum((outcome.counts() for outcome in self.outcomes), np.zeros(len(Verdict), np.int64))

    @property
    def used_ns(self) -> NDArray[np.int64]:
        """Stamps, in the daemon's clock, of the messages that changed an estimate [ns]."""
        used = [outcome.used_ns for outcome in self.outcomes]
        return np.concatenate(used) if used else np.empty(0, np.int64)


class Finder(Protocol):
    """What finds the binding of a topic; `twind.runtime.bindings.Bindings` is one."""

    known: dict[str, Binding]
    """Topic to binding, as far as they were found."""

    def find(self, topic: str) -> Binding:
        """Bind a topic that is not in `known` yet; raises RefusedInput when it cannot be."""


class Feed:
    """The way of one source's messages into the estimators."""

    def __init__(
        self, bindings: Finder, estimators: Estimators, *, on_refused: Callable[[RawMessage, RefusedInput], None]
    ) -> None:
        self._bindings = bindings
        self._estimators = estimators
        self._on_refused = on_refused

    def process(self, messages: list[RawMessage]) -> BatchReport:
        """Route, decode and estimate one batch, in order. Bad input is refused one by one and disturbs nothing else."""
        joints, bodies = JointColumns(), BodyColumns()
        refused: dict[Refusal, Refused] = {}
        known = self._bindings.known
        efforts = self._estimators.efforts is not None
        values, ends, number = joints.position, joints.offset, joints.number
        add_stream, add_stamp, add_arrival, add_layout, add_end = (
            column.append for column in (joints.stream, joints.device_ns, joints.receive_ns, joints.layout, ends)
        )
        for message in messages:
            topic, payload = message.topic, message.payload
            try:
                binding = known.get(topic) or self._bindings.find(topic)
                if len(payload) > binding.max_bytes:
                    raise RefusedInput(  # noqa: TRY301  (every refusal of the loop ends in the one handler below)
                        Refusal.OVERSIZE, f"{len(payload)} bytes; the route allows {binding.max_bytes}"
                    )
                if not isinstance(binding, JointBinding):
                    binding.take(payload, message.receive_ns, joints, bodies)
                    continue
                sample = binding.decode(payload)
                position = sample.position
                length = len(position)
                if sample.names == binding.last_names and length == binding.last_length:
                    layout = binding.last_layout
                else:
                    layout = binding.layout_for(sample.names, length)
            except RefusedInput as refusal:
                self._refuse(refused, message, refusal)
                continue
            add_stream(binding.stream)
            add_stamp(sample.stamp_ns)
            add_arrival(message.receive_ns)
            add_layout(layout)
            if sample.velocity:  # whether they are used or not, they tell a source that repeats itself from a robot that stands
                pad(joints.velocity, ends[-1], math.nan)
                joints.velocity += sample.velocity
            if efforts and sample.effort:
                pad(joints.effort, ends[-1], math.nan)
                joints.effort += sample.effort
            values += position
            add_end(ends[-1] + length)
            if sample.sequence != NO_SEQUENCE:
                pad(number, len(joints.stream) - 1, NO_SEQUENCE)
                number.append(sample.sequence)
        return self._estimate(len(messages), refused, joints, bodies)

    def _estimate(
        self, messages: int, refused: dict[Refusal, Refused], joints: JointColumns, bodies: BodyColumns
    ) -> BatchReport:
        outcomes: list[Outcome] = []
        if len(joints):
            outcomes.append(self._estimators.ingest_joints(joints))
        if len(bodies):
            outcomes.append(self._estimators.ingest_bodies(bodies))
        return BatchReport(messages, refused, tuple(outcomes))

    def _refuse(self, refused: dict[Refusal, Refused], message: RawMessage, refusal: RefusedInput) -> None:
        entry = refused.get(refusal.reason)
        if entry is None:
            refused[refusal.reason] = Refused(1, message.topic, str(refusal))
        else:
            entry.count += 1
        self._on_refused(message, refusal)
