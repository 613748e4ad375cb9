"""What became of the messages and samples of every recorded stream: verdicts, innovations, resets, clock."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.estimation.tally import CHANNELS, POSITION
from twind.model.estimates import Verdict
from twind.runtime.estimation_watch import EstimationWatch, Switch
from twind.runtime.figures import stream_figures
from twind.telemetry.hub import event_name

if TYPE_CHECKING:
    from twind.model.errors import RefusedInput
    from twind.model.messages import RawMessage
    from twind.runtime.estimators import Estimators, Outcome
    from twind.runtime.pipeline import BatchReport
    from twind.runtime.replay.routing import RecordedRoutes
    from twind.telemetry.estimation import StreamFigures

_MAX_EVENTS = 1000
"""Events kept of one stream; the rest is counted."""


@dataclass(slots=True)
class _Stream:
    refused: Counter[str] = field(default_factory=Counter)
    example: str = ""
    """What was wrong with the first message refused."""
    events: list[dict[str, Any]] = field(default_factory=list)
    events_left_out: int = 0

    def note(self, event: dict[str, Any]) -> None:
        if len(self.events) < _MAX_EVENTS:
            self.events.append(event)
        else:
            self.events_left_out += 1


class Statistics:
    """Notes refusals and events; samples are counted by the estimators. `streams` says what came of it all."""

    def __init__(self, routes: RecordedRoutes, estimators: Estimators) -> None:
        self.messages = 0
        self._routes = routes
        self._estimators = estimators
        self._streams: dict[str, _Stream] = {}
        self._keys: dict[int, str] = {}
        self._steps = estimators.clocks.steps
        self._watch = EstimationWatch(estimators)

    def refused(self, message: RawMessage, refusal: RefusedInput) -> None:
        """Count one message that could not be used."""
        stream = self._stream(message.topic)
        stream.refused[str(refusal.reason)] += 1
        stream.example = stream.example or str(refusal)

    def add(self, report: BatchReport, last_ns: int) -> None:
        """Note what became of one batch, of which the newest message was received at `last_ns`."""
        self.messages += report.messages
        for outcome in report.outcomes:
            if outcome.resets:
                self._note_resets(outcome)
        for switch in self._watch.new_switches():
            self._note_switch(switch, report, last_ns)
        steps = self._estimators.clocks.steps
        for row in np.flatnonzero(steps != self._steps):
            offset_s = _number(float(self._estimators.clocks.offset_s[row]))
            self._of_row(int(row)).note({"stamp_ns": last_ns, "event": "clock_step", "offset_s": offset_s})
        self._steps = steps

    def _note_switch(self, switch: Switch, report: BatchReport, last_ns: int) -> None:
        """Note what happened to an entity with the first stream of the batch that is about it."""
        fields = {name: value for name, value in asdict(switch).items() if name != "entity" and value != ""}
        event = {"stamp_ns": last_ns, "event": event_name(type(switch)), **fields}
        samples = [outcome.samples for outcome in report.outcomes if outcome.samples is not None]
        of_joints = fields.get("channel") != "twist"
        rows = [int(row) for one in samples if (one.channel is None) is of_joints for row in np.unique(one.stream)]
        about = [row for row in rows if self._estimators.streams[row].entity == switch.entity]
        if about:
            self._of_row(about[0]).note(event)

    def _note_resets(self, outcome: Outcome) -> None:
        samples = outcome.samples
        if samples is None:
            return
        reset = np.flatnonzero(outcome.verdicts == Verdict.RESET)
        if samples.offset is not None:
            reset = np.searchsorted(samples.offset, reset, side="right") - 1
        for message, count in zip(*np.unique(reset, return_counts=True), strict=True):
            channel = CHANNELS[POSITION if samples.channel is None else samples.channel[message]]
            event = {"stamp_ns": int(samples.receive_ns[message]), "event": "estimate_reset", "channel": channel}
            self._of_row(int(samples.stream[message])).note({**event, "count": int(count)})

    def _stream(self, key: str) -> _Stream:
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream()
        return stream

    def _of_row(self, row: int) -> _Stream:
        if row not in self._keys:
            self._keys = {binding.stream: key for key, binding in self._routes.known.items()}
        return self._stream(self._keys[row])

    def streams(self) -> list[dict[str, Any]]:
        """Return what is known of each stream, ordered by source and topic, ready for JSON."""
        for key in self._routes.known:
            self._stream(key)
        figures = stream_figures(self._estimators, 0, len(self._estimators.streams), recent=False)
        named = sorted((self._routes.streams[key], key) for key in self._streams)
        return [self._document(source, topic, key, figures) for (source, topic), key in named]

    def _document(self, source: str, topic: str, key: str, figures: list[StreamFigures]) -> dict[str, Any]:
        stream, binding = self._streams[key], self._routes.known.get(key)
        document: dict[str, Any] = {
            "source": source,
            "topic": topic,
            "entity": None,
            "messages": stream.refused.total(),
            "refused": dict(sorted(stream.refused.items())),
            "first_refusal": stream.example,
            "clock": None,
            "channels": {},
            "resets": 0,
            "events": sorted(stream.events, key=itemgetter("stamp_ns")),
            "events_left_out": stream.events_left_out,
        }
        if binding is None:
            return document
        own = figures[binding.stream]
        found = _plain(asdict(own))
        return {**document, **{name: found[name] for name in ("entity", "clock", "channels", "resets")}} | {
            "messages": document["messages"] + own.messages
        }


def _plain(value: Any) -> Any:
    """Return what JSON can hold: None for numbers that are none, lists for tuples."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return _number(value) if isinstance(value, float) else value


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
