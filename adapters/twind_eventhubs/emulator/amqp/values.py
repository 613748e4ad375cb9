"""Python types for AMQP's types (part 1, 1.6).

Where Python has one type for several of AMQP's, a subclass says which is meant: a plain `int` is a `long`, a plain `str` a
`string`, a plain `float` a `double`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import uuid


class Symbol(str):
    """An ASCII name."""

    __slots__ = ()


class Char(str):
    """One character."""

    __slots__ = ()


class UByte(int):
    """0 to 255."""

    __slots__ = ()


class UShort(int):
    """0 to 65,535."""

    __slots__ = ()


class UInt(int):
    """0 to 2^32 - 1."""

    __slots__ = ()


class ULong(int):
    """0 to 2^64 - 1."""

    __slots__ = ()


class Byte(int):
    """-128 to 127."""

    __slots__ = ()


class Short(int):
    """Signed, 16 bits."""

    __slots__ = ()


class Int(int):
    """Signed, 32 bits."""

    __slots__ = ()


class Timestamp(int):
    """Milliseconds since 1970, UTC."""

    __slots__ = ()


class Single(float):
    """IEEE 754 binary32."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Decimal:
    """A decimal number, passed on as it is encoded: 4, 8 or 16 bytes."""

    encoded: bytes


@dataclass(frozen=True, slots=True)
class Described:
    """A value and what it is."""

    descriptor: Value
    value: Value


@dataclass(frozen=True, slots=True)
class Array:
    """Values of one primitive type."""

    kind: type
    items: tuple[Value, ...]


Value: TypeAlias = (
    "bool | int | float | str | bytes | uuid.UUID | Decimal | Described | Array | list[Value] | dict[Value, Value] | None"
)
