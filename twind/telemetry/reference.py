"""Writes the reference page of metrics and log events from the code: `python -m twind.telemetry.reference`."""

from __future__ import annotations

import inspect
import re
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

from twind.telemetry.counters import event_types
from twind.telemetry.events import event_name
from twind.telemetry.hub import Telemetry

if TYPE_CHECKING:
    from twind.telemetry.events import Event

_HEAD = """# Metrics and log events

Generated from the code by `make docs`; do not edit.

`/metrics` shows what follows, beside the usual `process_*` and `python_*` series. Every label is bounded: sources and
components come from the configuration, entities from the stage, everything else from fixed sets. Topics are only those that
were bound to an entity, at most 8 for each entity of the stage or 64. The first 500 streams and the first 500 entities have
series of their own; the rest is summed up under `other` (counters added, a mean over all their samples, the largest age and
standard deviation). `/api/v1/streams` shows all of them.

| metric | kind | labels | what it says |
|---|---|---|---|
"""

_EVENTS = """
## Log events

One line each on standard error, as JSON (`ts`, `level`, `event`, then the fields) or for people (`log.format`). An
`error` means that data was lost or that somebody has to look; a `warning`, that nothing was lost but something was
unexpected. Repeats of one event with the same labels are written at most every `log.repeat_s`; the next line says how
many were `suppressed`. They are always counted. What libraries log arrives as `library_log` with `logger` and
`message`.

| event | level | counter | fields | what happened |
|---|---|---|---|---|
"""


def render() -> str:
    """Return the page as Markdown."""
    described = sorted(Telemetry().catalogue.described.values(), key=lambda metric: metric.name)
    metrics = [
        f"| `{metric.name}` | {metric.kind} | {_codes(metric.labels)} | {metric.documentation} |\n" for metric in described
    ]
    return _HEAD + "".join(metrics) + _EVENTS + "".join(map(_row, event_types()))


def _row(kind: type[Event]) -> str:
    counter = f"`twind_{kind.counter}_total`" if kind.counter else ""
    names = tuple(field.name for field in fields(kind))
    text = re.sub(r"\s+", " ", inspect.getdoc(kind) or "")
    return f"| `{event_name(kind)}` | {kind.level} | {counter} | {_codes(names)} | {text} |\n"


def _codes(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    sys.stdout.write(render())
