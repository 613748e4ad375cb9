"""Opens, bounds and closes the listener."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from aiohttp import web

from twind.model.errors import RetryableError
from twind.runtime.http.access import Access
from twind.runtime.http.guard import guard
from twind.runtime.http.routes import add_routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.typedefs import Handler, Middleware

    from twind.config.settings import HttpSettings
    from twind.runtime.http.views import Views

_MAX_BODY_BYTES = 1024
_KEEPALIVE_S = 30.0


class _Refuse(asyncio.Protocol):
    """Takes a connection that is one too many, and ends it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


class HttpServer:
    """One listener on one address. An asynchronous context manager: open inside, closed outside."""

    def __init__(
        self,
        settings: HttpSettings,
        views: Views,
        *,
        count: Callable[[str, int], None] = lambda _route, _code: None,
        max_connections: int = 256,
        header_timeout_s: float = 10.0,
        stop_s: float = 2.0,
    ) -> None:
        """Prepare; nothing is opened yet.

        Raises:
            PermanentError: The settings would open the daemon to other machines without that being asked for.
        """
        self.access = Access.from_settings(settings)
        self.refused_connections = 0
        """Connections closed because there were `max_connections` already."""
        self._views = views
        self._count = count
        self._max_connections = max_connections
        self._header_timeout_s = header_timeout_s
        self._stop_s = stop_s
        self._silent: dict[asyncio.BaseProtocol, asyncio.TimerHandle] = {}
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None

    def __repr__(self) -> str:
        """Show where it listens."""
        return f"<HttpServer {self.url if self._listener else 'closed'}>"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port as bound; tells which port was taken when port 0 was asked for."""
        if self._listener is None:
            return self.access.host, self.access.port
        host, port = self._listener.sockets[0].getsockname()[:2]
        return host, port

    @property
    def url(self) -> str:
        """Where to look."""
        host, port = self.address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def __aenter__(self) -> Self:
        """Open the listener."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.aclose()

    async def start(self) -> None:
        """Bind and listen.

        Raises:
            RetryableError: The address cannot be bound.
        """
        app = web.Application(
            middlewares=[self._hear(), guard(self.access, count=self._count)], client_max_size=_MAX_BODY_BYTES
        )
        add_routes(app, self._views, self.access)
        self._runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=_KEEPALIVE_S, shutdown_timeout=self._stop_s, handle_signals=False
        )
        await self._runner.setup()
        try:
            self._listener = await asyncio.get_running_loop().create_server(
                self._accept, self.access.host, self.access.port, reuse_address=True
            )
        except OSError as error:
            await self._runner.cleanup()
            self._runner = None
            raise RetryableError(f"cannot listen on {self.access.host}:{self.access.port}: {error.strerror}") from error

    async def aclose(self) -> None:
        """Stop listening, give running requests `stop_s` to end, and close every connection."""
        listener, self._listener = self._listener, None
        runner, self._runner = self._runner, None
        if listener is not None:
            listener.close()
        for timer in self._silent.values():
            timer.cancel()
        self._silent.clear()
        if runner is not None:
            await runner.cleanup()
        if listener is not None:
            await listener.wait_closed()

    def _accept(self) -> asyncio.BaseProtocol:
        server = self._runner.server if self._runner is not None else None
        if server is None or len(server.connections) >= self._max_connections:
            self.refused_connections += 1
            return _Refuse()
        connection = server()
        loop = asyncio.get_running_loop()
        self._silent[connection] = loop.call_later(self._header_timeout_s, self._drop_silent, connection)
        return connection

    def _drop_silent(self, connection: web.RequestHandler) -> None:
        """End a connection whose first request did not arrive in time; aiohttp itself would wait for ever."""
        del self._silent[connection]
        if connection.transport is not None:
            connection.transport.abort()

    def _hear(self) -> Middleware:
        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            timer = self._silent.pop(request.protocol, None)
            if timer is not None:
                timer.cancel()
            return await handler(request)

        return middleware
