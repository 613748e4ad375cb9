"""What became of the messages and samples of every recorded stream: verdicts, innovations, resets, clock, and events."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import asdict, dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.estimation.tally import CHANNELS, POSITION
from twind.model.estimates import Verdict
from twind.runtime.estimation_watch import EstimationWatch
from twind.runtime.figures import stream_figures
from twind.telemetry import estimate_events as events
from twind.telemetry.event import event_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from twind.model.errors import RefusedInput
    from twind.model.messages import RawMessage
    from twind.runtime.estimators import Estimators, Outcome
    from twind.runtime.pipeline import BatchReport
    from twind.runtime.replay.routing import RecordedRoutes
    from twind.telemetry.event import Event
    from twind.telemetry.figures import StreamFigures

_MAX_EVENTS = 1000
"""Events kept of one stream; the rest is counted."""
_CLOCK_COUNTS = {
    "steps_ahead": "clock_step", "steps_back": "clock_step", "freezes": "stamps_frozen", "trust_lost": "clock_not_shared",
}  # fmt: skip
"""What the clock bank counts, with the event that it is in the summary."""
_OF_ENTITIES = (events.ChannelDisabled, events.ChannelRestored, events.SourceFrozen, events.SourceMoving)
_POSITIONS, _POSES, _TWISTS = ("position",), ("pose",), ("twist", "world_twist")
"""Channels whose samples show that joints freeze or report velocities that lie, that poses freeze, and that a twist lies."""


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
        self._watch = EstimationWatch(estimators)
        self._clocks: dict[str, NDArray[np.int64]] = {}
        self._counters: dict[str, NDArray[np.int64]] = {}
        self._counted_streams = 0
        self._clocks_seen = b""

    def refused(self, message: RawMessage, refusal: RefusedInput) -> None:
        """Count one message that could not be used."""
        stream = self._stream(message.topic)
        stream.refused[str(refusal.reason)] += 1
        stream.example = stream.example or str(refusal)

    def add(self, report: BatchReport, last_ns: int) -> None:
        """Note what became of one batch, of which the newest message was received at `last_ns`."""
        self.messages += report.messages
        told = self._watch.of_entities()
        for outcome in report.outcomes:
            if outcome.resets:
                self._note_resets(outcome, told)
        for event in told:
            if isinstance(event, _OF_ENTITIES):
                self._note(event, report.outcomes, last_ns)
        self._note_clocks(last_ns)

    def _note_resets(self, outcome: Outcome, told: list[Event]) -> None:
        """Note each message that re-initialised estimates, with how far the newest reset of its entity in the batch went."""
        samples = outcome.samples
        if samples is None:
            return
        reset = np.flatnonzero(outcome.verdicts == Verdict.RESET)
        if samples.offset is not None:
            reset = np.searchsorted(samples.offset, reset, side="right") - 1
        for message, count in zip(*np.unique(reset, return_counts=True), strict=True):
            channel = CHANNELS[POSITION if samples.channel is None else samples.channel[message]]
            row = int(samples.stream[message])
            event = {"stamp_ns": int(samples.receive_ns[message]), "event": "estimate_reset", "channel": channel}
            self._of_row(row).note({**event, "count": int(count), **self._moved(row, channel, told)})

    def _moved(self, row: int, channel: str, told: list[Event]) -> dict[str, Any]:
        """Return how far a reset moved the entity of a stream."""
        kind, entity = "joint" if channel == CHANNELS[POSITION] else "pose", self._estimators.streams[row].entity
        for event in told:
            if isinstance(event, events.EstimateReset) and (event.kind, event.entity) == (kind, entity):
                where = {"joint": event.joint} if kind == "joint" else {"angle_rad": _number(event.angle_rad)}
                return {"entity": entity, "distance": _number(event.distance), **where}
        return {}

    def _note(self, event: Event, outcomes: tuple[Outcome, ...], last_ns: int) -> None:
        """Note an event of an entity at the streams of the batch that showed it."""
        document = asdict(event)
        shown_by = _TWISTS if document.get("channel") == "twist" else _POSES if document.get("joints") == 0 else _POSITIONS
        rows = {row for row, channel in _sampled(outcomes) if channel in shown_by}
        own = {row for row in rows if self._estimators.streams[row].entity == document["entity"]}
        for row in sorted(own or rows):  # a packed message may be about others than its topic says
            self._of_row(row).note({"stamp_ns": last_ns, "event": event_name(type(event)), **document})

    def _note_clocks(self, last_ns: int) -> None:
        clocks, streams = self._estimators.clocks, len(self._estimators.streams)
        if streams != self._counted_streams:
            self._counters, self._counted_streams = clocks.counters(_CLOCK_COUNTS, streams=streams), streams
        seen = b"".join([count.tobytes() for count in self._counters.values()])
        if seen == self._clocks_seen:
            return
        counts = {name: count.copy() for name, count in self._counters.items()}
        before, self._clocks, self._clocks_seen = self._clocks, counts, seen
        for name, count in counts.items():
            since = count.copy()
            if name in before:  # streams come, and never go
                since[: len(before[name])] -= before[name]
            for row in np.flatnonzero(since).tolist():
                offset_s = _number(float(clocks.offset_s[row]))
                self._of_row(row).note({"stamp_ns": last_ns, "event": _CLOCK_COUNTS[name], "offset_s": offset_s})

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


def _sampled(outcomes: tuple[Outcome, ...]) -> Iterator[tuple[int, str]]:
    """Yield each stream of a batch with each channel that it had samples of."""
    for outcome in outcomes:
        if outcome.samples is None:
            continue
        stream, channel = outcome.samples.stream, outcome.samples.channel
        pairs = np.column_stack((stream, np.full(len(stream), POSITION) if channel is None else channel))
        yield from ((int(row), CHANNELS[of]) for row, of in np.unique(pairs, axis=0))


def _plain(value: Any) -> Any:
    """Return what JSON can hold: None for numbers that are none, lists for tuples."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return _number(value) if isinstance(value, float) else value


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
