"""What became of the samples of every stream: verdicts, innovations, resets, clock."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from twind.model.estimates import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.model.errors import RefusedInput
    from twind.model.messages import RawMessage
    from twind.model.topology import Topology
    from twind.runtime.estimators import Estimators, Outcome
    from twind.runtime.pipeline import BatchReport
    from twind.runtime.replay.routing import RecordedRoutes

_HOLD = 64
"""Batches that are counted together."""
_MAX_EVENTS = 1000
"""Events kept of one stream; the rest is counted."""


@dataclass(slots=True)
class _Channel:
    """Sums of one channel, by the clock row of the stream. S streams."""

    freedom: int
    verdicts: NDArray[np.int64]
    """(S, verdicts)"""
    nis_sum: NDArray[np.float64]
    nis_count: NDArray[np.int64]


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
    """Counts batch by batch; `streams` says what came of it."""

    def __init__(self, routes: RecordedRoutes, estimators: Estimators) -> None:
        self.messages = 0
        self._routes = routes
        self._estimators = estimators
        self._n_streams = estimators.clocks.n_streams
        self._streams: dict[str, _Stream] = {}
        self._channels: dict[str, _Channel] = {}
        self._of_rows = np.zeros(self._n_streams, np.int64)
        """Messages that were decoded, by the clock row of their stream."""
        self._held: dict[str, list[Outcome]] = {}
        """Batches of each channel that are not counted yet."""
        self._keys: dict[int, str] = {}
        self._steps = estimators.clocks.steps

    def refused(self, message: RawMessage, refusal: RefusedInput) -> None:
        """Count one message that could not be used."""
        stream = self._stream(message.topic)
        stream.refused[str(refusal.reason)] += 1
        stream.example = stream.example or str(refusal)

    def add(self, report: BatchReport, last_ns: int) -> None:
        """Note what became of one batch, of which the newest message was received at `last_ns`."""
        self.messages += report.messages
        for outcome in report.outcomes:
            if outcome.samples is not None:
                held = self._held.setdefault(outcome.samples.channel, [])
                held.append(outcome)
                if len(held) == _HOLD:
                    self._count(held)
        steps = self._estimators.clocks.steps
        for row in np.flatnonzero(steps != self._steps):
            offset_s = _number(self._estimators.clocks.offset_s[row])
            self._of_row(int(row)).note({"stamp_ns": last_ns, "event": "clock_step", "offset_s": offset_s})
        self._steps = steps

    def _count(self, held: list[Outcome]) -> None:
        """Count batches of one channel together: the fixed cost of each sum is that of a hundred samples."""
        samples = [outcome.samples for outcome in held if outcome.samples is not None]
        verdicts, nis = np.concatenate([outcome.verdicts for outcome in held]), np.concatenate([one.nis for one in samples])
        held.clear()
        first, n = samples[0], self._n_streams
        channel = self._channels.get(first.channel)
        if channel is None:
            channel = _Channel(first.freedom, np.zeros((n, len(Verdict)), np.int64), np.zeros(n), np.zeros(n, np.int64))
            self._channels[first.channel] = channel
        rows = np.concatenate([np.array(one.stream, np.int64) for one in samples])
        self._of_rows += np.bincount(rows, minlength=n)
        message = np.arange(len(rows))
        if first.offset is not None:
            message = np.repeat(message, np.concatenate([np.diff(one.offset) for one in samples if one.offset is not None]))
        stream = rows[message]
        judged = verdicts < len(Verdict)  # joints that a message passes over have none
        flat = stream[judged] * len(Verdict) + verdicts[judged]
        channel.verdicts += np.bincount(flat, minlength=n * len(Verdict)).reshape(n, -1)
        used = (verdicts == Verdict.ACCEPTED) & np.isfinite(nis)
        channel.nis_sum += np.bincount(stream[used], nis[used], n)
        channel.nis_count += np.bincount(stream[used], minlength=n)
        reset = message[verdicts == Verdict.RESET]
        if reset.size:
            receive_ns = np.concatenate([np.array(one.receive_ns, np.int64) for one in samples])
            for index, count in zip(*np.unique(reset, return_counts=True), strict=True):
                event = {"stamp_ns": int(receive_ns[index]), "event": "estimate_reset", "channel": first.channel}
                self._of_row(int(rows[index])).note({**event, "count": int(count)})

    def _stream(self, key: str) -> _Stream:
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream()
        return stream

    def _of_row(self, row: int) -> _Stream:
        if row not in self._keys:
            self._keys = {binding.stream: key for key, binding in self._routes.known.items()}
        return self._stream(self._keys[row])

    def streams(self, topology: Topology) -> list[dict[str, Any]]:
        """Return what is known of each stream, ordered by source and topic, ready for JSON."""
        for held in self._held.values():
            if held:
                self._count(held)
        for key in self._routes.known:
            self._stream(key)
        named = sorted((self._routes.streams[key], key) for key in self._streams)
        return [self._document(source, topic, key, topology) for (source, topic), key in named]

    def _document(self, source: str, topic: str, key: str, topology: Topology) -> dict[str, Any]:
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
        row = binding.stream
        document["messages"] += int(self._of_rows[row])
        document["entity"] = topology.entities[binding.entity].id
        document["clock"] = self._clock(row)
        document["channels"] = {
            name: _channel_document(channel, row) for name, channel in self._channels.items() if channel.verdicts[row].any()
        }
        document["resets"] = sum(channel["verdicts"]["reset"] for channel in document["channels"].values())
        return document

    def _clock(self, row: int) -> dict[str, Any]:
        clocks = self._estimators.clocks
        return {
            "offset_s": _number(clocks.offset_s[row]),
            "skew_ppm": _number(clocks.skew[row] * 1e6),
            "jitter_ms": _number(clocks.jitter_s[row] * 1e3),
            "steps": int(clocks.steps[row]),
            "shares_the_daemons_clock": bool(clocks.trusted[row]),
        }


def _channel_document(channel: _Channel, row: int) -> dict[str, Any]:
    counts, n = channel.verdicts[row], int(channel.nis_count[row])
    mean = channel.nis_sum[row] / n if n else math.nan
    # Wilson and Hilferty (1931): the mean of n chi-square values of k degrees of freedom is chi-square of n k, over n.
    spread = 2.0 / (9.0 * max(n, 1) * channel.freedom)
    band = [channel.freedom * (1.0 - spread + z * math.sqrt(spread)) ** 3 for z in (-1.959964, 1.959964)]
    return {
        "samples": int(counts.sum()),
        "verdicts": {verdict.name.lower(): int(counts[verdict]) for verdict in Verdict},
        "mean_nis": _number(mean),
        "nis_samples": n,
        "nis_expected": channel.freedom,
        "nis_band_95": band if n else None,
    }


def _number(value: float) -> float | None:
    """Return a number that JSON can hold."""
    return float(value) if math.isfinite(value) else None
