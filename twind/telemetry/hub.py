"""Turns events into metrics and log lines."""

from __future__ import annotations

import logging
import os
import sys
import time
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Self

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest

from twind.config.settings import LogSettings
from twind.model.refusals import Refusal
from twind.telemetry import events
from twind.telemetry.bridge import LibraryLogs
from twind.telemetry.catalogue import Catalogue
from twind.telemetry.counters import EventCounters
from twind.telemetry.events import event_name
from twind.telemetry.limiter import RepeatLimiter
from twind.telemetry.lines import Line, as_console, as_json
from twind.telemetry.metrics import Metrics
from twind.telemetry.writer import LineWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from typing import TextIO

    from twind.telemetry.events import Event

_LEVELS = {"debug": 0, "info": 1, "warning": 2, "error": 3}
_LIBRARY_LEVELS = {"debug": logging.DEBUG, "info": logging.WARNING, "warning": logging.WARNING, "error": logging.ERROR}


class Telemetry:
    """One per daemon; passed to whatever has something to say. Has its own registry, so several can live in one process."""

    def __init__(
        self,
        settings: LogSettings | None = None,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        settings = settings or LogSettings()
        stream = stream or sys.stderr
        self.registry = CollectorRegistry()
        """What `/metrics` shows."""
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        GCCollector(registry=self.registry)
        self.catalogue = Catalogue(self.registry)
        self.metrics = Metrics(self.catalogue)
        """Handles of everything that is measured rather than counted by an event."""
        self.listener: Callable[[Event], None] | None = None
        """Told every event from `warning` on, from whichever thread it comes; must not wait and not raise."""
        self._counters = EventCounters(self.catalogue)
        self._least = _LEVELS[settings.level]
        self._limiter = RepeatLimiter(settings.repeat_s, clock=clock)
        self._writer = LineWriter(stream, _encoder(settings, stream))
        self.metrics.watched.log_lines_dropped = lambda: self._writer.dropped
        self._libraries = LibraryLogs(self._limited)
        self._library_level = _LIBRARY_LEVELS[settings.level]

    def __enter__(self) -> Self:
        """Route the libraries' logs here too."""
        self._libraries.install(self._library_level)
        return self

    def __exit__(self, *_: object) -> None:
        """Write what is left and close."""
        self.close()

    def emit(self, event: Event) -> None:
        """Count the event and log it, at a limited rate. Never waits; may be called from any thread."""
        self._counters.add(event)
        if self.listener is not None and _LEVELS[event.level] >= _LEVELS["warning"]:
            self.listener(event)
        if _LEVELS[event.level] < self._least:
            return
        kind = type(event)
        line = Line(event.level, event_name(kind), _field_values(event), time.time_ns())
        if event.limited:
            self._limited((kind, *[getattr(event, label) for label in event.labels]), line)
        else:
            self._writer.put(line)

    def declare(self, kind: type[Event], **labels: str) -> None:
        """Let the series of an event exist at 0 before it first happens."""
        self._counters.declare(kind, **labels)

    def declare_source(self, source: str) -> None:
        """Let every series of one source exist at 0."""
        self.metrics.source(source)
        self.declare(events.SourceConnected, source=source)
        self.declare(events.SourceDisconnected, source=source)
        self.declare(events.MessagesPassedOver, source=source, reason="repeated")
        self.declare(events.MessagesPassedOver, source=source, reason="not_owned")
        self.declare(events.StreamTaken, source=source)
        self.declare(events.StreamFenced, source=source)
        for reason in Refusal:
            self.declare(events.MessagesRefused, source=source, reason=reason)

    def render_metrics(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
        return generate_latest(self.registry)

    def flush(self, timeout_s: float = 1.0) -> bool:
        """Wait until every line so far is written; return whether it was in time."""
        return self._writer.flush(timeout_s)

    def close(self, timeout_s: float = 1.0) -> None:
        """Write what was queued and what was held back, give the libraries' logs back, end the thread."""
        self._libraries.uninstall()
        for line, others in self._limiter.take_held():
            self._writer.put(_with_suppressed(line, others))
        self._writer.close(timeout_s)

    def _limited(self, key: Hashable, line: Line) -> None:
        suppressed = self._limiter.admit(key, line)
        if suppressed is not None:
            self._writer.put(_with_suppressed(line, suppressed))


def _field_values(event: Event) -> dict[str, object]:
    return {field.name: getattr(event, field.name) for field in fields(event)}


def _with_suppressed(line: Line, suppressed: int) -> Line:
    if not suppressed:
        return line
    return Line(line.level, line.event, {**line.fields, "suppressed": suppressed}, line.time_ns)


def _encoder(settings: LogSettings, stream: TextIO) -> Callable[[Line], bytes]:
    terminal = stream.isatty()
    if settings.format == "json" or (settings.format == "auto" and not terminal):
        return as_json
    return partial(as_console, colour=terminal and not os.environ.get("NO_COLOR"))
