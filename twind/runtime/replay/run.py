"""Replays recordings through routes, codecs, clocks and filters, and writes what was predicted, when."""

from __future__ import annotations

import json
from bisect import bisect_right
from contextlib import ExitStack
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from twind import __version__
from twind.model.errors import PermanentError
from twind.model.time import NS_PER_MS, NS_PER_S, ms_to_ns
from twind.runtime.bindings import bindings_of
from twind.runtime.estimators import Estimators
from twind.runtime.pipeline import Feed
from twind.runtime.replay.routing import RecordedRoutes
from twind.runtime.replay.sampler import BODY_COLUMNS, JOINT_COLUMNS, Sampler
from twind.runtime.replay.statistics import Statistics
from twind.runtime.replay.take import TakeSampler
from twind.sources.recording import Recording, in_order

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Protocol

    from twind.config.load import Loaded
    from twind.model.messages import RawMessage
    from twind.model.topology import Topology
    from twind.stage.take import Take

    class _Rows(Protocol):
        def write(self, text: str, /) -> object: ...


_SILENCE_NS = 60 * NS_PER_S
"""Where nothing was received for longer, no instants are sampled until something is: recordings can lie months apart."""
_MAX_BATCH = 4096
_MAX_SPAN_NS = 20 * NS_PER_MS
"""What happened is noted once a batch, so this bounds how late it is noted, however seldom the state is sampled."""
_received = attrgetter("receive_ns")


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """What is written, and of which part of the recordings."""

    sample_hz: float = 50.0
    """Instants a second of the receive clock."""
    horizon_ms: float = 100.0
    """How far beyond each instant the state is predicted [ms]."""
    from_ns: int = 0
    to_ns: int = 2**63 - 1
    """Messages received outside of these are passed over, as if they had never been [ns]."""


class Replay:
    """One run. Reads no clock: the same recordings and settings give the same bytes."""

    def __init__(self, loaded: Loaded, topology: Topology, options: ReplayOptions, *, take: Take | None = None) -> None:
        settings = loaded.settings
        self._options = options
        self._estimators = Estimators(topology, settings.estimation)
        sources = {
            name: bindings_of(name, source, loaded.registry, topology, self._estimators)
            for name, source in settings.sources.items()
        }
        self._routes = RecordedRoutes(sources)
        self._statistics = Statistics(self._routes, self._estimators)
        self._feed = Feed(self._routes, self._estimators, on_refused=self._statistics.refused)
        self._sampler = Sampler(topology, self._estimators, settings.estimation, horizon_ns=ms_to_ns(options.horizon_ms))
        self._take = None if take is None else TakeSampler(take, self._estimators, settings.estimation)
        self._instants = 0

    def run(
        self,
        recordings: Sequence[Recording],
        *,
        joints: _Rows,
        bodies: _Rows,
        on_progress: Callable[[int], None] | None = None,
    ) -> dict[str, Any]:
        """Feed every message and sample every instant in between; return the summary.

        Args:
            recordings: Merged by receive stamp.
            joints: Takes rows of `joints.csv`.
            bodies: Takes rows of `bodies.csv`.
            on_progress: Called now and then with the receive stamp that was reached [ns].
        """
        joints.write(",".join(JOINT_COLUMNS) + "\n")
        bodies.write(",".join(BODY_COLUMNS) + "\n")
        grid: _Grid | None = None
        first_ns = last_ns = None
        window = {"from_ns": self._options.from_ns, "to_ns": self._options.to_ns}
        for messages in in_order(recordings, **window, key=self._routes.key):
            if not messages:
                continue
            if grid is None:
                first_ns = messages[0].receive_ns
                grid = _Grid(first_ns, self._options.sample_hz)
            start = 0
            while start < len(messages):
                end = bisect_right(messages, grid.instant_ns, start, key=_received)
                if end > start:
                    self._process(messages[start:end])
                    last_ns = messages[end - 1].receive_ns
                if end < len(messages):
                    self._sample(grid, messages[end].receive_ns, last_ns, joints, bodies)
                start = end
            if on_progress is not None and last_ns is not None:
                on_progress(last_ns)
        if grid is not None and last_ns == grid.instant_ns:
            self._write(grid.instant_ns, joints, bodies)
        self._flush(joints, bodies)
        if self._take is not None:
            self._take.finish(first_ns or 0, horizon_s=self._options.horizon_ms / 1e3)
        return self._summary(recordings, first_ns, last_ns)

    def _sample(self, grid: _Grid, next_ns: int, last_ns: int | None, joints: _Rows, bodies: _Rows) -> None:
        """Write every instant before the next message."""
        while grid.instant_ns < next_ns:
            if last_ns is not None and grid.instant_ns - last_ns > _SILENCE_NS:
                grid.skip_to(next_ns)
                return
            self._write(grid.instant_ns, joints, bodies)
            grid.advance()

    def _write(self, instant_ns: int, joints: _Rows, bodies: _Rows) -> None:
        prediction = self._sampler.predict(instant_ns)
        if self._sampler.add(instant_ns, prediction):
            self._flush(joints, bodies)
        if self._take is not None:
            self._take.add(instant_ns, prediction)
        self._instants += 1

    def _flush(self, joints: _Rows, bodies: _Rows) -> None:
        of_joints, of_bodies = self._sampler.take_rows()
        joints.write(of_joints)
        bodies.write(of_bodies)

    def _process(self, messages: list[RawMessage]) -> None:
        begin = 0
        while begin < len(messages):
            until_ns = messages[begin].receive_ns + _MAX_SPAN_NS
            end = bisect_right(messages, until_ns, begin, min(begin + _MAX_BATCH, len(messages)), key=_received)
            part, begin = messages[begin:end], end
            self._statistics.add(self._feed.process(part), part[-1].receive_ns)

    def _summary(self, recordings: Sequence[Recording], first_ns: int | None, last_ns: int | None) -> dict[str, Any]:
        span_s = None if first_ns is None or last_ns is None else (last_ns - first_ns) / NS_PER_S
        return {
            "twind": __version__,
            "recordings": [
                {"file": recording.path.name, "complete": recording.complete, "damaged": recording.damaged}
                for recording in recordings
            ],
            "sample_hz": self._options.sample_hz,
            "horizon_ms": self._options.horizon_ms,
            "first_ns": first_ns,
            "last_ns": last_ns,
            "duration_s": span_s,
            "instants": self._instants,
            "messages": self._statistics.messages,
            "streams": self._statistics.streams(),
        }


class _Grid:
    """The instants: evenly spaced on the receive clock, from the first message on."""

    def __init__(self, first_ns: int, rate_hz: float) -> None:
        self.instant_ns = first_ns
        self._first_ns = first_ns
        self._rate_hz = rate_hz
        self._index = 0

    def advance(self) -> None:
        self._index += 1
        self.instant_ns = self._first_ns + round(self._index * NS_PER_S / self._rate_hz)

    def skip_to(self, stamp_ns: int) -> None:
        """Go to the first instant at or after a stamp."""
        self._index = max(self._index, int((stamp_ns - self._first_ns) * self._rate_hz / NS_PER_S) - 1)
        self.advance()
        while self.instant_ns < stamp_ns:
            self.advance()


def replay_to_folder(
    paths: Sequence[Path],
    loaded: Loaded,
    topology: Topology,
    out: Path,
    *,
    options: ReplayOptions,
    take: Take | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """Replay files and write `joints.csv`, `bodies.csv` and `summary.json` into a folder, and a take; return the summary.

    Raises:
        PermanentError: A recording cannot be read, or the results cannot be written.
    """
    with ExitStack() as stack:
        recordings = [stack.enter_context(Recording(path)) for path in paths]
        try:
            out.mkdir(parents=True, exist_ok=True)
            joints, bodies = (
                stack.enter_context((out / name).open("w", encoding="utf-8", newline="\n"))
                for name in ("joints.csv", "bodies.csv")
            )
            summary = Replay(loaded, topology, options, take=take).run(
                recordings, joints=joints, bodies=bodies, on_progress=on_progress
            )
            text = json.dumps(summary, indent=2, allow_nan=False) + "\n"
            (out / "summary.json").write_text(text, encoding="utf-8")
        except OSError as error:
            raise PermanentError(f"cannot write to {out}: {error.strerror or error}") from error
    return summary
