"""What every request passes through: counting, host and token checks, time limit, security headers."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from aiohttp import web

from twind.runtime.http import answers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiohttp.typedefs import Middleware

    from twind.runtime.http.access import Access

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PROBES = frozenset({"livez", "readyz", "startupz"})
"""Routes that need no token: a service manager asks them."""

STREAMS = frozenset({"live"})
"""Routes whose answer goes on for as long as the client likes."""

OPEN = PROBES | {"page", "page_file"}
"""Routes that need no token: also the page itself, which holds nothing of the twin and asks for the token."""

UNHURRIED = STREAMS | {"scene"}
"""Routes that may take longer: the scene of a large stage, which has a limit of its own."""

_LOG = logging.getLogger(__name__)


def guard(access: Access, *, count: Callable[[str, int], None], timeout_s: float = 10.0) -> Middleware:
    """Make the middleware. `count` gets the route's name (never a path) and the status code of every request."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        route = request.match_info.route.name or "unmatched"
        try:
            response = await _checked(request, handler, route, access, None if route in UNHURRIED else timeout_s)
        except web.HTTPException as refusal:
            response = answers.error(refusal.status, refusal.reason.lower(), headers=_kept(refusal))
        except TimeoutError:
            response = answers.error(503, "the answer took too long")
        except Exception:  # noqa: BLE001  (one broken answer must not take the listener down; it is logged)
            _LOG.exception("cannot answer %s", route)
            response = answers.error(500, "internal error; the log has the details")
        if response.prepared:
            count(route, response.status)
            return response
        for name, value in answers.HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers.setdefault("Content-Security-Policy", answers.CLOSED_POLICY)
        count(route, response.status)
        return response

    return middleware


async def _checked(
    request: web.Request, handler: Handler, route: str, access: Access, timeout_s: float | None
) -> web.StreamResponse:
    if not access.knows_host(request.headers.get("Host", "")):
        return answers.error(421, "this listener is on loopback: ask it as localhost or by its loopback address")
    if route not in OPEN and not _admitted(request, route, access):
        return answers.error(401, "a bearer token is needed", headers={"WWW-Authenticate": 'Bearer realm="twind"'})
    async with asyncio.timeout(timeout_s):
        return await handler(request)


def _admitted(request: web.Request, route: str, access: Access) -> bool:
    if access.admits(request.headers.get("Authorization", "")):
        return True
    return route in STREAMS and access.admits_protocols(request.headers.get("Sec-WebSocket-Protocol", ""))


def _kept(refusal: web.HTTPException) -> dict[str, str]:
    return {"Allow": refusal.headers["Allow"]} if "Allow" in refusal.headers else {}
