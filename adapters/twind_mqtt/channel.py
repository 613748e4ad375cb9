"""A connected non-blocking socket with one buffer each way, in the shape that paho expects of a socket.

paho reads a packet header byte by byte and writes each packet by itself: four system calls a message. Here they touch a
buffer, and the system is called once for many packets. It is also where reading stops for back-pressure.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK = 65_536


class Channel:
    """Bytes to and from one peer. Nothing is read from the system unless `recv` asks, so a paused channel holds one chunk."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._incoming = b""
        self._position = 0
        self._outgoing = bytearray()
        self._on_readable: Callable[[], None] | None = None
        self._writing = False
        self._emptied: asyncio.Event = asyncio.Event()
        self.dry = False
        """Whether the last `recv` found nothing to read."""
        self.error: OSError | None = None
        """What ended the connection, if it was not closed in good order."""
        self.received_s = self.sent_s = self._loop.time()
        """Loop time of the last bytes from, and to, the peer [s]."""
        self.closed = False

    def __repr__(self) -> str:
        """Show the state and what is buffered."""
        state = "closed" if self.closed else "reading" if self._on_readable else "paused"
        return f"<Channel {state} in={len(self._incoming) - self._position} out={len(self._outgoing)}>"

    # What paho uses.

    def recv(self, size: int) -> bytes:
        """Return 1 to `size` bytes, or none when the peer has closed.

        Raises:
            BlockingIOError: Nothing is there now.
            OSError: The connection broke.
        """
        if self._position == len(self._incoming):
            self._fill()
        start = self._position
        data = self._incoming[start : start + size]
        self._position = start + len(data)
        return data

    def _fill(self) -> None:
        if self.closed:
            raise ConnectionAbortedError
        try:
            self._incoming = self._sock.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError):
            self.dry = True
            raise BlockingIOError from None
        except ssl.SSLWantWriteError:
            self.dry = True
            self._await_writable()
            raise BlockingIOError from None
        except OSError as error:
            self.error = error
            raise
        self.dry = False
        self._position = 0
        self.received_s = self._loop.time()

    def send(self, data: bytes | bytearray) -> int:
        """Take all bytes; they leave with the next `flush`. Bounded by the caller: every packet answers one received."""
        self._outgoing += data
        return len(data)

    def close(self) -> None:
        """Close at once; what was not flushed is lost."""
        if not self.closed:
            self.closed = True
            self.stop_reading()
            self._stop_writing()
            self._emptied.set()
            self._sock.close()

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._sock.fileno()

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001  (the shape of a socket)
        """Do nothing: the socket is non-blocking already."""

    # What the link uses.

    def start_reading(self, on_readable: Callable[[], None]) -> None:
        """Call back whenever there is something to receive."""
        if not self.closed and self._on_readable is None:
            self._on_readable = on_readable
            self._loop.add_reader(self._sock.fileno(), on_readable)

    def stop_reading(self) -> None:
        """Leave what arrives to the system, which then tells the peer to wait."""
        if self._on_readable is not None:
            self._on_readable = None
            self._loop.remove_reader(self._sock.fileno())

    def flush(self) -> None:
        """Send what can be sent now, and the rest when the peer takes it."""
        if not self._outgoing or self.closed:
            return
        try:
            sent = self._sock.send(self._outgoing)
        except (BlockingIOError, ssl.SSLWantWriteError):
            self._await_writable()
        except ssl.SSLWantReadError:
            pass  # TLS must hear from the peer first; reading then flushes again
        except OSError as error:
            self.error = self.error or error
            self._outgoing.clear()  # reading reports the end of the connection
            self._stop_writing()
            self._emptied.set()
        else:
            del self._outgoing[:sent]
            self.sent_s = self._loop.time()
            if self._outgoing:
                self._await_writable()
            else:
                self._stop_writing()
                self._emptied.set()

    def _await_writable(self) -> None:
        if not self._writing and not self.closed:
            self._writing = True
            self._loop.add_writer(self._sock.fileno(), self._on_writable)

    def _on_writable(self) -> None:
        self._stop_writing()
        self.flush()
        if self._on_readable is not None:
            self._on_readable()  # TLS may have waited for this to read

    def _stop_writing(self) -> None:
        if self._writing:
            self._writing = False
            self._loop.remove_writer(self._sock.fileno())

    async def finish(self) -> None:
        """Send everything, say that nothing more comes, wait until the peer has closed too, then close.

        Closing with unread bytes would reset the connection, and the peer might never read the last acknowledgements.
        Cancel it to close at once.
        """
        self.stop_reading()
        try:
            while self._outgoing and not self.closed:
                self._emptied.clear()
                self.flush()
                if self._outgoing:
                    await self._emptied.wait()
            if not self.closed:
                await self._hear_out()
        finally:
            self.close()

    async def _hear_out(self) -> None:
        # Below TLS: what the peer still says is not read any more, only taken away.
        self._sock = socket.socket(fileno=self._sock.detach())
        self._sock.setblocking(False)
        try:
            self._sock.shutdown(socket.SHUT_WR)
            while await self._loop.sock_recv(self._sock, _CHUNK):
                pass
        except OSError:
            pass  # the peer was faster
