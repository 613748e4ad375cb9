"""Bytes of a stream to frames, and back (part 2, 2.2 and 2.3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias

from twind_eventhubs.emulator.amqp.errors import AmqpError

AMQP = 0
SASL = 1
"""Types of frames."""

HEADER_AMQP = b"AMQP\x00\x01\x00\x00"
HEADER_SASL = b"AMQP\x03\x01\x00\x00"

_FIXED = struct.Struct(">IBBH")
_SMALLEST = 8


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame."""

    kind: int
    """`AMQP` or `SASL`."""
    channel: int
    body: bytes
    """Performative and payload; empty for a sign of life."""


Piece: TypeAlias = Frame | bytes
"""A frame, or the eight bytes of a protocol header."""


class FrameReader:
    """Cuts a stream into protocol headers and frames. Holds at most one frame that is not complete.

    Args:
        max_frame_bytes: A longer frame is an error.
    """

    def __init__(self, *, max_frame_bytes: int) -> None:
        self._max = max_frame_bytes
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what was received."""
        self._buffer += data

    def next(self) -> Piece | None:
        """Return the next header or frame, or None until more is received.

        Raises:
            AmqpError: The stream is no AMQP.
        """
        if len(self._buffer) < _SMALLEST:
            return None
        if self._buffer.startswith(b"AMQP"):
            header = bytes(self._buffer[:_SMALLEST])
            del self._buffer[:_SMALLEST]
            return header
        size, offset, kind, channel = _FIXED.unpack_from(self._buffer)
        begins = offset * 4
        if not _SMALLEST <= begins <= size <= self._max or kind not in {AMQP, SASL}:
            raise AmqpError(
                "amqp:connection:framing-error", f"a frame of {size} bytes, type {kind}, whose body begins at {begins}"
            )
        if len(self._buffer) < size:
            return None
        body = bytes(self._buffer[begins:size])
        del self._buffer[:size]
        return Frame(kind, channel, body)


def frame(body: bytes, *, channel: int = 0, kind: int = AMQP) -> bytes:
    """Return a frame."""
    return _FIXED.pack(_SMALLEST + len(body), 2, kind, channel) + body


EMPTY = frame(b"")
"""A sign of life."""
