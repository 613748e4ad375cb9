"""One client of the live stream: what it asked for, how far it is, and what it is sent next."""

from __future__ import annotations

import asyncio
import enum
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

from twind.viewers.protocol.messages import (
    Acknowledgement,
    End,
    Hello,
    ProtocolError,
    Resync,
    StaleNotice,
    Subscription,
    read_client_message,
    write_message,
)
from twind.viewers.state import NOTHING

if TYPE_CHECKING:
    from twind.viewers.hub import Hub
    from twind.viewers.state import View

HELLO_WITHIN_S = 10.0
"""How long a client may take to say what it wants [s]."""
STILL_S = 0.4
"""How often a client hears from the daemon at least, also when nothing moves [s]: one that misses two of these knows."""
GAP_S = 1.0
"""A client that took this long to take a frame gets a full one next [s]."""
MAX_CONTROL = 16
"""Control messages that may wait for one client."""
MESSAGES_S = 10.0
"""Messages that a client may send in a second, on average; twice as many at once."""
_FAREWELL_S = 1.0
"""How long a client may take to hear why it ends [s]."""


class Ending(enum.Enum):
    """Why a stream ends: the word in metrics, the WebSocket close code (RFC 6455), and whether to come back by oneself."""

    LEFT = "left", 1000, True
    SHUTDOWN = "shutdown", 1001, True
    BAD_MESSAGE = "bad_message", 1008, False
    TOO_MANY_MESSAGES = "too_many_messages", 1008, False
    SILENT = "silent", 1008, True
    OVERFLOW = "overflow", 1013, True
    LOST = "lost", 1006, True

    def __init__(self, word: str, code: int, again: bool) -> None:  # noqa: FBT001  (members are written positionally)
        self.word = word
        self.code = code
        self.again = again


class Ended(Exception):  # noqa: N818  (an end is no error)
    """Ends a session."""

    def __init__(self, ending: Ending, message: str) -> None:
        super().__init__(message)
        self.ending = ending


class Socket(Protocol):
    """A WebSocket, accepted."""

    async def receive(self) -> str | None:
        """Return the next text message, None when the client is gone.

        Raises:
            ProtocolError: It sent something else.
        """

    async def send(self, message: str | bytes) -> None:
        """Send a message; returns when there is room for another.

        Raises:
            ConnectionError: The client is gone.
        """

    async def close(self, code: int, reason: str) -> None:
        """Close it."""

    def abort(self) -> None:
        """Close it without a word."""


class Session:
    """Decides what its client gets and when; `Hub.serve` makes and runs it."""

    def __init__(self, hub: Hub, socket: Socket) -> None:
        self.client = ""
        """Who it says it is."""
        self._hub = hub
        self._socket = socket
        self._view: View | None = None
        self._has = NOTHING
        """The update that the client shows."""
        self._period_s = 0.0
        self._due_s = 0.0
        """Not before this may it get the next frame (clock of the loop)."""
        self._sent_s = 0.0
        self._control: deque[str] = deque()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._ended: asyncio.Future[Ended] = asyncio.get_running_loop().create_future()
        self._allowance = 2 * MESSAGES_S
        self._heard_s = 0.0
        self._acknowledges = False
        self._mark: tuple[int, float] | None = None
        """Update and time of the oldest frame that it has not acknowledged, or of one a little younger."""

    def __repr__(self) -> str:
        """Show how far it is."""
        return f"<Session of {self.client or 'a client'}: at {self._has}, {len(self._control)} control messages wait>"

    async def run(self) -> Ended:
        """Serve the client until it goes or must go, and return why."""
        sending = asyncio.create_task(self._send_all(), name="send to a viewer")
        hearing = asyncio.create_task(self._hear_all(), name="hear a viewer")
        try:
            watched: set[asyncio.Future[Any]] = {sending, hearing, self._ended}
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            end = self._outcome(hearing, sending)
        finally:
            for task in (sending, hearing):
                task.cancel()
            await asyncio.gather(sending, hearing, return_exceptions=True)
            if self._timer is not None:
                self._timer.cancel()
            self._hub.release(self._view)
        await self._farewell(end)
        return end

    def wake(self) -> None:
        """Look whether there is something to send: the state has changed."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._due_s:
            self._wake.set()
        elif self._timer is None:
            self._timer = loop.call_at(self._due_s, self._on_timer)

    def end(self, ending: Ending, message: str) -> None:
        """End the session."""
        if not self._ended.done():
            self._ended.set_result(Ended(ending, message))

    def tell(self, notice: StaleNotice) -> None:
        """Send a control message; a client that has let too many of them wait is disconnected."""
        if len(self._control) >= MAX_CONTROL:
            self.end(
                Ending.OVERFLOW,
                f"{MAX_CONTROL} control messages wait for this client, which takes none: it must not miss any, so it is let go",
            )
            return
        self._control.append(write_message(notice))
        self._wake.set()

    # What it hears.

    async def _hear_all(self) -> None:
        try:
            async with asyncio.timeout(HELLO_WITHIN_S):
                hello = await self._hear()
        except TimeoutError:
            raise Ended(Ending.SILENT, f"no hello within {HELLO_WITHIN_S:g} s") from None
        if not isinstance(hello, Hello):
            raise Ended(Ending.BAD_MESSAGE, "the first message must be a hello")
        self.client = hello.client
        self._acknowledges = hello.acknowledges
        self._subscribe(hello.subscribe)
        state = self._hub.state
        if hello.resume is not None and (hello.resume.session, hello.resume.sequence) == (self._hub.session, state.seq):
            self._has = state.seq
        while True:
            message = await self._hear()
            if isinstance(message, Hello):
                raise Ended(Ending.BAD_MESSAGE, "a second hello; to change what is shown, send subscribe")
            if isinstance(message, Acknowledgement):
                self._acknowledge(message.sequence)
            elif isinstance(message, Resync):
                self._has, self._mark = NOTHING, None
                self._wake.set()
            else:
                self._subscribe(message)

    async def _hear(self) -> Hello | Subscription | Resync | Acknowledgement:
        text = await self._socket.receive()
        if text is None:
            raise Ended(Ending.LEFT, "the client left")
        now_s = asyncio.get_running_loop().time()
        self._allowance = min(2 * MESSAGES_S, self._allowance + (now_s - self._heard_s) * MESSAGES_S) - 1
        self._heard_s = now_s
        if self._allowance < 0:
            raise Ended(Ending.TOO_MANY_MESSAGES, f"more than {MESSAGES_S:g} messages a second")
        return read_client_message(text)

    def _acknowledge(self, sequence: int) -> None:
        if self._mark is not None and sequence >= self._mark[0]:
            if self._asleep():
                self._has = NOTHING
                self._wake.set()
            self._mark = None

    def _asleep(self) -> bool:
        """Whether it has not taken what it was sent a while ago; more would only be old when it wakes."""
        return self._mark is not None and asyncio.get_running_loop().time() - self._mark[1] > GAP_S

    def _subscribe(self, subscription: Subscription) -> None:
        view = self._hub.view(subscription)
        self._hub.release(self._view)
        self._view, self._has, self._mark = view, NOTHING, None
        rate_hz = self._hub.granted_hz(subscription.max_rate_hz)
        self._period_s = 0.0 if rate_hz >= self._hub.rate_hz else 1.0 / rate_hz
        self._due_s = 0.0
        # What waits belongs to the catalogue before, if there was one.
        self._control.append(self._hub.catalogue(view, rate_hz))
        if self._hub.stale is not None:
            self._control.append(write_message(self._hub.stale))
        self._wake.set()

    # What it is sent.

    async def _send_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(STILL_S):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            while self._control:
                await self._send(self._control.popleft())
            view = self._view
            if view is None:
                continue
            silent = loop.time() - self._sent_s >= STILL_S
            # One that sleeps is still sent signs of life: it may have taken all that it was sent too quickly to acknowledge the
            # last of it, and be waiting for something to acknowledge.
            if loop.time() < self._due_s or self._asleep():
                if silent and self._has != NOTHING:
                    await self._send(view.still(self._has, self._has, time.time_ns()))
                    self._sent_s = loop.time()
                continue
            frame = view.since(self._has)
            if frame is None and silent:
                frame = view.still(self._has, self._hub.state.seq, time.time_ns())
            if frame is not None:
                await self._send_frame(frame, view)

    async def _send_frame(self, frame: bytes, view: View) -> None:
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        self._has = self._hub.state.seq
        if self._acknowledges and self._mark is None:
            self._mark = self._has, started_s
        # The grid of a slower client is that of the clock, so that all of one rate lack the same.
        slots = 1 if not self._period_s else int(started_s / self._period_s) + 1
        self._due_s = max(slots * self._period_s, started_s + len(frame) / self._hub.limits.max_bytes_s)
        await self._send(frame)
        self._hub.sent(len(frame))
        self._sent_s = loop.time()
        if self._sent_s - started_s > GAP_S and view is self._view:
            self._has = NOTHING
            self._wake.set()
        elif self._has != self._hub.state.seq:
            self.wake()

    async def _send(self, message: str | bytes) -> None:
        try:
            await self._socket.send(message)
        except ConnectionError as error:
            raise Ended(Ending.LOST, f"the connection broke: {error}") from error

    def _on_timer(self) -> None:
        self._timer = None
        self._wake.set()

    # How it ends.

    def _outcome(self, *tasks: asyncio.Task[None]) -> Ended:
        if self._ended.done():
            return self._ended.result()
        for task in tasks:
            error = task.exception() if task.done() else None
            if isinstance(error, Ended):
                return error
            if isinstance(error, ProtocolError):
                return Ended(Ending.BAD_MESSAGE, str(error))
            if error is not None:
                raise error
        return Ended(Ending.LEFT, "the client left")

    async def _farewell(self, end: Ended) -> None:
        """Say why, if the client still listens."""
        message = str(end)
        try:
            async with asyncio.timeout(_FAREWELL_S):
                if end.ending not in (Ending.LEFT, Ending.LOST):
                    await self._socket.send(write_message(End(end.ending.word, message, end.ending.again)))
                await self._socket.close(end.ending.code, message)
        except (TimeoutError, ConnectionError):
            self._socket.abort()
