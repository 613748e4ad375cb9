"""Device twins, for those who administer robots: the part of IoT Hub's service API that reads and changes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from twind.model.errors import PermanentError, RefusedChange, RetryableError
from twind.runtime.http import answers

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp import web
    from aiohttp.typedefs import Handler

    from twind.flow.sinks import TwinKeeper

MAX_BODY_BYTES = 262_144
"""Longest request; what may be kept is much less."""


class TwinRoutes:
    """`/twins`."""

    def __init__(self, keeper: Callable[[], TwinKeeper | None]) -> None:
        self._keeper = keeper

    def add(self, app: web.Application) -> None:
        """Add the routes."""
        router = app.router
        router.add_get("/twins", self._answering(_index), name="twins")
        router.add_get("/twins/{id}", self._answering(_show), name="twin")
        router.add_patch("/twins/{id}", self._answering(_merge), name="twin_merge")
        router.add_put("/twins/{id}", self._answering(_replace), name="twin_replace")
        router.add_patch("/twins/{id}/properties/desired", self._answering(_merge_desired), name="twin_desired")

    def _answering(self, answer: Callable[[web.Request, TwinKeeper], Awaitable[web.Response]]) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            keeper = self._keeper()
            if keeper is None:
                return answers.error(404, "no device twins are kept (yet): a sink of the type `mqtt_twins` does that")
            try:
                return await answer(request, keeper)
            except RefusedChange as error:
                return answers.error(412 if error.conflict else 400, str(error))
            except (RetryableError, PermanentError) as error:
                return answers.error(503, str(error), headers={"Retry-After": "1"})

        return handler


async def _index(_request: web.Request, keeper: TwinKeeper) -> web.Response:
    return answers.as_json({"twins": keeper.device_twins()})


async def _show(request: web.Request, keeper: TwinKeeper) -> web.Response:
    return _shown(request, keeper.device_twin(request.match_info["id"]))


async def _merge(request: web.Request, keeper: TwinKeeper) -> web.Response:
    return await _change(request, keeper, await _document(request))


async def _replace(request: web.Request, keeper: TwinKeeper) -> web.Response:
    return await _change(request, keeper, await _document(request), replace=True)


async def _merge_desired(request: web.Request, keeper: TwinKeeper) -> web.Response:
    return await _change(request, keeper, {"properties": {"desired": await _document(request)}})


async def _change(request: web.Request, keeper: TwinKeeper, document: dict[str, Any], *, replace: bool = False) -> web.Response:
    tag = request.headers.get("If-Match", "*").strip()
    if_match = None if tag == "*" else tag.removeprefix("W/").strip('"')
    robot = request.match_info["id"]
    return _shown(request, await keeper.change_device_twin(robot, document, if_match=if_match, replace=replace))


async def _document(request: web.Request) -> dict[str, Any]:
    """Return the JSON object that a request carries.

    Raises:
        RefusedChange: It carries something else.
    """
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise RefusedChange(f"a request may have {MAX_BODY_BYTES} bytes")
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise RefusedChange(f"the request is not JSON: {error}") from error
    if not isinstance(document, dict):
        msg = "the request must be a JSON object"
        raise RefusedChange(msg)
    return document


def _shown(request: web.Request, twin: Mapping[str, object] | None) -> web.Response:
    if twin is None:
        return answers.error(404, f"there is no robot {request.match_info['id'][:100]!r}; `/twins` lists them")
    return answers.as_json(twin, headers={"ETag": f'"{twin["etag"]}"'})
