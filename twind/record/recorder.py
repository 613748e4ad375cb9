"""The recorder: a bounded queue on the event loop, and one thread that writes what it holds, a batch at a time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from twind import __version__
from twind.record.segments import Segments
from twind.telemetry.events import RecordingHeld, RecordingLost, RecordingSegmentDeleted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from twind.flow.sinks import Mark, SinkContext
    from twind.model.messages import RawMessage
    from twind.record.settings import McapSettings

_GATHER_S = 0.05
"""How long batches are collected for one visit of the thread."""
_COMMIT_S = 0.01
"""The same when somebody waits for one of them: at most so many flushes to the disk a second as fit."""
REASONS = ("queue_full", "write_failed", "too_many_topics")
"""Why messages can be lost."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One batch; or, without messages, a place that somebody wants to know."""

    source: str
    messages: Sequence[RawMessage]
    n_bytes: int
    durable: asyncio.Future[bool] | None = None
    marked: asyncio.Future[Mark] | None = None


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What one visit of the thread came to."""

    lost: Counter[str]
    error: str
    left: tuple[_Entry, ...]
    """What has to be tried again, in order."""
    marks: tuple[tuple[asyncio.Future[Mark], Mark], ...]


class Recorder:
    """A `LogSink` that writes MCAP. See `twind.flow.sinks` for what each method promises.

    Args:
        name: Name of the sink, in metrics and file names.
        settings: Where, how much, how often.
        context: The daemon that it serves.
        retry_s: How long nothing is tried after the disk failed: each try begins a file [s].
    """

    def __init__(self, name: str, settings: McapSettings, context: SinkContext, *, retry_s: float = 5.0) -> None:
        self.name = name
        self.recorded = 0
        """Messages taken over by the thread and not lost since."""
        self.lost = 0
        """Messages that could not be recorded."""
        self.held = 0
        """Messages that could not be recorded yet; whoever offered them waits."""
        self.held_since_s: float | None = None
        """`time.monotonic()` since when; None while the disk takes everything."""
        self.trouble = ""
        """Why."""
        self._settings = settings
        self._telemetry = context.telemetry
        self._routes = context.routes
        about = {"instance": context.instance, "twind": __version__, "stage": context.stage_root}
        self._segments = Segments(
            settings,
            stem=f"{context.instance}-{name}",
            about=about,
            codec_of=self._codec_of,
            on_deleted=self._deleted,
        )
        self._pending: list[_Entry] = []
        self._pending_messages = 0
        self._pending_bytes = 0
        self._overflow = 0
        self._offered = asyncio.Event()
        self._awaited = asyncio.Event()
        self._writing = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"recorder-{name}")
        self._retry_s = retry_s
        self._blocked_until_s = 0.0
        for reason in REASONS:
            self._telemetry.declare(RecordingLost, sink=name, reason=reason)
        self._telemetry.declare(RecordingHeld, sink=name)

    def __repr__(self) -> str:
        """Show what waits, what was recorded and what was lost."""
        return f"<Recorder {self.name} {self._pending_messages} pending, {self.recorded} recorded, {self.lost} lost>"

    def offer(self, source: str, messages: Sequence[RawMessage]) -> None:
        """Take one batch, as far as there is room for it."""
        self._enqueue(source, messages)

    def offer_durably(self, source: str, messages: Sequence[RawMessage]) -> asyncio.Future[bool]:
        """Take one batch; the future is True once all of it is on the disk, False when the recorder is closed before."""
        durable: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        n_bytes = sum([len(message.payload) for message in messages])
        self._append(_Entry(source, messages, n_bytes, durable))
        self._awaited.set()
        return durable

    def mark(self) -> asyncio.Future[Mark]:
        """Mark the place after everything that was offered so far; the future is there once that is durable."""
        marked: asyncio.Future[Mark] = asyncio.get_running_loop().create_future()
        self._append(_Entry("", (), 0, marked=marked))
        self._awaited.set()
        return marked

    def files_since(self, mark: Mark) -> list[tuple[Path, int]]:
        """Return the segments that hold what comes after a mark, and how many messages of each come before it."""
        try:
            return self._segments.files_since(mark)
        except OSError:  # a folder that is not there holds nothing
            return []

    def _enqueue(self, source: str, messages: Sequence[RawMessage]) -> None:
        n_bytes = sum([len(message.payload) for message in messages])
        settings = self._settings
        # One batch always fits into an empty queue, however small the bounds are.
        fits = (
            self._pending_messages + len(messages) <= settings.max_pending_messages
            and self._pending_bytes + n_bytes <= settings.max_pending_bytes
        )
        if self._pending and not fits:
            self._overflow += len(messages)
            self._offered.set()
        else:
            self._append(_Entry(source, messages, n_bytes))

    def _append(self, entry: _Entry) -> None:
        self._pending.append(entry)
        self._pending_messages += len(entry.messages)
        self._pending_bytes += entry.n_bytes
        self._offered.set()

    async def run(self) -> None:
        """Write what is offered, for ever; a message stands in the file `flush_s` after it was offered at the latest."""
        loop = asyncio.get_running_loop()
        due_s = loop.time() + self._settings.flush_s
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(due_s):
                    await self._offered.wait()
                async with asyncio.timeout_at(min(due_s, loop.time() + _GATHER_S)):
                    await self._awaited.wait()
                await asyncio.sleep(_COMMIT_S)
            due = loop.time() >= due_s
            if due:
                due_s = loop.time() + self._settings.flush_s
            await self._write(commit=due)
            if self.held_since_s is not None:
                await asyncio.sleep(max(self._retry_s, _GATHER_S))

    async def aclose(self) -> None:
        """Write everything that was offered, finish the file and end the thread."""
        self._blocked_until_s = 0.0
        if self._pending or self._overflow:
            await self._write(commit=True)
        loop = asyncio.get_running_loop()
        self._settle(await loop.run_in_executor(self._thread, self._close), ())
        self._thread.shutdown(wait=False)
        for entry in self._pending:
            if entry.durable is not None and not entry.durable.done():
                entry.durable.set_result(False)
            if entry.marked is not None:
                entry.marked.cancel()

    async def _write(self, *, commit: bool) -> None:
        # Shielded: a thread cannot be cancelled, and its outcome must be counted whatever becomes of this task.
        await asyncio.shield(asyncio.create_task(self._write_pending(commit=commit), name=f"recorder {self.name} write"))

    async def _write_pending(self, *, commit: bool) -> None:
        loop = asyncio.get_running_loop()
        async with self._writing:
            self._offered.clear()
            self._awaited.clear()
            entries, self._pending = self._pending, []
            self._pending_messages = self._pending_bytes = 0
            overflow, self._overflow = self._overflow, 0
            if overflow:
                self._lose("queue_full", overflow, f"{self._settings.max_pending_messages} messages may wait")
            commit = commit or any(entry.durable is not None or entry.marked is not None for entry in entries)
            if not entries and not (commit and self._segments.waiting):
                return
            self._settle(await loop.run_in_executor(self._thread, self._record, entries, commit), entries)

    def _settle(self, outcome: _Outcome, entries: Sequence[_Entry]) -> None:
        left = {id(entry.durable) for entry in outcome.left}
        self.recorded += sum([len(entry.messages) for entry in entries])
        self.recorded -= sum([len(entry.messages) for entry in outcome.left])
        for reason, count in outcome.lost.items():
            self.recorded -= count
            self._lose(reason, count, outcome.error)
        for entry in entries:
            if entry.durable is not None and id(entry.durable) not in left and not entry.durable.done():
                entry.durable.set_result(True)
        for marked, mark in outcome.marks:
            if not marked.done():
                marked.set_result(mark)
        self._hold(outcome)

    def _hold(self, outcome: _Outcome) -> None:
        """Put what has to be tried again before what came meanwhile."""
        self._pending[:0] = outcome.left
        self.held = sum([len(entry.messages) for entry in outcome.left])
        self._pending_messages += self.held
        self._pending_bytes += sum([entry.n_bytes for entry in outcome.left])
        if not outcome.left:
            self.held_since_s, self.trouble = None, ""
            return
        self._offered.set()
        self.trouble = outcome.error or self.trouble
        if self.held_since_s is None:
            self.held_since_s = time.monotonic()
        if outcome.error:
            self._telemetry.emit(RecordingHeld(sink=self.name, waiting=self.held, error=self.trouble))

    # In the thread.

    def _record(self, entries: Sequence[_Entry], commit: bool) -> _Outcome:  # noqa: FBT001  (called through an executor)
        segments, now_s = self._segments, time.monotonic()
        blocked, error = now_s < self._blocked_until_s, ""
        marks: list[tuple[asyncio.Future[Mark], Mark]] = []
        untried: set[int] = set()
        for index, entry in enumerate(entries):
            if error or blocked:
                untried.add(index)
            elif entry.marked is not None:
                try:
                    marks.append((entry.marked, segments.place))
                except OSError as failure:
                    error = str(failure)
                    untried.add(index)
            else:
                error = self._try(partial(segments.append, entry.source, entry.messages))
        if commit and not error and not blocked:
            error = self._try(segments.commit)
        if error:
            self._blocked_until_s = now_s + self._retry_s
            marks.clear()
        unwritten, segments.unwritten = Counter(map(id, segments.unwritten)), []
        return self._outcome(error, entries, untried, unwritten, tuple(marks))

    def _outcome(
        self,
        error: str,
        entries: Sequence[_Entry],
        untried: set[int],
        unwritten: Counter[int],
        marks: tuple[tuple[asyncio.Future[Mark], Mark], ...],
    ) -> _Outcome:
        """Tell what is lost from what has to be tried again: that which somebody waits for."""
        lost: Counter[str] = Counter()
        left: list[_Entry] = []
        failed = bool(error or untried)
        for index, entry in enumerate(entries):
            if entry.marked is not None:
                if failed:
                    left.append(entry)
                continue
            missing = entry.messages
            if index not in untried:
                missing = [message for message in entry.messages if unwritten[id(message)]] if unwritten else []
                unwritten.subtract(map(id, missing))
            if not missing:
                continue
            if entry.durable is None:
                lost["write_failed"] += len(missing)
            else:
                n_bytes = sum([len(message.payload) for message in missing])
                left.append(_Entry(entry.source, missing, n_bytes, entry.durable))
        lost["write_failed"] += sum(count for count in unwritten.values() if count > 0)  # of earlier visits
        lost["too_many_topics"], self._segments.too_many_topics = self._segments.too_many_topics, 0
        return _Outcome(+lost, error, tuple(left), marks)

    def _close(self) -> _Outcome:
        error = self._try(self._segments.close)
        unwritten, self._segments.unwritten = Counter(map(id, self._segments.unwritten)), []
        return self._outcome(error, (), set(), unwritten, ())

    def _try(self, write: Callable[[], None]) -> str:
        try:
            write()
        except OSError as error:
            return str(error)
        return ""

    def _codec_of(self, source: str, topic: str) -> str:
        for route in self._routes.get(source, ()):
            if route.topic.match(topic) is not None:
                return route.codec
        return "unknown"

    def _deleted(self, path: Path, n_bytes: int) -> None:
        self._telemetry.emit(RecordingSegmentDeleted(sink=self.name, file=path.name, bytes=n_bytes))

    def _lose(self, reason: str, count: int, error: str) -> None:
        self.lost += count
        self._telemetry.emit(RecordingLost(sink=self.name, reason=reason, count=count, error=error))
