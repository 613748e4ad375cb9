"""Brings the state of an earlier life back: the newest snapshot that can be used, then what was recorded after it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from twind.flow.sinks import LogSink, Mark
from twind.flow.snapshot_file import SnapshotFolder, decode
from twind.flow.watermark import Watermark
from twind.model.errors import PermanentError, SnapshotError
from twind.model.messages import NO_SEQUENCE
from twind.model.time import s_to_ns
from twind.runtime.pipeline import Feed
from twind.runtime.replay.routing import RecordedRoutes
from twind.runtime.restart.state import from_parts, restore
from twind.sources.recording import Recording
from twind.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from twind.model.messages import RawMessage
    from twind.runtime.bindings import Bindings
    from twind.runtime.estimators import Estimators
    from twind.telemetry import Telemetry

_MAX_BATCH = 4096


@dataclass(slots=True)
class Recovered:
    """What an earlier life left."""

    snapshot: str = ""
    entities: int = 0
    left_out: int = 0
    messages: int = 0
    watermarks: dict[str, Watermark] = field(default_factory=dict)
    """How far each source was taken."""


class Recovery:
    """One attempt, before anything else uses the banks. Blocks: to be run off the event loop.

    Args:
        folder: Where the snapshots are.
        estimators: Banks as they were laid out, empty. When a snapshot turns out not to fit, nothing of it is left in them.
        sources: The bindings of each source, by its name.
        log: The recording to read on in, if there is one.
        rebuild_s: How much of the recording is used where there are snapshots, but none is of use [s].
        telemetry: Is told what is lost.
    """

    def __init__(
        self,
        folder: Path,
        estimators: Estimators,
        sources: Mapping[str, Bindings],
        log: LogSink | None,
        *,
        rebuild_s: float,
        telemetry: Telemetry,
    ) -> None:
        self._folder = SnapshotFolder(folder)
        self._estimators = estimators
        self._log = log
        self._rebuild_ns = s_to_ns(rebuild_s)
        self._telemetry = telemetry
        self._routes = RecordedRoutes(sources)
        self._feed = Feed(self._routes, estimators, on_refused=lambda _message, _refusal: None)
        self._recovered = Recovered()
        self._refused = False

    def run(self) -> Recovered:
        """Restore what can be restored, and say how far it goes."""
        started_s = time.perf_counter()
        header = self._restore_newest()
        if self._log is not None:
            mark = None if header is None else header["marks"].get(self._log.name)
            if mark is not None:
                self._read_on(self._log, Mark(*mark), from_ns=0)
            elif self._refused:
                self._read_on(self._log, Mark(0, 0), from_ns=self._rebuild_from(self._log))
        recovered = self._recovered
        seconds = time.perf_counter() - started_s
        if recovered.snapshot or recovered.messages or self._refused:
            self._telemetry.metrics.state_restore_seconds.set(seconds)
            self._telemetry.emit(
                events.StateRestored(
                    snapshot=recovered.snapshot,
                    entities=recovered.entities,
                    left_out=recovered.left_out,
                    messages=recovered.messages,
                    seconds=round(seconds, 3),
                )
            )
        return recovered

    def _restore_newest(self) -> dict[str, Any] | None:
        for path, content in self._folder.newest_first():
            try:
                header, parts = decode(content)
                restored = restore(self._estimators, from_parts(header["state"], parts, self._estimators))
            except SnapshotError as error:
                self._refused = True
                self._folder.set_aside(path, error.fault)
                self._telemetry.emit(events.SnapshotRefused(reason=error.fault, file=path.name, error=str(error)))
                continue
            recovered = self._recovered
            recovered.snapshot, recovered.entities, recovered.left_out = path.name, restored.entities, restored.left_out
            for name, told in header["sources"].items():
                streams = {stream: (place[0], place[1], place[2]) for stream, place in told["streams"].items()}
                self._watermark(name).restore(streams, zip(*told["packets"], strict=True))
            return header
        return None

    # The recording's tail.

    def _read_on(self, log: LogSink, mark: Mark, *, from_ns: int) -> None:
        files = log.files_since(mark)
        if mark.messages and (not files or files[0][1] != mark.messages):
            self._tail_missing("the file in which it begins is not there any more")
        batch: list[RawMessage] = []
        for path, skip in files:
            for message in self._messages(path, skip):
                if message.receive_ns < from_ns or not self._is_new(message):
                    continue
                batch.append(message)
                if len(batch) == _MAX_BATCH:
                    self._process(batch)
                    batch = []
        self._process(batch)

    def _messages(self, path: Path, skip: int) -> Iterator[RawMessage]:
        """Yield the messages of one file in its order; what is unreadable in it is passed over and counted."""
        try:
            _make_durable(path)
            with Recording(path) as recording:
                for block in recording.blocks:
                    messages = recording.messages(block, self._routes.key)
                    yield from messages[skip:]
                    skip = max(skip - len(messages), 0)
                if recording.damaged:
                    self._tail_missing(f"{path.name}: {recording.damaged} blocks or messages are damaged")
        except (PermanentError, OSError) as error:
            self._tail_missing(f"{path.name}: {error}")

    def _tail_missing(self, error: str) -> None:
        name = "" if self._log is None else self._log.name
        self._telemetry.emit(events.RecordingTailMissing(sink=name, error=error))

    def _is_new(self, message: RawMessage) -> bool:
        """Note how far a source was taken; say whether this was not taken before."""
        source, topic = self._routes.streams[message.topic]
        return message.number == NO_SEQUENCE or self._watermark(source).fresh_in_recording(message, topic=topic)

    def _process(self, messages: list[RawMessage]) -> None:
        if messages:
            self._feed.process(messages)
            self._recovered.messages += len(messages)

    def _watermark(self, source: str) -> Watermark:
        return self._recovered.watermarks.setdefault(source, Watermark())

    def _rebuild_from(self, log: LogSink) -> int:
        newest_ns = 0
        for path, _ in log.files_since(Mark(0, 0))[-1:]:
            try:
                with Recording(path) as recording:
                    newest_ns = max((block.end_ns for block in recording.blocks), default=0)
            except PermanentError as error:
                self._tail_missing(str(error))
        return newest_ns - self._rebuild_ns


def _make_durable(path: Path) -> None:
    """Force a file to the disk: what the process that was killed had not forced there is acknowledged from now on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
