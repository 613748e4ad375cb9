"""Follows a daemon: connects, comes back when the connection is lost, and keeps what has arrived until somebody takes it."""

from __future__ import annotations

import enum
import json
import random
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from .errors import ProtocolError, Refused
from .frames import SUBPROTOCOL, Catalogue, Frame, read_catalogue, read_frame, read_message
from .websocket import Closed, NotUpgraded, WebSocket

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

STALE_S = 0.9
"""Without a word for so long, a daemon that sends one every 0.4 s has lost its way to us [s]; so it shows within 1 s."""
_SILENT_S = 10.0
"""And after this long the connection is given up [s]."""
_ACKNOWLEDGE_S = 0.25
"""How often it is said what was taken: a daemon that is not told stops sending what would be old [s]."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 10.0
_MAX_PENDING = 64
"""Frames that may wait to be taken; one who takes none for so long gets a full one instead."""
_WILL_NOT_PASS = frozenset({400, 401, 403, 404, 421, 426})


class Status(enum.Enum):
    """How a follower stands with its daemon."""

    CONNECTING = "connecting"
    LIVE = "live"
    STALE = "stale"
    """Nothing is heard, or the daemon cannot write its stage; what is shown is old."""
    WAITING = "waiting"
    """The connection is gone; it is tried again in a moment."""
    REFUSED = "refused"
    """The daemon does not want this follower; trying goes on, slowly."""
    CLOSED = "closed"


@dataclass(frozen=True)
class Subscription:
    """What to follow; everything by default."""

    entities: tuple[str, ...] = ()
    prims: tuple[str, ...] = ()
    """Prim paths; everything at and below them."""
    max_rate_hz: float | None = None


@dataclass
class Tally:
    """What has arrived."""

    frames: int = 0
    full_frames: int = 0
    bytes: int = 0
    connects: int = 0
    overflows: int = 0


@dataclass
class _Slot:
    """What waits to be taken: a catalogue, or frames that follow on what was taken before."""

    catalogue: Catalogue | None = None
    frames: deque[Frame] = field(default_factory=deque)
    fresh: bool = False
    """Whether the catalogue has not been taken."""
    gap: bool = False
    """Whether frames were thrown away; only a full one helps."""


class Follower:
    """One daemon, followed by a thread of its own from `start` to `stop`."""

    def __init__(
        self,
        url: str,
        *,
        subscription: Subscription | None = None,
        token: str = "",
        name: str = "twind follower",
        on_news: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            url: `http://HOST:PORT` of the daemon (https, ws and wss as well).
            subscription: What to follow.
            token: The bearer token, where the daemon wants one.
            name: Who this is, for the daemon's log.
            on_news: Called in the follower's thread whenever something can be taken or the status is another.
            clock: Seconds that only go forward.
        """
        parts = urlsplit(url if "://" in url else f"http://{url}")
        self.url = urlunsplit((parts.scheme, parts.netloc, parts.path.rstrip("/") + "/live", "", ""))
        self.tally = Tally()
        self.detail = ""
        """What is to be said about the status."""
        self._subscription = subscription or Subscription()
        self._headers: Mapping[str, str] = {"Authorization": f"Bearer {token}"} if token else {}
        self._name = name
        self._on_news = on_news
        self._clock = clock
        self._lock = threading.Lock()
        self._slot = _Slot()
        self._status = Status.CONNECTING
        self._stale_reason = ""
        self._sequence = -1
        self._heard_s = clock()
        self._acknowledged_s = 0.0
        self._socket: WebSocket | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="twind-follower", daemon=True)

    def __repr__(self) -> str:
        """Show how it stands."""
        return f"<Follower of {self.url}: {self.status.value}, at {self._sequence}>"

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self, *, wait_s: float = _SILENT_S) -> None:
        """Let go of the daemon; stopping twice is fine.

        Args:
            wait_s: How long to wait for the thread, which may be in the middle of connecting [s].
        """
        self._stopping.set()
        with self._lock:
            connection = self._socket
        if connection is not None:
            connection.close()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(wait_s)

    @property
    def status(self) -> Status:
        """How it stands with the daemon, now."""
        with self._lock:
            status = self._status
            if status is Status.LIVE and (self._stale_reason or self._clock() - self._heard_s > STALE_S):
                return Status.STALE
            return status

    @property
    def sequence(self) -> int:
        """Number of the newest update that has arrived; -1 before the first."""
        return self._sequence

    def take(self) -> tuple[Catalogue | None, list[Frame]]:
        """Return what has arrived since this was last asked: a catalogue if there is a new one, and the frames after it.

        A new catalogue means that everything is to be built anew; its first frame is a full one.
        """
        with self._lock:
            slot = self._slot
            catalogue = slot.catalogue if slot.fresh else None
            frames = list(slot.frames)
            slot.fresh = False
            slot.frames.clear()
        return catalogue, frames

    def subscribe(self, subscription: Subscription) -> None:
        """Follow something else from now on."""
        with self._lock:
            self._subscription = subscription
            connection = self._socket
        if connection is not None:
            with suppress(OSError):  # the next connection begins with it
                connection.send(json.dumps({"type": "subscribe", **_document(subscription)}))

    # In the thread.

    def _run(self) -> None:
        wait_s = _FIRST_WAIT_S
        while not self._stopping.is_set():
            before = self.tally.frames
            self._become(Status.CONNECTING, self.detail)
            try:
                self._follow()
            except Refused as error:
                self._become(Status.REFUSED, str(error))
                wait_s = _LONGEST_WAIT_S
            except (OSError, ProtocolError, Closed, NotUpgraded) as error:
                self._become(Status.WAITING, str(error) or type(error).__name__)
            if self.tally.frames > before:
                wait_s = _FIRST_WAIT_S
            # Some chance, so that a hundred viewers do not come back in one instant.
            self._stopping.wait(wait_s * random.uniform(0.5, 1.0))  # noqa: S311
            wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        self._become(Status.CLOSED, "")

    def _follow(self) -> None:
        """Follow over one connection until it ends, which always raises."""
        connection = self._connect()
        with self._lock:
            self._socket = connection
        try:
            self.tally.connects += 1
            self._hear_of()
            connection.send(json.dumps(self._hello()))
            while not self._stopping.is_set():
                message = connection.receive()
                self._hear_of()
                if isinstance(message, bytes):
                    self._take_frame(message, connection)
                else:
                    self._take_message(read_message(message))
                self._on_news()
        finally:
            with self._lock:
                self._socket = None
            connection.close()

    def _connect(self) -> WebSocket:
        try:
            return WebSocket(self.url, subprotocol=SUBPROTOCOL, headers=self._headers, timeout_s=_SILENT_S)
        except NotUpgraded as error:
            if error.status in _WILL_NOT_PASS:
                raise Refused(_sentence(error)) from error
            raise ProtocolError(_sentence(error)) from error

    def _hello(self) -> dict[str, Any]:
        hello: dict[str, Any] = {"type": "hello", "client": self._name, "acknowledges": True}
        hello["subscribe"] = _document(self._subscription)
        slot = self._slot
        if slot.catalogue is not None and self._sequence >= 0 and not slot.gap:
            hello["resume"] = {"session": slot.catalogue.session, "sequence": self._sequence}
        return hello

    def _take_message(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "catalogue":
            self._take_catalogue(read_catalogue(message))
        elif kind == "stale":
            self._stale_reason = str(message.get("reason") or "the stage stands still") if message.get("stale") else ""
        elif kind == "end":
            sentence = str(message.get("message") or "the daemon ended the stream")
            if message.get("again"):
                raise ProtocolError(sentence)
            raise Refused(sentence)
        # Messages of other types may come with later versions of this one; they change nothing that is known here.

    def _take_catalogue(self, catalogue: Catalogue) -> None:
        with self._lock:
            slot, known = self._slot, self._slot.catalogue
            same = known is not None and _same(known, catalogue)
            slot.catalogue = catalogue
            if not same:
                slot.fresh, slot.gap = True, True
                slot.frames.clear()
                self._sequence = -1
        self._stale_reason = ""

    def _take_frame(self, data: bytes, connection: WebSocket) -> None:
        slot = self._slot
        if slot.catalogue is None:
            raise ProtocolError("a frame before the catalogue")
        frame = read_frame(data, slot.catalogue)
        if not frame.full and frame.base != self._sequence:
            raise ProtocolError(f"a frame from {frame.base}, but {self._sequence} is shown")
        self.tally.frames += 1
        self.tally.full_frames += frame.full
        self.tally.bytes += len(data)
        self._sequence = frame.sequence
        resync = False
        with self._lock:
            if frame.full:
                slot.frames.clear()
                slot.gap = False
            moves = frame.full or frame.sequence > frame.base
            if moves and not slot.gap:
                slot.frames.append(frame)
            if len(slot.frames) > _MAX_PENDING:
                slot.frames.clear()
                slot.gap = resync = True
        self._become(Status.LIVE, self._stale_reason)
        now_s = time.monotonic()
        if frame.full or now_s - self._acknowledged_s >= _ACKNOWLEDGE_S:
            self._acknowledged_s = now_s
            connection.send(json.dumps({"type": "ack", "sequence": frame.sequence}))
        if resync:
            self.tally.overflows += 1
            connection.send('{"type": "resync"}')

    def _hear_of(self) -> None:
        with self._lock:
            self._heard_s = self._clock()

    def _become(self, status: Status, detail: str) -> None:
        with self._lock:
            changed = (self._status, self.detail) != (status, detail)
            self._status, self.detail = status, detail
        if changed:
            self._on_news()


def _document(subscription: Subscription) -> dict[str, Any]:
    document: dict[str, Any] = {"entities": list(subscription.entities), "prims": list(subscription.prims)}
    if subscription.max_rate_hz is not None:
        document["max_rate_hz"] = subscription.max_rate_hz
    return document


def _same(known: Catalogue, new: Catalogue) -> bool:
    """Whether what was built for one catalogue serves for another."""
    return known.session == new.session and (known.prims, known.fixed, known.groups) == (new.prims, new.fixed, new.groups)


def _sentence(error: NotUpgraded) -> str:
    """Return what the daemon said, which is in the field `error` of its answer."""
    try:
        answer = json.loads(error.message)
    except ValueError:
        answer = None
    said = answer.get("error") if isinstance(answer, dict) else None
    return f"{error.status}: {said}" if said else f"the server answers {error.status}"
