"""The frames before the connection opens (part 5, 5.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind_eventhubs.emulator.amqp.decode import decode
from twind_eventhubs.emulator.amqp.encode import encode
from twind_eventhubs.emulator.amqp.errors import DecodeError
from twind_eventhubs.emulator.amqp.frames import SASL, frame
from twind_eventhubs.emulator.amqp.values import Array, Described, Symbol, UByte, ULong

if TYPE_CHECKING:
    from twind_eventhubs.emulator.amqp.values import Value

MECHANISMS = ("MSSBCBS", "PLAIN", "ANONYMOUS", "EXTERNAL")
"""What the service offers."""

OK = 0
AUTH = 1
"""Codes of an outcome: welcome; wrong credentials."""

_MECHANISMS = ULong(0x40)
_INIT = ULong(0x41)
_OUTCOME = ULong(0x44)


def mechanisms() -> bytes:
    """Return the frame that lists the mechanisms."""
    offered = Array(Symbol, tuple(Symbol(name) for name in MECHANISMS))
    return frame(encode(Described(_MECHANISMS, [offered])), kind=SASL)


def outcome(code: int) -> bytes:
    """Return the frame that ends the negotiation."""
    return frame(encode(Described(_OUTCOME, [UByte(code), None])), kind=SASL)


def read_init(body: bytes) -> tuple[str, bytes]:
    """Return the mechanism that the client chose and its first response.

    Raises:
        DecodeError: It says something else.
    """
    value, _ = decode(body)
    if isinstance(value, Described) and value.descriptor in {_INIT, "amqp:sasl-init:list"} and isinstance(value.value, list):
        fields: list[Value] = [*value.value, None, None]
        mechanism, response = fields[0], fields[1]
        if isinstance(mechanism, Symbol):
            return mechanism, response if isinstance(response, bytes) else b""
    raise DecodeError("no sasl-init")


def read_plain(response: bytes) -> tuple[str, str]:
    """Return user and password of a PLAIN response (RFC 4616).

    Raises:
        DecodeError: It is none.
    """
    parts = response.split(b"\0")
    try:
        _, user, password = parts
        return user.decode(), password.decode()
    except ValueError as error:  # also what is not UTF-8
        raise DecodeError("no PLAIN response") from error
