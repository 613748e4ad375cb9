"""Bytes to values (part 1, 1.6), bounded in depth and in count, so that no input costs more than its own size."""

from __future__ import annotations

import struct
import uuid
from typing import TYPE_CHECKING

from twind_eventhubs.emulator.amqp.errors import DecodeError
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
    from collections.abc import Callable

    from twind_eventhubs.emulator.amqp.values import Value

_DEPTH = 16
_WIDTHS = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}
"""High half of a format code: bytes of a fixed-width value (figure 1.5)."""
_SIZES = {0xA: ">B", 0xB: ">I", 0xC: ">B", 0xD: ">I", 0xE: ">B", 0xF: ">I"}
"""High half of a format code: how the size of a variable-width or compound value is written."""


def _text(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise DecodeError(f"text that is not {encoding}") from error


def _number(layout: str, kind: Callable[[int], Value]) -> Callable[[bytes], Value]:
    unpack = struct.Struct(layout).unpack
    return lambda data: kind(unpack(data)[0])


def _boolean(data: bytes) -> bool:
    if data not in {b"\x00", b"\x01"}:
        raise DecodeError("a boolean that is neither 0 nor 1")
    return data == b"\x01"


_SCALARS: dict[int, Callable[[bytes], Value]] = {
    0x40: lambda _: None,
    0x41: lambda _: True,
    0x42: lambda _: False,
    0x43: lambda _: UInt(0),
    0x44: lambda _: ULong(0),
    0x45: lambda _: [],
    0x50: _number(">B", UByte),
    0x51: _number(">b", Byte),
    0x52: _number(">B", UInt),
    0x53: _number(">B", ULong),
    0x54: _number(">b", Int),
    0x55: _number(">b", int),
    0x56: _boolean,
    0x60: _number(">H", UShort),
    0x61: _number(">h", Short),
    0x70: _number(">I", UInt),
    0x71: _number(">i", Int),
    0x72: _number(">f", Single),
    0x73: lambda data: Char(_text(data, "utf-32-be")),
    0x74: Decimal,
    0x80: _number(">Q", ULong),
    0x81: _number(">q", int),
    0x82: _number(">d", float),
    0x83: _number(">q", Timestamp),
    0x84: Decimal,
    0x94: Decimal,
    0x98: lambda data: uuid.UUID(bytes=data),
    0xA0: bytes,
    0xB0: bytes,
    0xA1: lambda data: _text(data, "utf-8"),
    0xB1: lambda data: _text(data, "utf-8"),
    0xA3: lambda data: Symbol(_text(data, "ascii")),
    0xB3: lambda data: Symbol(_text(data, "ascii")),
}
"""Format code: what makes a value of the bytes after constructor and size."""

_LISTS = {0xC0, 0xD0}
_MAPS = {0xC1, 0xD1}
_ARRAYS = {0xE0, 0xF0}


def decode(data: bytes, position: int = 0) -> tuple[Value, int]:
    """Return the value that begins at a position, and where it ends.

    Raises:
        DecodeError: There is none, or it nests deeper than 16.
    """
    return _decode(data, position, len(data), _DEPTH)


def skip(data: bytes, position: int) -> int:
    """Return where the value that begins at a position ends, without looking inside.

    Raises:
        DecodeError: There is none.
    """
    for _ in range(_DEPTH):
        if position >= len(data):
            raise DecodeError("a value that is cut off")
        if data[position] != 0:
            start, size = _extent(data, position + 1, len(data), data[position])
            return start + size
        position = skip_primitive(data, position + 1)
    raise DecodeError("descriptions of descriptions")


def skip_primitive(data: bytes, position: int) -> int:
    """Return where a value that is not described ends.

    Raises:
        DecodeError: There is none.
    """
    if position >= len(data) or data[position] == 0:
        raise DecodeError("a value that is cut off")
    start, size = _extent(data, position + 1, len(data), data[position])
    return start + size


def _extent(data: bytes, position: int, end: int, code: int) -> tuple[int, int]:
    """Return where the content after a constructor begins, and its size."""
    half = code >> 4
    width = _WIDTHS.get(half)
    if width is None:
        layout = _SIZES.get(half)
        if layout is None:
            raise DecodeError(f"format code {code:#04x}")
        start = position + struct.calcsize(layout)
        if start > end:
            raise DecodeError("a value that is cut off")
        width = struct.unpack_from(layout, data, position)[0]
        position = start
    if position + width > end:
        raise DecodeError("a value that is cut off")
    return position, width


def _decode(data: bytes, position: int, end: int, depth: int) -> tuple[Value, int]:
    if position >= end:
        raise DecodeError("a value that is cut off")
    if depth == 0:
        raise DecodeError(f"values nested deeper than {_DEPTH}")
    code = data[position]
    if code == 0:
        descriptor, position = _decode(data, position + 1, end, depth - 1)
        value, position = _decode(data, position, end, depth - 1)
        return Described(descriptor, value), position
    start, size = _extent(data, position + 1, end, code)
    return _content(data, start, size, code, depth), start + size


def _content(data: bytes, start: int, size: int, code: int, depth: int) -> Value:
    scalar = _SCALARS.get(code)
    if scalar is not None:
        return scalar(bytes(data[start : start + size]))
    if code in _LISTS:
        return _items(data, start, size, code, depth)
    if code in _MAPS:
        return _pairs(_items(data, start, size, code, depth))
    if code in _ARRAYS:
        return _array(data, start, size, code)
    raise DecodeError(f"format code {code:#04x}")


def _count(data: bytes, start: int, end: int, code: int) -> tuple[int, int]:
    """Return the number of elements of a compound value or array, and where the first begins."""
    layout = _SIZES[code >> 4]
    first = start + struct.calcsize(layout)
    if first > end:
        raise DecodeError("a value that is cut off")
    return struct.unpack_from(layout, data, start)[0], first


def _items(data: bytes, start: int, size: int, code: int, depth: int) -> list[Value]:
    end = start + size
    count, position = _count(data, start, end, code)
    items: list[Value] = []
    for _ in range(count):  # each takes a byte at least, so this ends with the data
        item, position = _decode(data, position, end, depth - 1)
        items.append(item)
    if position != end:
        raise DecodeError("a size that does not fit what is in it")
    return items


def _pairs(items: list[Value]) -> dict[Value, Value]:
    if len(items) % 2:
        raise DecodeError("a map with a key that has no value")
    try:
        return dict(zip(items[::2], items[1::2], strict=True))
    except TypeError as error:
        raise DecodeError("a map whose key is a list or a map") from error


def _array(data: bytes, start: int, size: int, code: int) -> Array:
    end = start + size
    count, position = _count(data, start, end, code)
    if position >= end:
        raise DecodeError("an array without a constructor")
    element = data[position]
    position += 1
    scalar = _SCALARS.get(element)
    if scalar is None:
        raise DecodeError(f"an array of {element:#04x}: only arrays of primitive values are read")
    if _WIDTHS.get(element >> 4) == 0 and count > size:
        raise DecodeError("an array of nothing that is longer than its bytes")  # it could claim 2^32 elements
    items: list[Value] = []
    for _ in range(count):
        position, width = _extent(data, position, end, element)
        items.append(scalar(bytes(data[position : position + width])))
        position += width
    if position != end:
        raise DecodeError("a size that does not fit what is in it")
    kind = type(items[0]) if items else type(scalar_of_nothing(element))
    return Array(kind, tuple(items))


def scalar_of_nothing(element: int) -> Value:
    """Return a value of the type that a format code stands for, to tell what an empty array is an array of."""
    return _SCALARS[element](b"\0" * (_WIDTHS.get(element >> 4) or 0))
