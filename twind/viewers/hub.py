"""Everybody who watches: takes what each write changed, and wakes those who are shown it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from twind.telemetry import events
from twind.viewers.protocol.messages import StaleNotice, Subscription
from twind.viewers.protocol.selection import Selection
from twind.viewers.session import Ending, Session
from twind.viewers.state import LiveState, View

if TYPE_CHECKING:
    from twind.config.settings import ViewerSettings
    from twind.model.live_layer import Flush
    from twind.telemetry import Telemetry
    from twind.viewers.protocol.selection import LiveSource
    from twind.viewers.session import Socket

_ENCODER = msgspec.json.Encoder()


@dataclass(slots=True)
class _Shared:
    """A view, and how many look through it."""

    view: View
    users: int = 0


class Hub:
    """Belongs to the event loop, all but `on_flush`."""

    def __init__(self, source: LiveSource, limits: ViewerSettings, *, telemetry: Telemetry) -> None:
        self.limits = limits
        self.state = LiveState(source.layout)
        self.rate_hz = source.rate_hz
        """How often there is something new, at most [Hz]."""
        self.session = source.session
        self.stale: StaleNotice | None = None
        """What is told to those who come while the stage cannot be written."""
        self._source = source
        self.telemetry = telemetry
        self._metrics = telemetry.metrics
        self._sessions: set[Session] = set()
        self._views: dict[tuple[tuple[str, ...], tuple[str, ...]], _Shared] = {}
        self._catalogues = 0
        self._closed = ""
        self._loop = asyncio.get_running_loop()

    def __repr__(self) -> str:
        """Show how many watch."""
        return f"<Hub {len(self._sessions)} viewers, {len(self._views)} views>"

    def __len__(self) -> int:
        """Viewers that are connected."""
        return len(self._sessions)

    def on_flush(self, flush: Flush) -> None:
        """Take what a write has changed; called in the stage's thread."""
        self._loop.call_soon_threadsafe(self._take, flush)

    def _take(self, flush: Flush) -> None:
        self._metrics.viewer_frames_encoded.inc(sum(shared.view.take_encoded() for shared in self._views.values()))
        self.state.take(flush)
        for session in self._sessions:
            session.wake()

    def set_stale(self, reason: str) -> None:
        """Say that the stage cannot be written, and why; an empty reason says that it can be again."""
        notice = StaleNotice(stale=True, reason=reason) if reason else None
        if notice == self.stale:
            return
        self.stale = notice
        for session in self._sessions:
            session.tell(notice or StaleNotice(stale=False))

    @property
    def refusal(self) -> str:
        """Why nobody else can watch now; empty: they can."""
        if self._closed:
            return self._closed
        if len(self._sessions) >= self.limits.max_clients:
            return f"{len(self._sessions)} viewers are connected, and viewers.max_clients allows no more"
        return ""

    async def serve(self, socket: Socket, address: str) -> None:
        """Serve one client until it goes or must go."""
        session = Session(self, socket)
        self._sessions.add(session)
        self._metrics.viewers.set(len(self))
        self.telemetry.emit(events.ViewerConnected(address=address))
        try:
            end = await session.run()
        finally:
            self._sessions.discard(session)
            self._metrics.viewers.set(len(self))
        self.telemetry.emit(events.ViewerGone(address=address, client=session.client, reason=end.ending.word, message=str(end)))

    async def aclose(self, message: str = "the daemon stops") -> None:
        """Tell everybody that it is over, and wait until they are gone."""
        self._closed = message
        while self._sessions:
            for session in self._sessions:
                session.end(Ending.SHUTDOWN, message)
            await asyncio.sleep(0.01)

    # What sessions need.

    def view(self, subscription: Subscription) -> View:
        """Return the view of a subscription, shared with all who have the same.

        Raises:
            ProtocolError: The subscription cannot be served.
        """
        key = tuple(sorted(set(subscription.entities))), tuple(sorted(set(subscription.prims)))
        shared = self._views.get(key)
        if shared is None:
            selection = Selection(self._source, subscription)
            self._catalogues += 1
            shared = self._views[key] = _Shared(View(self.state, selection, self._catalogues))
        shared.users += 1
        return shared.view

    def release(self, view: View | None) -> None:
        """Let go of a view."""
        for key, shared in self._views.items():
            if shared.view is view:
                shared.users -= 1
                if not shared.users:
                    del self._views[key]
                return

    def catalogue(self, view: View, rate_hz: float) -> str:
        """Return the catalogue of a view as it is sent."""
        return _ENCODER.encode(view.selection.catalogue(view.catalogue, max_rate_hz=rate_hz)).decode()

    def granted_hz(self, asked_hz: float | None) -> float:
        """Return how many frames a client gets in a second, at most."""
        most = self.rate_hz if self.limits.max_rate_hz is None else min(self.rate_hz, self.limits.max_rate_hz)
        return most if asked_hz is None else max(min(asked_hz, most), 0.1)

    def sent(self, size: int) -> None:
        """Count a frame."""
        self._metrics.viewer_frames.inc()
        self._metrics.viewer_bytes.inc(size)
