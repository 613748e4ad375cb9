"""A connection, as the server has it: bytes in, bytes out, no I/O (part 2, 2.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind_eventhubs.emulator.amqp import frames, sasl
from twind_eventhubs.emulator.amqp import performatives as p
from twind_eventhubs.emulator.amqp.errors import AmqpError
from twind_eventhubs.emulator.amqp.frames import EMPTY, FrameReader, frame
from twind_eventhubs.emulator.amqp.session import Session
from twind_eventhubs.emulator.amqp.values import UInt, UShort

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind_eventhubs.emulator.amqp.endpoints import Container

MAX_FRAME_BYTES = 65_536
_SMALLEST_MAX_FRAME = 512
CHANNELS = 255
"""Sessions of a connection."""

IDLE_S = 240.0
"""How long a peer may be silent, as in the service [s]."""

_CONGESTED_BYTES = 262_144
"""Messages wait while so much is not yet taken."""
_REFUSED_BYTES = 8_388_608
"""A peer that asks for so much and reads nothing of it is cut off."""


class Connection:
    """A connection with a peer.

    Args:
        container: What the peer connects to.
        on_news: Called when there may be something to write although nothing was received.
        now: Monotonic time [s].
        max_message_bytes: Longer messages are refused.
    """

    def __init__(
        self, container: Container, *, on_news: Callable[[], None], now: Callable[[], float], max_message_bytes: int
    ) -> None:
        self._container = container
        self._on_news = on_news
        self._now = now
        self._max_message_bytes = max_message_bytes
        self._reader = FrameReader(max_frame_bytes=MAX_FRAME_BYTES)
        self._out = bytearray()
        self._sessions: dict[int, Session] = {}
        self._state = "start"
        self._idle_s: float | None = None
        self._heard_s = self._wrote_s = now()
        self.max_frame_bytes = _SMALLEST_MAX_FRAME
        """Of the peer; 512 until it says otherwise (2.4.1)."""
        self.held_bytes = 0
        """Of messages that are not yet complete, on all links."""
        self.name = ""
        """What the peer calls itself."""

    def __repr__(self) -> str:
        """Show the state."""
        return f"<Connection {self._state} sessions={len(self._sessions)} out={len(self._out)}>"

    @property
    def closed(self) -> bool:
        """Whether nothing more comes, once what is there was written."""
        return self._state == "closed"

    @property
    def congested(self) -> bool:
        """Whether so much waits to be written that messages should wait."""
        return len(self._out) >= _CONGESTED_BYTES

    def write(self, data: bytes) -> None:
        """Add to what is written."""
        if self.closed:
            return
        self._out += data
        if len(self._out) > _REFUSED_BYTES:
            self._end()
            self._out.clear()

    def wake(self) -> None:
        """Say that there may be something to write."""
        self._on_news()

    def receive(self, data: bytes) -> None:
        """Take bytes from the peer. Whatever they are, the answer is in what is to be written."""
        self._heard_s = self._now()
        self._reader.feed(data)
        try:
            while not self.closed and (piece := self._reader.next()) is not None:
                if isinstance(piece, bytes):
                    self._header(piece)
                elif piece.kind == frames.SASL:
                    self._sasl(piece.body)
                elif piece.body:
                    self._frame(piece.channel, piece.body)
        except AmqpError as error:
            self.close(error)

    def take(self) -> bytes:
        """Return what is to be written, with as many messages as fit."""
        while not self.closed and not self.congested:
            more = False
            for session in self._sessions.values():
                more = session.pump() or more
            if not more:
                break
        taken = bytes(self._out)
        self._out.clear()
        if taken:
            self._wrote_s = self._now()
        return taken

    def tick(self) -> None:
        """Look after what time does: silence, and rights that expire. To be called every second or so."""
        if self._state != "open":
            return
        now_s = self._now()
        if now_s - self._heard_s > IDLE_S:
            self.close(AmqpError("amqp:connection:forced", f"the connection was inactive for more than {IDLE_S:.0f} s"))
            return
        if self._idle_s is not None and now_s - self._wrote_s > self._idle_s / 2:
            self.write(EMPTY)
        for session in self._sessions.values():
            session.check()

    def close(self, error: AmqpError | None = None) -> None:
        """End the connection from this side."""
        if self._state == "open":
            self.write(frame(p.write(p.Close(error=None if error is None else p.error(error)))))
        self._end()

    def lost(self) -> None:
        """Let go of everything: the peer is gone."""
        self._end()
        self._out.clear()

    def _end(self) -> None:
        self._state = "closed"
        for session in self._sessions.values():
            session.close()
        self._sessions.clear()

    def _header(self, header: bytes) -> None:
        if header == frames.HEADER_SASL and self._state == "start":
            self.write(header + sasl.mechanisms())
            self._state = "sasl"
        elif header == frames.HEADER_AMQP and self._state in {"start", "welcome"}:
            self.write(header)
            self._state = "header"
        else:
            self.write(frames.HEADER_AMQP)
            raise AmqpError("amqp:connection:framing-error", "a protocol header that is not understood here")

    def _sasl(self, body: bytes) -> None:
        if self._state != "sasl":
            raise AmqpError("amqp:connection:framing-error", "a SASL frame out of place")
        mechanism, response = sasl.read_init(body)
        try:
            self._admit(mechanism, response)
        except AmqpError:
            self.write(sasl.outcome(sasl.AUTH))
            self._end()
        else:
            self.write(sasl.outcome(sasl.OK))
            self._state = "welcome"

    def _admit(self, mechanism: str, response: bytes) -> None:
        if mechanism not in sasl.MECHANISMS:
            raise AmqpError("amqp:not-implemented", "no such mechanism")
        if mechanism == "PLAIN":
            self._container.log_in(*sasl.read_plain(response))

    def _frame(self, channel: int, body: bytes) -> None:
        performative, end = p.read(body)
        match performative:
            case p.Open() if self._state == "header":
                self._open(performative)
            case _ if self._state != "open":
                raise AmqpError("amqp:illegal-state", "a frame before the connection is open")
            case p.Close():
                self.close()
            case p.Begin():
                self._begin(channel, performative)
            case p.End():
                self._end_session(channel, None)
            case p.Open():
                raise AmqpError("amqp:illegal-state", "the connection is open already")
            case _:
                self._of_session(channel, performative, body[end:])

    def _open(self, performative: p.Open) -> None:
        self.max_frame_bytes = min(max(performative.max_frame_size, _SMALLEST_MAX_FRAME), MAX_FRAME_BYTES)
        self.name = performative.container_id
        if performative.idle_time_out:
            self._idle_s = performative.idle_time_out / 1000
        self._state = "open"
        self.write(
            frame(
                p.write(
                    p.Open(
                        container_id="twind-emulator",
                        hostname=performative.hostname,
                        max_frame_size=UInt(MAX_FRAME_BYTES),
                        channel_max=UShort(CHANNELS - 1),
                        idle_time_out=UInt(int(IDLE_S * 1000)),
                    )
                )
            )
        )

    def _begin(self, channel: int, begin: p.Begin) -> None:
        if channel in self._sessions or channel >= CHANNELS:
            raise AmqpError("amqp:not-allowed", f"channel {channel} is in use or beyond channel-max")
        self._sessions[channel] = Session(
            channel, begin, wire=self, container=self._container, max_message_bytes=self._max_message_bytes
        )

    def _of_session(self, channel: int, performative: p.Performative, payload: bytes) -> None:
        session = self._sessions.get(channel)
        if session is None:
            return  # of a session that this side has ended
        try:
            session.receive(performative, payload)
        except AmqpError as error:
            self._end_session(channel, error)

    def _end_session(self, channel: int, error: AmqpError | None) -> None:
        session = self._sessions.pop(channel, None)
        if session is not None:
            session.close()
            self.write(frame(p.write(p.End(error=None if error is None else p.error(error))), channel=channel))
