"""The sink `foxglove`: a server of Foxglove's SDK, fed with what the daemon tells."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

import foxglove
from foxglove.channels import FrameTransformsChannel, JointStatesChannel, LogChannel
from foxglove.websocket import ChannelView, Client, ServerListener, WebSocketServer

from twind.api import NoticeKind, RetryableError, events, parse_address
from twind_foxglove.messages import incident_log, joint_states, status_log, transforms
from twind_foxglove.settings import FoxgloveSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twind.api import Notice, SinkContext


_SOON_S = 0.05
"""How long subscriptions are collected before the newest states are sent again."""


class _Subscriptions(ServerListener):
    """Tells the sink, in its loop, that somebody wants to see something."""

    def __init__(self, loop: asyncio.AbstractEventLoop, on_subscribed: Callable[[], None]) -> None:
        self._loop = loop
        self._on_subscribed = on_subscribed

    def on_subscribe(self, client: Client, channel: ChannelView) -> None:  # noqa: ARG002  (the shape of a listener)
        """Called by a thread of the SDK."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._on_subscribed)


class FoxgloveSink:
    """A `NoticeSink` whose far side are the Foxglove clients that are connected: nothing is kept for others.

    The SDK sends in threads of its own; a client that is too slow loses the oldest messages that wait for it.
    """

    def __init__(self, name: str, settings: FoxgloveSettings, context: SinkContext) -> None:
        self.name = name
        self.settings = settings
        self._instance = context.instance
        self._telemetry = context.telemetry
        self._context = foxglove.Context()
        self._server: WebSocketServer | None = None
        self._transforms = FrameTransformsChannel("/tf", context=self._context)
        self._diagnostics = LogChannel("/diagnostics", context=self._context)
        self._joints: dict[str, JointStatesChannel] = {}
        self._newest: dict[str, Notice] = {}
        """The newest state of each entity: what stands still is not told again, and a new client must see it all the same."""
        self._again: asyncio.TimerHandle | None = None

    def __repr__(self) -> str:
        """Show where it listens."""
        return f"<FoxgloveSink {self.name} {self.url or 'not listening'}>"

    @property
    def url(self) -> str:
        """Address for Foxglove's dialog `Open connection`; empty while it does not listen."""
        if self._server is None:
            return ""
        host, _ = parse_address(self.settings.listen)
        return f"ws://{f'[{host}]' if ':' in host else host}:{self._server.port}"

    def offer(self, notices: Sequence[Notice]) -> None:
        """Send notices to whoever is connected. Never waits and never raises."""
        for notice in notices:
            if notice.kind is NoticeKind.STATE:
                self._newest[notice.subject] = notice
                self._show(notice)
            elif self._diagnostics.has_sinks():
                log = status_log(notice) if notice.kind is NoticeKind.STATUS else incident_log(notice)
                self._diagnostics.log(log, log_time=notice.time_ns)

    def _show(self, notice: Notice) -> None:
        if self._transforms.has_sinks():
            self._transforms.log(transforms(notice, self.settings.world_frame), log_time=notice.time_ns)
        if "joints" not in notice.data:
            return
        channel = self._joints.get(notice.subject)
        if channel is None:
            channel = JointStatesChannel(f"/{notice.subject}/joint_states", context=self._context)
            self._joints[notice.subject] = channel
        if channel.has_sinks():
            states = joint_states(notice.data)
            if states is not None:
                channel.log(states, log_time=notice.time_ns)

    def _show_all_soon(self) -> None:
        if self._again is None:
            self._again = asyncio.get_running_loop().call_later(_SOON_S, self._show_all)

    def _show_all(self) -> None:
        self._again = None
        for notice in self._newest.values():
            self._show(notice)

    async def run(self) -> None:
        """Listen, for ever. Ends by cancellation.

        Raises:
            RetryableError: The address is taken, or is none of this machine.
        """
        if self._server is None:
            host, port = parse_address(self.settings.listen)
            listener = _Subscriptions(asyncio.get_running_loop(), self._show_all_soon)
            try:
                self._server = await asyncio.to_thread(
                    foxglove.start_server,
                    name=f"twind {self._instance}",
                    host=host,
                    port=port,
                    context=self._context,
                    server_listener=listener,
                    message_backlog_size=self.settings.backlog,
                )
            except RuntimeError as error:  # what the SDK raises for everything
                raise RetryableError(f"cannot serve Foxglove on {self.settings.listen}: {error}") from error
            self._telemetry.emit(events.SinkConnected(sink=self.name, address=self.url))
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        """Disconnect the clients and stop listening."""
        server, self._server = self._server, None
        if server is not None:
            await asyncio.to_thread(server.stop)
        if self._again is not None:
            self._again.cancel()
        self._transforms.close()
        self._diagnostics.close()
        for channel in self._joints.values():
            channel.close()


class FoxgloveAdapter:
    """What the entry point `foxglove` of the group `twind.sinks` names."""

    settings = FoxgloveSettings

    def open(self, name: str, settings: FoxgloveSettings, context: SinkContext) -> FoxgloveSink:
        """Make a sink that does not listen yet."""
        return FoxgloveSink(name, settings, context)


adapter = FoxgloveAdapter()
