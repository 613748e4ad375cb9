"""What one log line looks like: JSON for machines, short and coloured for people."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_VALUE_CHARS = 2000
"""A longer text value is cut: what came from outside must not decide how long a log line is."""

_ENCODER = msgspec.json.Encoder(enc_hook=str)
_COLOURS = {"debug": "\x1b[2m", "info": "\x1b[32m", "warning": "\x1b[33m", "error": "\x1b[31m"}
_RESET, _DIM, _BOLD = "\x1b[0m", "\x1b[2m", "\x1b[1m"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing to be logged."""

    level: str
    event: str
    """Event name in snake case."""
    fields: Mapping[str, object]
    time_ns: int


def as_json(line: Line) -> bytes:
    """Encode as one JSON object: `ts` (RFC 3339, UTC), `level`, `event`, then the fields."""
    instant = datetime.fromtimestamp(line.time_ns // 1_000_000_000, UTC)
    record: dict[str, object] = {
        "ts": f"{instant:%Y-%m-%dT%H:%M:%S}.{line.time_ns % 1_000_000_000 // 1000:06d}Z",
        "level": line.level,
        "event": line.event,
    }
    record.update({name: _bounded(value) for name, value in line.fields.items()})
    try:
        return _ENCODER.encode(record) + b"\n"
    except UnicodeEncodeError:  # a lone surrogate, from a file name or a topic that was no UTF-8
        return json.dumps(record, default=str).encode() + b"\n"


def as_console(line: Line, *, colour: bool) -> bytes:
    """Format for a terminal: local time, level, event, `key=value` pairs."""
    local = time.strftime("%H:%M:%S", time.localtime(line.time_ns // 1_000_000_000))
    stamp = f"{local}.{line.time_ns % 1_000_000_000 // 1_000_000:03d}"
    pairs = [(name, _shown(_bounded(value))) for name, value in line.fields.items() if value not in ("", None)]
    if not colour:
        return (
            f"{stamp} {line.level:7} {line.event} {' '.join(f'{k}={v}' for k, v in pairs)}".rstrip().encode(
                errors="backslashreplace"
            )
            + b"\n"
        )
    head = f"{_DIM}{stamp}{_RESET} {_COLOURS.get(line.level, '')}{line.level:7}{_RESET} {_BOLD}{line.event}{_RESET}"
    tail = "".join(f" {_DIM}{name}={_RESET}{value}" for name, value in pairs)
    return f"{head}{tail}\n".encode(errors="backslashreplace")


def _bounded(value: object) -> object:
    if isinstance(value, str) and len(value) > MAX_VALUE_CHARS:
        return f"{value[:MAX_VALUE_CHARS]}... ({len(value)} characters)"
    return value


def _shown(value: object) -> str:
    """Quote what would break the line or smuggle in a second one (control characters come from payloads)."""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value)
    return text if text.isprintable() and text and not any(c in text for c in ' "=') else json.dumps(text)
