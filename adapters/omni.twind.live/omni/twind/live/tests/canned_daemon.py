"""A daemon that says what it is told to say: one WebSocket at a time, on loopback. Standard library only."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import struct
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Sequence

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_TIMEOUT_S = 60.0

CATALOGUE: dict[str, Any] = {
    "type": "catalogue",
    "protocol": 1,
    "catalogue": 1,
    "instance": "canned",
    "generation": 1,
    "session": "first",
    "schema_version": 1,
    "max_rate_hz": 30.0,
    "stage": {"url": "/stage/twin.usda", "up_axis": "Z", "meters_per_unit": 1.0},
    "entities": [{"index": 0, "id": "arm", "kind": "robot", "prim": "/arm"}],
    "prims": [{"path": "/arm"}, {"path": "/arm/link"}],
    "fixed": [],
    "groups": [
        {
            "type": "double3",
            "scalar": "f8",
            "width": 3,
            "attributes": [{"prim": 1, "name": "xformOp:translate", "entity": 0, "unit": "stage"}],
        },
        {
            "type": "double",
            "scalar": "f8",
            "width": 1,
            "attributes": [{"prim": 0, "name": "twind:age", "entity": 0, "unit": "s"}],
        },
        {
            "type": "token",
            "scalar": "u1",
            "width": 1,
            "names": ["ok", "coasting", "stale", "lost"],
            "attributes": [{"prim": 0, "name": "twind:quality", "entity": 0, "custom": True}],
        },
    ],
}
"""One robot with one link."""


def frame(sequence: int, place: Sequence[float], *, quality: int = 0) -> bytes:
    """Return a full frame of `CATALOGUE`: where the link is [stage units], and the quality's code."""
    parts = [struct.pack("<BBHIqqq", 1, 1, 3, 1, sequence, 0, 0)]
    parts += [struct.pack("<HBxI3d", 0, 0, 1, *place), struct.pack("<HBxId", 1, 0, 1, 0.005)]
    parts.append(struct.pack("<HBxIB7x", 2, 0, 1, quality))
    return b"".join(parts)


class CannedDaemon:
    """Listens as long as it is open; `say` reaches whoever is connected, at once or as soon as somebody is."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(_TIMEOUT_S)
        self.address = "http://127.0.0.1:{1}".format(*self._server.getsockname())
        """Where it listens."""
        self._here = threading.Condition()
        self._client: socket.socket | None = None
        self._connects = 0
        self._thread = threading.Thread(target=self._serve, name="canned daemon", daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        """Listen."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, and cut whoever is connected."""
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self.cut()
        self._thread.join(_TIMEOUT_S)

    def say(self, message: dict[str, Any] | bytes) -> None:
        """Send a message to who is connected, or will be."""
        payload = message if isinstance(message, bytes) else json.dumps(message).encode()
        head = bytes([0x82 if isinstance(message, bytes) else 0x81])
        head += bytes([len(payload)]) if len(payload) < 126 else b"\x7f" + struct.pack(">Q", len(payload))
        with self._here:
            if not self._here.wait_for(lambda: self._client is not None, _TIMEOUT_S) or self._client is None:
                raise TimeoutError("nobody has connected")
            self._client.sendall(head + payload)

    def wait_for_connection(self, number: int) -> None:
        """Wait until somebody has connected for the so-manieth time."""
        with self._here:
            if not self._here.wait_for(lambda: self._connects >= number and self._client is not None, _TIMEOUT_S):
                raise TimeoutError(f"{self._connects} connections, not {number}")

    def cut(self) -> None:
        """End the connection without a word."""
        with self._here:
            client, self._client = self._client, None
        if client is not None:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
            client.close()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            client.settimeout(_TIMEOUT_S)
            with suppress(OSError), client:
                self._greet(client)
                with self._here:
                    self._client = client
                    self._connects += 1
                    self._here.notify_all()
                while client.recv(65536):  # what clients say does not matter here
                    pass
            with self._here:
                self._client = None

    @staticmethod
    def _greet(client: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            received = client.recv(65536)
            if not received:
                raise ConnectionError
            request += received
        key = next(
            line.split(b":")[1].strip() for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC, usedforsecurity=False).digest()).decode()
        client.sendall(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: twind.live.1\r\n\r\n".encode()
        )
