"""As much of an MQTT 3.1.1 client as it takes to listen: bytes in, messages out. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

KEEPALIVE_S = 30
_CONNACK, _PUBLISH, _SUBACK = 2, 3, 9
_REFUSED = 0x80
_LONGEST = 1_048_576
PING = b"\xc0\x00"


class MqttError(Exception):
    """The broker refuses, or says what nobody should."""


@dataclass(frozen=True, slots=True)
class Published:
    """A message."""

    topic: str
    payload: bytes
    acknowledgement: bytes
    """What to send once it was taken; empty for QoS 0."""


def connect(client_id: str, *, user: str | None = None, password: str | None = None) -> bytes:
    """Return what to begin with, for a session that the broker keeps."""
    flags = (0x80 if user is not None else 0) | (0x40 if password is not None else 0)
    fields = [_text("MQTT"), bytes([4, flags]), KEEPALIVE_S.to_bytes(2, "big"), _text(client_id)]
    fields += [_text(given) for given in (user, password) if given is not None]
    return _packet(0x10, b"".join(fields))


def subscribe(*filters: str) -> bytes:
    """Return a subscription with QoS 1."""
    return _packet(0x82, b"\x00\x01" + b"".join(_text(one) + b"\x01" for one in filters))


class Listener:
    """Takes the broker's bytes apart."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.subscribed = False
        """Whether the broker granted the subscription."""

    def receive(self, data: bytes) -> list[Published]:
        """Return the messages that are complete.

        Raises:
            MqttError: The broker refused the connection or the subscription, or what it sent cannot be.
        """
        self._buffer += data
        found: list[Published] = []
        while (packet := self._next()) is not None:
            kind, flags, body = packet
            if kind == _CONNACK and body[1:2] != b"\x00":
                raise MqttError(f"the broker refused the connection with code {body[1]}")
            if kind == _SUBACK:
                if any(code >= _REFUSED for code in body[2:]):
                    raise MqttError("the broker refused the subscription")
                self.subscribed = True
            if kind == _PUBLISH:
                found.append(_published(flags, body))
        return found

    def _next(self) -> tuple[int, int, bytes] | None:
        size, shift, at = 0, 0, 1
        while True:
            if at >= len(self._buffer):
                return None
            byte = self._buffer[at]
            size |= (byte & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if byte < 0x80:
                break
            if shift > 21:
                raise MqttError("a length of more than four bytes")
        if size > _LONGEST:
            raise MqttError(f"a packet of {size} bytes")
        if len(self._buffer) < at + size:
            return None
        first, body = self._buffer[0], bytes(self._buffer[at : at + size])
        del self._buffer[: at + size]
        return first >> 4, first & 0x0F, body


def _published(flags: int, body: bytes) -> Published:
    end = 2 + int.from_bytes(body[:2], "big")
    topic = body[2:end].decode(errors="replace")
    if not flags & 0x06:
        return Published(topic, body[end:], b"")
    return Published(topic, body[end + 2 :], b"\x40\x02" + body[end : end + 2])


def _text(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(2, "big") + raw


def _packet(first: int, body: bytes) -> bytes:
    size, left = bytearray(), len(body)
    while True:
        left, digit = left >> 7, left & 0x7F
        size.append(digit | (0x80 if left else 0))
        if not left:
            return bytes([first]) + bytes(size) + body
