"""A publisher that costs next to nothing: MQTT packets written to a socket, at a fixed rate or as fast as they are taken."""

from __future__ import annotations

import contextlib
import math
import socket
import time
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import robots

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TICK_S = 0.001
_BURST = 64
"""Messages written at once, at most."""
_CONNACK = 0x20
_LEVEL = {"3.1.1": 4, "5": 5}


class Flood:
    """One connection that only publishes; what the broker answers is read and thrown away."""

    def __init__(self, url: str, protocol: str) -> None:
        parts = urlsplit(url)
        self._five = protocol == "5"
        self._packet_id = 0
        self._socket = socket.create_connection((parts.hostname or "", parts.port or 1883), timeout=10)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        hello = b"\x00\x04MQTT" + bytes([_LEVEL[protocol], 2]) + b"\x00\x00" + self._no_properties + b"\x00\x00"
        self._socket.sendall(_packet(0x10, hello))
        answer = self._socket.recv(1024)
        if not answer or answer[0] != _CONNACK or answer[3]:
            raise ConnectionError(f"the broker refused the flood: {answer!r}")
        self._socket.setblocking(False)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Disconnect."""
        self._socket.close()

    @property
    def _no_properties(self) -> bytes:
        return b"\x00" if self._five else b""

    def send(self, prefix: str, *, senders: int, rate_hz: float, count: int, qos: int) -> None:
        """Publish `count` joint states of some robots in turn; `rate_hz` is that of all together, and infinite is a flood."""
        topics = [f"{prefix}/robot_{robot}/joint_state" for robot in range(senders)]
        bursts: Iterable[bytes] = (
            b"".join(
                self._publish(topics[number % senders], robots.payload(number % senders, time.time_ns()), qos) for number in due
            )
            for due in _due(rate_hz, count)
        )
        if math.isinf(rate_hz):
            bursts = list(bursts)  # made beforehand, or making them would be what limits the flood
        for burst in bursts:
            self._write(burst)

    def _publish(self, topic: str, payload: bytes, qos: int) -> bytes:
        head = len(topic).to_bytes(2, "big") + topic.encode()
        if qos:
            self._packet_id = self._packet_id % 0xFFFF + 1
            head += self._packet_id.to_bytes(2, "big")
        return _packet(0x30 | qos << 1, head + self._no_properties + payload)

    def _write(self, data: bytes) -> None:
        while data:
            with contextlib.suppress(BlockingIOError):
                while self._socket.recv(65_536):
                    pass
            try:
                data = data[self._socket.send(data) :]
            except BlockingIOError:
                time.sleep(_TICK_S)


def _due(rate_hz: float, count: int) -> Iterator[range]:
    """Yield the numbers of the messages that are due, tick by tick, on a fixed grid: what a tick oversleeps is caught up."""
    started, sent = time.perf_counter(), 0
    while sent < count:
        elapsed_s = time.perf_counter() - started
        due = int(min(count, sent + _BURST, elapsed_s * rate_hz + 1))
        yield range(sent, due)
        if due < sent + _BURST:
            time.sleep(_TICK_S)
        sent = due


def _packet(kind: int, body: bytes) -> bytes:
    length, size = len(body), bytearray()
    while True:
        length, low = divmod(length, 128)
        size.append(low | 0x80 if length else low)
        if not length:
            return bytes([kind]) + bytes(size) + body
