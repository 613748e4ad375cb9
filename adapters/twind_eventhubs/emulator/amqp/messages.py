"""The sections of a message, as spans of its bytes (part 3, 3.2).

An event is stored as it was sent, but for the annotations that the hub adds. So only these are decoded.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twind_eventhubs.emulator.amqp.decode import decode, skip, skip_primitive
from twind_eventhubs.emulator.amqp.encode import encode
from twind_eventhubs.emulator.amqp.errors import DecodeError
from twind_eventhubs.emulator.amqp.values import Described, Symbol, ULong

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twind_eventhubs.emulator.amqp.values import Value

HEADER = 0x70
DELIVERY_ANNOTATIONS = 0x71
MESSAGE_ANNOTATIONS = 0x72
PROPERTIES = 0x73
APPLICATION_PROPERTIES = 0x74
DATA = 0x75
SEQUENCE = 0x76
VALUE = 0x77
FOOTER = 0x78

_NAMES = {
    "amqp:header:list": HEADER,
    "amqp:delivery-annotations:map": DELIVERY_ANNOTATIONS,
    "amqp:message-annotations:map": MESSAGE_ANNOTATIONS,
    "amqp:properties:list": PROPERTIES,
    "amqp:application-properties:map": APPLICATION_PROPERTIES,
    "amqp:data:binary": DATA,
    "amqp:amqp-sequence:list": SEQUENCE,
    "amqp:amqp-value:*": VALUE,
    "amqp:footer:map": FOOTER,
}
_BODY = {DATA, SEQUENCE, VALUE}
_SMALL_ULONG = 0x53
_SMALL_ULONG_ENDS = 3


@dataclass(slots=True)
class Message:
    """A message, cut into its sections."""

    header: bytes = b""
    """The section, with its descriptor."""
    annotations: dict[Value, Value] = field(default_factory=dict)
    """Message annotations."""
    rest: bytes = b""
    """Properties, application properties, body and footer, with their descriptors."""

    def encoded(self) -> bytes:
        """Return the message."""
        return self.header + section(MESSAGE_ANNOTATIONS, self.annotations) + self.rest


def section(code: int, value: Value) -> bytes:
    """Return a section."""
    return encode(Described(ULong(code), value))


def read(data: bytes) -> Message:
    """Cut a message into its sections.

    Raises:
        DecodeError: It is none, or has no body.
    """
    message = Message()
    rest: list[bytes] = []
    body = False
    for code, start, end in _sections(data):
        if code == HEADER:
            message.header = data[start:end]
        elif code == MESSAGE_ANNOTATIONS:
            message.annotations = _map(data, start)
        elif code != DELIVERY_ANNOTATIONS:  # these end at this hop
            rest.append(data[start:end])
            body = body or code in _BODY
    if not body:
        raise DecodeError("a message without a body")
    message.rest = b"".join(rest)
    return message


def read_batch(data: bytes) -> tuple[dict[Value, Value], list[Message]]:
    """Return annotations and messages of a batch: each in a data section of its own (format 0x80013700).

    Raises:
        DecodeError: It is none, or empty.
    """
    annotations: dict[Value, Value] = {}
    messages: list[Message] = []
    for code, start, end in _sections(data):
        if code == MESSAGE_ANNOTATIONS:
            annotations = _map(data, start)
        elif code == DATA:
            content, _ = decode(data[start:end])
            if not isinstance(content, Described) or not isinstance(content.value, bytes):
                raise DecodeError("a data section that is not binary")
            messages.append(read(content.value))
    if not messages:
        raise DecodeError("a batch without messages")
    return annotations, messages


@dataclass(frozen=True, slots=True)
class Request:
    """What `$cbs` and `$management` are asked."""

    message_id: Value
    reply_to: str | None
    properties: Mapping[Value, Value]
    value: Value


def read_request(data: bytes) -> Request:
    """Decode a request.

    Raises:
        DecodeError: It is none.
    """
    fields: list[Value] = []
    application: dict[Value, Value] = {}
    value: Value = None
    for code, start, _ in _sections(data):
        if code in {PROPERTIES, APPLICATION_PROPERTIES, VALUE}:
            section_value, _ = decode(data, start)
            content = section_value.value if isinstance(section_value, Described) else None
            if code == PROPERTIES and isinstance(content, list):
                fields = content
            elif code == APPLICATION_PROPERTIES and isinstance(content, dict):
                application = content
            elif code == VALUE:
                value = content
    message_id, reply_to = [*fields, *[None] * 5][0], [*fields, *[None] * 5][4]
    return Request(message_id, reply_to if isinstance(reply_to, str) else None, application, value)


def reply(request: Request, application: Mapping[Value, Value], value: Value) -> bytes:
    """Return the response to a request: its message id becomes the correlation id."""
    properties: list[Value] = [None] * 13
    properties[5] = request.message_id
    return b"".join(
        (section(PROPERTIES, properties), section(APPLICATION_PROPERTIES, dict(application)), section(VALUE, value)),
    )


def _sections(data: bytes) -> list[tuple[int, int, int]]:
    """Return code, begin and end of every section."""
    found: list[tuple[int, int, int]] = []
    position = 0
    while position < len(data):
        start = position
        if data[position : position + 2] == b"\x00\x53" and position + _SMALL_ULONG_ENDS <= len(data):
            code: Value = data[position + 2]
            position += _SMALL_ULONG_ENDS
        elif data[position] == 0:
            descriptor, position = decode(data, position + 1)
            code = _NAMES.get(descriptor) if isinstance(descriptor, Symbol) else descriptor
        else:
            raise DecodeError("a message section without a descriptor")
        if not isinstance(code, int) or not HEADER <= code <= FOOTER:
            raise DecodeError("an unknown message section")
        position = skip(data, position) if code == VALUE else skip_primitive(data, position)
        found.append((code, start, position))
    return found


def _map(data: bytes, start: int) -> dict[Value, Value]:
    value, _ = decode(data, start)
    if not isinstance(value, Described) or not isinstance(value.value, dict):
        raise DecodeError("annotations that are not a map")
    return value.value
