"""The emulator as a server: sockets around `amqp.Connection`."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Self, cast

from twind_eventhubs.emulator.amqp.connection import Connection
from twind_eventhubs.emulator.namespace import Namespace

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable
    from types import TracebackType

    from twind_eventhubs.emulator.hub import HubSettings
    from twind_eventhubs.emulator.sas import Rule

MAX_MESSAGE_BYTES = 1_048_576
_TICK_S = 1.0


class Emulator:
    """A namespace on a TCP port. An asynchronous context manager; everything belongs to the loop that it was entered in.

    Args:
        hubs: What hubs there are.
        rules: Whose signatures are good; the first is in `connection_string`.
        host: Address to listen on.
        port: TCP port; 0 takes a free one.
        tls: Speak TLS with this; plain TCP without.
        max_message_bytes: Longer events and batches are refused.
    """

    def __init__(
        self,
        hubs: Iterable[HubSettings],
        *,
        rules: tuple[Rule, ...],
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        self.namespace = Namespace(hubs, rules=rules)
        self._host = host
        self._port = port
        self._tls = tls
        self._max_message_bytes = max_message_bytes
        self._server: asyncio.Server | None = None
        self._ticking: asyncio.Task[None] | None = None
        self._peers: set[_Peer] = set()

    def __repr__(self) -> str:
        """Show address and connections."""
        return f"<Emulator {self._host}:{self._port} connections={len(self._peers)}>"

    @property
    def port(self) -> int:
        """TCP port."""
        return self._port

    @property
    def connection_string(self) -> str:
        """What clients are given. Contains the key."""
        rule = self.namespace.rules[0]
        plain = "" if self._tls else ";UseDevelopmentEmulator=true"
        return f"Endpoint=sb://{self._host}:{self._port};SharedAccessKeyName={rule.name};SharedAccessKey={rule.key}{plain}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Peer(self), self._host, self._port, ssl=self._tls)
        self._port = self._server.sockets[0].getsockname()[1]
        self._ticking = loop.create_task(self._tick(), name="emulator-tick")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        server, ticking, self._server, self._ticking = self._server, self._ticking, None, None
        if ticking is not None:
            ticking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await ticking
        if server is not None:
            server.close()
            self.disconnect()
            await server.wait_closed()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self.namespace.expire()
            for peer in list(self._peers):
                peer.tick()

    def disconnect(self) -> int:
        """Cut all connections without a word; return how many."""
        peers = list(self._peers)
        for peer in peers:
            peer.abort()
        return len(peers)

    def joined(self, peer: _Peer) -> None:
        """Remember a connection."""
        self._peers.add(peer)

    def left(self, peer: _Peer) -> None:
        """Forget a connection."""
        self._peers.discard(peer)

    def connection(self, peer: _Peer) -> Connection:
        """Make the protocol's side of a new connection."""
        return Connection(
            self.namespace.access(),
            on_news=peer.wake,
            now=asyncio.get_running_loop().time,
            max_message_bytes=self._max_message_bytes,
        )


class _Peer(asyncio.Protocol):
    """One socket. Nothing is taken from the connection while the socket does not take it, so nothing piles up."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._loop = asyncio.get_running_loop()
        self._connection = emulator.connection(self)
        self._transport: asyncio.Transport | None = None
        self._awake = False
        self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._emulator.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._transport = None
        self._connection.lost()
        self._emulator.left(self)

    def data_received(self, data: bytes) -> None:
        self._connection.receive(data)
        self.wake()

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self.wake()

    def wake(self) -> None:
        """Write soon."""
        if not self._awake:
            self._awake = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        self._awake = False
        while self._transport is not None and not self._paused:
            data = self._connection.take()
            if not data:
                break
            self._transport.write(data)
        if self._transport is not None and self._connection.closed:
            self._transport.close()

    def tick(self) -> None:
        """Look after what time does."""
        self._connection.tick()
        self.wake()

    def abort(self) -> None:
        """Cut the connection without a word."""
        if self._transport is not None:
            self._transport.abort()
