"""The messages in the body of one event: one, or as many as a gateway put there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from azure.eventhub.amqp import AmqpMessageBodyType

if TYPE_CHECKING:
    from azure.eventhub import EventData

_BEGIN, _END = b"{", b"}"
_array = msgspec.json.Decoder(list[msgspec.Raw])


def body_of(event: EventData) -> bytes:
    """Return the body of an event as bytes; of AMQP values that are neither bytes nor text, as the SDK writes them out.

    No codec reads the latter, so that they end among the refused, like any other body that cannot be read.
    """
    raw = event.raw_amqp_message
    body: Any = raw.body
    if raw.body_type is AmqpMessageBodyType.DATA:
        return b"".join(body)
    if isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else event.body_as_str()).encode()


def split(body: bytes, how: str) -> list[bytes]:
    """Return the messages of a body: at least one, and the body itself where it cannot be divided.

    Args:
        body: The body.
        how: `one`, `array`, `lines` or `auto`.
    """
    if how == "array":
        return _elements(body) or [body]
    if how == "lines":
        return _lines(body) or [body]
    one_line = body[:1] == _BEGIN and b"\n" not in body  # by far the most frequent
    return [body] if how == "one" or one_line else _as_it_looks(body)


def _as_it_looks(body: bytes) -> list[bytes]:
    text = body.strip()
    if text[:1] == b"[":
        found = _elements(text)
        if found and all(element[:1] == _BEGIN for element in found):
            return found
    elif text[:1] == _BEGIN:
        found = _lines(text)
        # Not one object over several lines: every line must be an object by itself.
        if len(found) > 1 and all(line[:1] == _BEGIN and line[-1:] == _END for line in found):
            return found
    return [body]


def _elements(body: bytes) -> list[bytes]:
    try:
        return list(map(bytes, _array.decode(body)))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def _lines(body: bytes) -> list[bytes]:
    return [stripped for line in body.split(b"\n") if (stripped := line.strip())]
