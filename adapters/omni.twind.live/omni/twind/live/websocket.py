"""A WebSocket client (RFC 6455) on a blocking socket. One thread receives; any thread may send."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import socket
import ssl
import struct
import threading
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .errors import ProtocolError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
_CONTINUATION = 0x0
_FINAL, _RESERVED, _MASKED = 0x80, 0x70, 0x80
_SHORT, _TWO_BYTES, _EIGHT_BYTES = 125, 126, 127
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CHUNK = 256 * 1024
_WAITING = 128 * 1024
_MAX_HEAD = 64 * 1024
MAX_MESSAGE = 64 * 1024 * 1024
"""Longest message that is taken [bytes]."""


class Closed(Exception):  # noqa: N818  (an end is no error)
    """The connection is over."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code}: {reason}" if reason else f"closed with {code}")
        self.code = code
        self.reason = reason


class NotUpgraded(Exception):  # noqa: N818  (it is the server's answer)
    """The server answered with something else than a WebSocket."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}" if message else str(status))
        self.status = status
        self.message = message


class FrameReader:
    """Makes messages out of bytes as they come; no I/O."""

    def __init__(self, *, max_message: int = MAX_MESSAGE) -> None:
        self._data = bytearray()
        self._max_message = max_message
        self._kind = 0
        self._parts: list[bytes] = []
        self._length = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (opcode, payload) of every message that is complete, control frames among them.

        Raises:
            ProtocolError: This is no WebSocket, or a message is too long.
        """
        self._data += data
        while True:
            frame = self._next()
            if frame is None:
                return
            final, opcode, payload = frame
            if opcode >= CLOSE:
                if opcode > PONG or not final or len(payload) > _SHORT:
                    raise ProtocolError(f"a control frame of kind {opcode:#x} that cannot be")
                yield opcode, payload
                continue
            if opcode not in (_CONTINUATION, TEXT, BINARY) or (opcode == _CONTINUATION) != bool(self._kind):
                raise ProtocolError(f"a frame of kind {opcode:#x} out of place")
            self._kind = self._kind or opcode
            self._parts.append(payload)
            self._length += len(payload)
            if self._length > self._max_message:
                raise ProtocolError(f"a message of more than {self._max_message} bytes")
            if final:
                kind, whole = self._kind, payload if len(self._parts) == 1 else b"".join(self._parts)
                self._kind, self._parts, self._length = 0, [], 0
                yield kind, whole

    def _next(self) -> tuple[bool, int, bytes] | None:
        data = self._data
        if len(data) < 2:  # noqa: PLR2004  (the two bytes that every frame begins with)
            return None
        first, second = data[0], data[1]
        if first & _RESERVED or second & _MASKED:
            raise ProtocolError("a frame with extensions, or masked: a server sends neither")
        length, at = second, 2
        if length == _TWO_BYTES:
            at = 4
            if len(data) < at:
                return None
            (length,) = struct.unpack_from(">H", data, 2)
        elif length == _EIGHT_BYTES:
            at = 10
            if len(data) < at:
                return None
            (length,) = struct.unpack_from(">Q", data, 2)
        if length > self._max_message:
            raise ProtocolError(f"a message of {length} bytes")
        if len(data) < at + length:
            return None
        payload = bytes(memoryview(data)[at : at + length])
        del data[: at + length]
        return bool(first & _FINAL), first & 0xF, payload


def masked_frame(opcode: int, payload: bytes) -> bytes:
    """Return a frame as clients send it (section 5.3)."""
    length = len(payload)
    if length <= _SHORT:
        head = struct.pack(">BB", _FINAL | opcode, _MASKED | length)
    elif length < 1 << 16:
        head = struct.pack(">BBH", _FINAL | opcode, _MASKED | _TWO_BYTES, length)
    else:
        head = struct.pack(">BBQ", _FINAL | opcode, _MASKED | _EIGHT_BYTES, length)
    mask = os.urandom(4)
    repeated = (mask * (length // 4 + 1))[:length]
    hidden = int.from_bytes(payload, "big") ^ int.from_bytes(repeated, "big")
    return head + mask + hidden.to_bytes(length, "big")


class WebSocket:
    """One connection."""

    def __init__(
        self, url: str, *, subprotocol: str, headers: Mapping[str, str] | None = None, timeout_s: float = 10.0
    ) -> None:
        """Connect.

        Args:
            url: `ws://`, `wss://`, `http://` or `https://`.
            subprotocol: What is to be spoken; the server must agree.
            headers: More request headers.
            timeout_s: How long the server may take to answer, and later be silent [s].

        Raises:
            OSError: The server cannot be reached, or is silent.
            NotUpgraded: It refuses.
            ProtocolError: It does not speak WebSocket, or not this subprotocol.
        """
        self._sending = threading.Lock()
        self._reader = FrameReader()
        self._waiting: list[tuple[int, bytes]] = []
        self._socket, head = _connect(url, timeout_s)
        try:
            rest = _upgrade(self._socket, head, subprotocol, headers or {})
            self._waiting.extend(self._reader.feed(rest))
        except BaseException:
            self._socket.close()
            raise

    def fileno(self) -> int:
        """Return the file descriptor, for those who wait for several connections at once."""
        return self._socket.fileno()

    def receive(self) -> str | bytes:
        """Return the next message: text, or bytes. Answers pings.

        Raises:
            Closed: The connection is over.
            OSError: It broke, or nothing came within the timeout.
            ProtocolError: The server broke the rules.
        """
        while True:
            while not self._waiting:
                data = self._socket.recv(_CHUNK)
                if not data:
                    raise Closed(1006, "the connection was cut")
                self._waiting.extend(self._reader.feed(data))
            opcode, payload = self._waiting.pop(0)
            if opcode == BINARY:
                return payload
            if opcode == TEXT:
                return _decoded(payload)
            if opcode == PING:
                self._send(PONG, payload)
            elif opcode == CLOSE:
                code = int.from_bytes(payload[:2], "big") if len(payload) > 1 else 1005
                self._send(CLOSE, payload[:2])
                raise Closed(code, payload[2:].decode("utf-8", "replace"))

    def send(self, text: str) -> None:
        """Send a text message.

        Raises:
            OSError: The connection broke.
        """
        self._send(TEXT, text.encode())

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Say goodbye and close; a thread that receives is woken. Closing twice is fine."""
        try:
            self._send(CLOSE, code.to_bytes(2, "big") + reason.encode()[:123])
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def _send(self, opcode: int, payload: bytes) -> None:
        with self._sending:
            self._socket.sendall(masked_frame(opcode, payload))


def _decoded(payload: bytes) -> str:
    try:
        return payload.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ProtocolError("a text message that is not UTF-8") from error


def _connect(url: str, timeout_s: float) -> tuple[socket.socket, tuple[str, str]]:
    """Return a connected socket, and the path and host of the request."""
    try:
        parts = urlsplit(url)
        secure = parts.scheme in ("wss", "https")
        host, port = parts.hostname or "", parts.port or (443 if secure else 80)
        host.encode("idna")  # what a socket does with it, which raises of other kinds
    except ValueError as error:
        raise ProtocolError(f"{url!r} is no address of a daemon: {error}") from error
    if parts.scheme not in ("ws", "wss", "http", "https") or not host:
        raise ProtocolError(f"{url!r} is no address of a daemon; write http://HOST:PORT")
    connection = socket.create_connection((host, port), timeout=timeout_s)
    try:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # What waits in here is old by the time it is read.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WAITING)
        if secure:
            connection = ssl.create_default_context().wrap_socket(connection, server_hostname=parts.hostname)
    except BaseException:
        connection.close()
        raise
    return connection, (parts.path or "/", parts.netloc.rpartition("@")[2])


def _upgrade(connection: socket.socket, request: tuple[str, str], subprotocol: str, headers: Mapping[str, str]) -> bytes:
    """Ask for a WebSocket (section 4.1) and return what came after the answer's head."""
    path, host = request
    key = base64.b64encode(os.urandom(16)).decode()
    fields = {
        "Host": host,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key,
        "Sec-WebSocket-Protocol": subprotocol,
        **headers,
    }
    if any(character in f"{path}{name}{value}" for name, value in fields.items() for character in "\r\n"):
        raise ProtocolError("a line break in a request header")
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    connection.sendall(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
    data = b""
    while b"\r\n\r\n" not in data:
        if len(data) > _MAX_HEAD:
            raise ProtocolError("an answer without end")
        chunk = connection.recv(_CHUNK)
        if not chunk:
            raise ProtocolError("the server hung up before it answered")
        data += chunk
    head, _, rest = data.partition(b"\r\n\r\n")
    status, answer = _parsed(head)
    if status != http.client.SWITCHING_PROTOCOLS:
        raise NotUpgraded(status, _body(connection, rest, answer))
    expected = base64.b64encode(hashlib.sha1(key.encode() + _MAGIC, usedforsecurity=False).digest()).decode()
    if answer.get("sec-websocket-accept") != expected or answer.get("upgrade", "").lower() != "websocket":
        raise ProtocolError("the server does not speak WebSocket")
    if answer.get("sec-websocket-protocol") != subprotocol:
        raise ProtocolError(f"the server does not speak {subprotocol}")
    return rest


def _parsed(head: bytes) -> tuple[int, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not (words[1].isascii() and words[1].isdigit()):  # noqa: PLR2004
        raise ProtocolError("the server does not speak HTTP")
    fields = (line.partition(":") for line in lines[1:])
    return int(words[1]), {name.strip().lower(): value.strip() for name, _, value in fields}


def _body(connection: socket.socket, rest: bytes, answer: Mapping[str, str]) -> str:
    """Return the beginning of what the server says besides the status."""
    length = answer.get("content-length", "0")
    wanted = min(int(length) if length.isascii() and length.isdigit() else 0, _MAX_HEAD)
    try:
        while len(rest) < wanted:
            chunk = connection.recv(_CHUNK)
            if not chunk:
                break
            rest += chunk
    except OSError:
        pass
    return rest.decode("utf-8", "replace")
