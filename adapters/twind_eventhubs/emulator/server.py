"""The emulator as a server: sockets around `amqp.Connection`."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING, Self, cast

from twind_eventhubs.emulator.amqp.connection import Connection
from twind_eventhubs.emulator.amqp.errors import AmqpError
from twind_eventhubs.emulator.faults import Faults, server_busy
from twind_eventhubs.emulator.hub import DEFAULT_GROUP
from twind_eventhubs.emulator.namespace import Namespace

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from twind_eventhubs.emulator.hub import HubSettings
    from twind_eventhubs.emulator.sas import Rule

MAX_MESSAGE_BYTES = 1_048_576
_TICK_S = 1.0
_DELAYED_BYTES = 1_048_576
"""What waits for its time, at most."""


class Emulator:
    """A namespace on a TCP port. An asynchronous context manager; everything belongs to the loop that it was entered in.

    Args:
        hubs: What hubs there are.
        rules: Whose signatures are good; the first is in `connection_string`.
        host: Address to listen on.
        port: TCP port; 0 takes a free one.
        tls: Speak TLS with this; plain TCP without.
        max_message_bytes: Longer events and batches are refused.
        throughput_units: What is let through; 0 for everything.
        now_s: Seconds since 1970: what events are stamped with, and when tokens expire.
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
        throughput_units: int = 0,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.namespace = Namespace(hubs, rules=rules, throughput_units=throughput_units, now_s=now_s)
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
            self.tick()

    def tick(self) -> None:
        """Look after what time does: retention, rights that expire, silence. Happens every second by itself."""
        self.namespace.expire()
        for peer in list(self._peers):
            peer.tick()

    def disconnect(self, *, politely: bool = False) -> int:
        """Cut all connections, without a word or with `amqp:connection:forced`; return how many."""
        peers = list(self._peers)
        for peer in peers:
            if politely:
                peer.close(AmqpError("amqp:connection:forced", "the connection was closed as asked for"))
            else:
                peer.abort()
        return len(peers)

    def busy(self, sends: int) -> None:
        """Answer the next so many sends with `com.microsoft:server-busy`."""
        self.namespace.faults.busy(sends)

    def throttle(self, attaches: int) -> int:
        """End all receivers, and refuse the next so many, with `com.microsoft:server-busy`; return how many were ended."""
        self.namespace.faults.throttle(attaches)
        return sum(hub.readers.end_all(server_busy("as asked for")) for hub in self.namespace.hubs.values())

    def duplicate(self, share: float, *, seed: int = 1) -> None:
        """Deliver this share of the events twice."""
        self.namespace.faults.duplicate(share, seed=seed)

    def slow(self, latency_s: float) -> None:
        """Delay everything that is sent from now on [s]; 0 ends it."""
        self.namespace.faults.latency_s = latency_s

    def stall(self, *, stalled: bool = True) -> None:
        """Neither read nor send, but keep the connections: what a half-open connection looks like."""
        self.namespace.faults.stalled = stalled
        for peer in list(self._peers):
            peer.stall(stalled=stalled)

    def half_open(self) -> int:
        """Leave the connections that are there now without an answer for good; new ones work. Return how many."""
        peers = list(self._peers)
        for peer in peers:
            peer.go_silent()
        return len(peers)

    def steal(self, hub: str, partition: str, *, group: str = DEFAULT_GROUP) -> int:
        """Take a partition from whoever reads it, as a reader with a higher epoch would; return how many lost it.

        Raises:
            AmqpError: There is no such hub, group or partition.
        """
        found = self.namespace.hub(hub)
        readers = found.readers.of(found.group(group), found.partition(partition).ident)
        for reader in readers:
            found.readers.steal(reader, "the partition was stolen as asked for")
        return len(readers)

    @property
    def connections(self) -> int:
        """Number of clients' connections."""
        return len(self._peers)

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
        self._faults = emulator.namespace.faults
        self._loop = asyncio.get_running_loop()
        self._connection = emulator.connection(self)
        self._transport: asyncio.Transport | None = None
        self._awake = False
        self._paused = False
        self._delayed: deque[bytes] = deque()
        self._delayed_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._emulator.joined(self)
        self.stall(stalled=self._faults.stalled)

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
        if self._faults.stalled:
            return
        while self._transport is not None and not self._paused and self._delayed_bytes < _DELAYED_BYTES:
            data = self._connection.take()
            if not data:
                break
            if self._faults.latency_s or self._delayed:
                self._delayed.append(data)
                self._delayed_bytes += len(data)
                self._loop.call_later(self._faults.latency_s, self._write_delayed)
            else:
                self._transport.write(data)
        if self._transport is not None and self._connection.closed and not self._delayed:
            self._transport.close()

    def _write_delayed(self) -> None:
        """Write what has waited longest: as many calls of this are due as pieces wait."""
        data = self._delayed.popleft()
        self._delayed_bytes -= len(data)
        if self._transport is not None:
            self._transport.write(data)
        self.wake()

    def tick(self) -> None:
        """Look after what time does."""
        self._connection.tick()
        self.wake()

    def stall(self, *, stalled: bool) -> None:
        """Stop, or go on."""
        if self._transport is not None and self._transport.is_reading() == stalled:
            if stalled:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()
        self.wake()

    def go_silent(self) -> None:
        """Stop for good."""
        self._faults = Faults()
        self._faults.stalled = True
        self.stall(stalled=True)

    def close(self, error: AmqpError) -> None:
        """End the connection and say why."""
        self._connection.close(error)
        self.wake()

    def abort(self) -> None:
        """Cut the connection without a word."""
        if self._transport is not None:
            self._transport.abort()
