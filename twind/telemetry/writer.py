"""Writes log lines in a thread, so that a full pipe on standard error can never stall the event loop."""

from __future__ import annotations

import io
import os
import queue
import select
import threading
import time
from typing import TYPE_CHECKING, Final

from twind.telemetry.lines import Line

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

_BATCH = 256
_CLOSE: Final = None


class LineWriter:
    """A bounded queue of lines and the thread that empties it. When it cannot keep up, lines are dropped and counted."""

    def __init__(self, stream: TextIO, encode: Callable[[Line], bytes], *, max_lines: int = 4096) -> None:
        self.dropped = 0
        """Lines that were not written: the queue was full, or the stream failed."""
        self._stream = stream
        self._encode = encode
        self._max_lines = max_lines
        # SimpleQueue.put is reentrant: asyncio logs from destructors, which may run while this thread is inside put.
        self._queue: queue.SimpleQueue[Line | threading.Event | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._starting = threading.RLock()
        self._closed = False
        self._reported = 0

    def __repr__(self) -> str:
        """Show what waits and what was lost."""
        state = "closed" if self._closed else "open"
        return f"<LineWriter {state} {self._queue.qsize()}/{self._max_lines} lines, {self.dropped} dropped>"

    def put(self, line: Line) -> None:
        """Queue one line. Never waits."""
        if self._closed or self._queue.qsize() >= self._max_lines:
            self.dropped += 1
            return
        self._queue.put(line)
        if self._thread is None:
            self._start()

    def flush(self, timeout_s: float = 1.0) -> bool:
        """Wait until everything queued so far is written; return whether it was in time."""
        if self._thread is None or self._closed:
            return True
        done = threading.Event()
        self._queue.put(done)
        return done.wait(timeout_s)

    def close(self, timeout_s: float = 1.0) -> None:
        """Write what is queued and end the thread; one stuck in a blocked write is left behind and dies with the process."""
        if self._closed:
            return
        self._closed = True
        if self._thread is not None:
            self._queue.put(_CLOSE)
            self._thread.join(timeout_s)

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="twind-log", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            lines: list[Line] = []
            item = self._queue.get()
            while isinstance(item, Line):
                lines.append(item)
                if len(lines) >= _BATCH:
                    break
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
            self._write(lines)
            if isinstance(item, threading.Event):
                item.set()
            elif item is _CLOSE:
                return

    def _write(self, lines: list[Line]) -> None:
        lost = self.dropped - self._reported
        if lost and lines:
            self._reported += lost
            lines.append(Line("error", "log_lines_dropped", {"count": lost}, time.time_ns()))
        if not lines:
            return
        try:
            _write_all(self._stream, b"".join(map(self._encode, lines)))
        except (OSError, ValueError):  # standard error is gone; there is nobody left to tell but the metric
            self.dropped += len(lines)


def _write_all(stream: TextIO, data: bytes) -> None:
    """Write to the descriptor itself: a daemon thread inside a buffered stream would abort the interpreter at its exit."""
    try:
        descriptor = stream.fileno()
    except (io.UnsupportedOperation, AttributeError):
        stream.write(data.decode(errors="backslashreplace"))
        stream.flush()
        return
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            select.select([], [descriptor], [], 1.0)
