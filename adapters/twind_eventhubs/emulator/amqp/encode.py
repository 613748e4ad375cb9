"""Values to bytes (part 1, 1.6). Never `list0`: readers that index fields do not know it."""

from __future__ import annotations

import struct
import uuid
from typing import TYPE_CHECKING, Any

from twind_eventhubs.emulator.amqp.values import (
    Array,
    Byte,
    Char,
    Decimal,
    Described,
    Int,
    Short,
    Single,
    Symbol,
    Timestamp,
    UByte,
    UInt,
    ULong,
    UShort,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twind_eventhubs.emulator.amqp.values import Value

_SMALL = 0xFF
_DECIMALS = {4: 0x74, 8: 0x84, 16: 0x94}
_FIXED: dict[type, tuple[int, str]] = {
    UByte: (0x50, ">B"),
    Byte: (0x51, ">b"),
    bool: (0x56, ">B"),
    UShort: (0x60, ">H"),
    Short: (0x61, ">h"),
    UInt: (0x70, ">I"),
    Int: (0x71, ">i"),
    Single: (0x72, ">f"),
    ULong: (0x80, ">Q"),
    int: (0x81, ">q"),
    float: (0x82, ">d"),
    Timestamp: (0x83, ">q"),
}
"""Type: format code and layout of the fixed-width encoding."""


def encode(value: Value) -> bytes:
    """Return a value with its constructor.

    Raises:
        ValueError: A number is beyond its type, or a type has no encoding.
    """
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        raise ValueError(f"no AMQP type for {type(value).__name__}")
    try:
        return encoder(value)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{value!r} does not fit {type(value).__name__}: {error}") from error


def _fixed(kind: type) -> Callable[[Any], bytes]:
    code, layout = _FIXED[kind]
    packer = struct.Struct(">B" + layout[1:])
    return lambda value: packer.pack(code, value)


def _boolean(value: Any) -> bytes:
    return b"\x41" if value else b"\x42"


def _uint(value: int) -> bytes:
    return bytes((0x52, value)) if 0 <= value <= _SMALL else struct.pack(">BI", 0x70, value)


def _ulong(value: int) -> bytes:
    return bytes((0x53, value)) if 0 <= value <= _SMALL else struct.pack(">BQ", 0x80, value)


def _variable(data: bytes, small: int, large: int) -> bytes:
    if len(data) <= _SMALL:
        return bytes((small, len(data))) + data
    return struct.pack(">BI", large, len(data)) + data


def _compound(items: Iterable[Value], small: int, large: int) -> bytes:
    encoded = [encode(item) for item in items]
    body = b"".join(encoded)
    if len(body) < _SMALL and len(encoded) <= _SMALL:
        return bytes((small, len(body) + 1, len(encoded))) + body
    return struct.pack(">BII", large, len(body) + 4, len(encoded)) + body


def _list(value: list[Value]) -> bytes:
    return _compound(value, 0xC0, 0xD0)


def _map(value: dict[Value, Value]) -> bytes:
    return _compound((part for pair in value.items() for part in pair), 0xC1, 0xD1)


def _described(value: Described) -> bytes:
    return b"\x00" + encode(value.descriptor) + encode(value.value)


def _decimal(value: Decimal) -> bytes:
    if len(value.encoded) not in _DECIMALS:
        raise ValueError(f"a decimal of {len(value.encoded)} bytes")
    return bytes((_DECIMALS[len(value.encoded)],)) + value.encoded


def _array(value: Array) -> bytes:
    code, element = _element(value.kind)
    body = b"".join(element(item) for item in value.items)
    return struct.pack(">BIIB", 0xF0, len(body) + 5, len(value.items), code) + body


def _element(kind: type) -> tuple[int, Callable[[Any], bytes]]:
    """Return the constructor that all elements of an array share, and what encodes one without it."""
    if kind in _FIXED:
        code, layout = _FIXED[kind]
        return code, lambda value: struct.pack(layout, value)
    if kind in _TEXTS:
        large = _TEXTS[kind][1]
        return large, lambda value: _variable32(_as_bytes(value))
    if kind is uuid.UUID:
        return 0x98, _as_bytes
    raise ValueError(f"no arrays of {kind.__name__}")


def _variable32(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _as_bytes(value: Value) -> bytes:
    match value:
        case bytes():
            return value
        case Symbol():
            return value.encode("ascii")
        case str():
            return value.encode()
        case uuid.UUID():
            return value.bytes
    raise ValueError(f"{type(value).__name__} has no bytes")


def _text(kind: type) -> Callable[[Any], bytes]:
    small, large = _TEXTS[kind]
    return lambda value: _variable(_as_bytes(value), small, large)


_TEXTS: dict[type, tuple[int, int]] = {bytes: (0xA0, 0xB0), str: (0xA1, 0xB1), Symbol: (0xA3, 0xB3)}
_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    **{kind: _fixed(kind) for kind in _FIXED},
    **{kind: _text(kind) for kind in _TEXTS},
    type(None): lambda _: b"\x40",
    bool: _boolean,
    UInt: _uint,
    ULong: _ulong,
    Char: lambda value: b"\x73" + str(value).encode("utf-32-be"),
    uuid.UUID: lambda value: b"\x98" + _as_bytes(value),
    Decimal: _decimal,
    list: _list,
    dict: _map,
    Described: _described,
    Array: _array,
}
