"""`/live`: the WebSocket of the live stream. Lets clients in, or not, and hands them to the hub."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from aiohttp import WSCloseCode, WSMsgType, web

from twind.runtime.http import answers
from twind.telemetry import events
from twind.viewers.protocol import SUBPROTOCOL
from twind.viewers.protocol.messages import MAX_TEXT_BYTES, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind.runtime.http.access import Access
    from twind.viewers.hub import Hub

_BUFFER_BYTES = 64 * 1024
"""What may be on its way to one client, in the system and again in here: what is in there is old when the client wakes."""
_REASON_BYTES = 123
"""Longest reason of a close frame (RFC 6455, section 5.5.1)."""


class LiveRoute:
    """The handler."""

    def __init__(self, hub: Callable[[], Hub | None], access: Access) -> None:
        self._hub = hub
        self._access = access

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one client for as long as it stays."""
        hub = self._hub()
        if hub is None:
            return answers.not_started()
        refused = self._refused(hub, request)
        if refused is not None:
            return refused
        response = web.WebSocketResponse(
            protocols=(SUBPROTOCOL,),
            compress=False,
            max_msg_size=MAX_TEXT_BYTES,
            heartbeat=hub.limits.ping_s,
            writer_limit=1,  # wait for room after every message
        )
        try:
            await response.prepare(request)
        except ConnectionError:  # gone again before it heard that it is welcome
            return answers.error(503, "nobody is there to hear it")
        await hub.serve(_Socket(request, response), request.remote or "")
        return response

    def _refused(self, hub: Hub, request: web.Request) -> web.Response | None:
        """Return why somebody is not let in; None where they are."""
        origin = request.headers.get("Origin")
        if not self._access.admits_page(origin, request.headers.get("Host", ""), named=hub.limits.origins):
            message = f"pages of {str(origin)[:200]!r} may not watch; viewers.origins names those that may"
            return _refusal(hub, request, "origin", 403, message)
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return answers.error(426, "this is a WebSocket", headers={"Upgrade": "websocket", "Connection": "Upgrade"})
        asked = [name.strip() for name in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
        if SUBPROTOCOL not in asked:
            return _refusal(hub, request, "version", 400, f"name the subprotocol {SUBPROTOCOL!r}: nothing else is spoken here")
        if hub.refusal:
            return _refusal(hub, request, "full", 503, hub.refusal, **{"Retry-After": "5"})
        return None


def _refusal(hub: Hub, request: web.Request, reason: str, status: int, message: str, **headers: str) -> web.Response:
    hub.telemetry.emit(events.ViewerRefused(address=request.remote or "", reason=reason, message=message))
    return answers.error(status, message, headers=headers)


class _Socket:
    """An accepted WebSocket of aiohttp, as sessions want it."""

    def __init__(self, request: web.Request, response: web.WebSocketResponse) -> None:
        self._response = response
        self._transport = request.transport
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.set_write_buffer_limits(high=_BUFFER_BYTES)
            connection = self._transport.get_extra_info("socket")
            if connection is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)

    async def receive(self) -> str | None:
        message = await self._response.receive()
        if message.type is WSMsgType.TEXT:
            text: str = message.data
            return text
        if message.type is WSMsgType.BINARY:
            msg = "a binary message; clients send JSON"
            raise ProtocolError(msg)
        if message.type is WSMsgType.ERROR:
            raise ProtocolError(f"not a WebSocket message: {message.data}")
        return None

    async def send(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            await self._response.send_bytes(message)
        else:
            await self._response.send_str(message)

    async def close(self, code: int, reason: str) -> None:
        if code == WSCloseCode.ABNORMAL_CLOSURE:  # says that none was sent (RFC 6455, section 7.4.1)
            self.abort()
            return
        await self._response.close(code=code, message=reason.encode()[:_REASON_BYTES].decode(errors="ignore").encode())

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
