"""What a joint was measured to be beside what it is estimated to be: kept only while somebody looks at that joint."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from twind.model.estimates import Verdict
from twind.model.time import NO_STAMP
from twind.model.topology import Robot
from twind.runtime.http.views import NotNowError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from twind.model.state import Update
    from twind.model.topology import Topology
    from twind.runtime.columns import JointArrays
    from twind.runtime.estimators import Estimators

MAX_JOINTS = 16
"""Joints that can be looked at, at a time."""
KEPT = 4096
"""Samples that are kept of each: four seconds of a source of 1 kHz."""
FORGET_AFTER_S = 10.0
"""A joint that nobody has asked about for this long is looked at no more [s]."""

_WORDS = [verdict.name.lower() for verdict in Verdict]


@dataclass(slots=True)
class _Trace:
    """One joint that somebody looks at."""

    asked_s: float
    places: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Of each layout of messages: where in it the joint is, -1 nowhere."""
    number: int = 0
    """Entries so far, of both kinds: what `after` refers to."""
    measured: deque[tuple[int, int, float, int]] = field(default_factory=lambda: deque(maxlen=KEPT))
    """Number, stamp [ns], position [rad or m], verdict."""
    estimated: deque[tuple[int, int, float, float]] = field(default_factory=lambda: deque(maxlen=KEPT))
    """Number, stamp [ns], position [rad or m], one sigma."""


class Traces:
    """Belongs to the event loop."""

    def __init__(self, topology: Topology, estimators: Estimators, *, now_s: Callable[[], float]) -> None:
        self._topology = topology
        self._estimators = estimators
        self._now_s = now_s
        self._traces: dict[int, _Trace] = {}
        """By joint row."""

    def __len__(self) -> int:
        """Joints that somebody looks at."""
        return len(self._traces)

    def document(self, entity_id: str, joint: str, after: int) -> dict[str, object] | None:
        """Return what came after an earlier answer's `next`; None when there is no such joint. Being asked starts a trace.

        Raises:
            NotNowError: `MAX_JOINTS` others are looked at.
        """
        row = self._row(entity_id, joint)
        if row is None:
            return None
        trace = self._traces.get(row)
        if trace is None:
            if len(self._traces) >= MAX_JOINTS:
                raise NotNowError(f"{MAX_JOINTS} joints are being looked at, and no more can be at a time")
            trace = self._traces[row] = _Trace(self._now_s())
            self._estimators.on_joints = self.take
        trace.asked_s = self._now_s()
        after = after if after <= trace.number else 0  # of a trace that was forgotten meanwhile
        measured = [entry for entry in trace.measured if entry[0] > after]
        estimated = [entry for entry in trace.estimated if entry[0] > after]
        return {
            "entity": entity_id,
            "joint": joint,
            "next": trace.number,
            "measured": {
                "stamp_ns": [entry[1] for entry in measured],
                "position": [entry[2] for entry in measured],
                "verdict": [_WORDS[entry[3]] for entry in measured],
            },
            "estimated": {
                "stamp_ns": [entry[1] for entry in estimated],
                "position": [entry[2] for entry in estimated],
                "position_std": [entry[3] for entry in estimated],
            },
        }

    def take(self, batch: JointArrays, mapped_ns: NDArray[np.int64], verdicts: NDArray[np.uint8]) -> None:
        """Take over what a batch says of the joints that somebody looks at."""
        for row, trace in self._traces.items():
            begin, rows = self._estimators.joints.layouts
            if len(trace.places) < len(begin) - 1:
                trace.places = _places(row, begin, rows)
            places = trace.places[batch.layout]
            messages = np.flatnonzero(places >= 0)
            if not len(messages):
                continue
            at = batch.offset[messages] + places[messages]
            of = messages[at < batch.offset[messages + 1]]
            at = at[at < batch.offset[messages + 1]]
            known = at[verdicts[at] < len(Verdict)]
            of = of[verdicts[at] < len(Verdict)]
            values = self._unwrapped(row, trace, batch.position[known])
            for stamp, value, verdict in zip(mapped_ns[of].tolist(), values.tolist(), verdicts[known].tolist(), strict=True):
                if stamp != NO_STAMP and np.isfinite(value):
                    trace.number += 1
                    trace.measured.append((trace.number, stamp, value, verdict))

    def show(self, update: Update) -> None:
        """Take over what an update shows of them, and forget those that nobody asks about any more."""
        now_s = self._now_s()
        for row in [row for row, trace in self._traces.items() if now_s - trace.asked_s > FORGET_AFTER_S]:
            del self._traces[row]
        if not self._traces:
            self._estimators.on_joints = None
        for row, trace in self._traces.items():
            entity = int(self._estimators.owner[row])
            stamp, std = int(update.stamp_ns[entity]), float(update.joint_std[row])
            if stamp and np.isfinite(std) and (not trace.estimated or trace.estimated[-1][1] != stamp):
                trace.number += 1
                trace.estimated.append((trace.number, stamp, float(update.joint_position[row]), std))

    def _unwrapped(self, row: int, trace: _Trace, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return measured positions on the turn that the estimate is on."""
        modulus = float(self._estimators.joints.modulus[row])
        if not modulus or not trace.estimated:
            return values
        near = trace.estimated[-1][2]
        return values + modulus * np.rint((near - values) / modulus)

    def _row(self, entity_id: str, joint: str) -> int | None:
        index = self._topology.entity_index.get(entity_id)
        entity = None if index is None else self._topology.entities[index]
        if index is None or not isinstance(entity, Robot):
            return None
        first = self._topology.first_joint[index]
        return next((first + at for at, one in enumerate(entity.joints) if one.name == joint and one.movable), None)


def _places(row: int, begin: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where in each layout a joint row is; -1 where it is not."""
    places = np.full(len(begin) - 1, -1, np.int64)
    found = np.flatnonzero(rows == row)
    layouts = np.searchsorted(begin, found, side="right") - 1
    places[layouts] = found - begin[layouts]
    return places
