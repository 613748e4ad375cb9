"""The routes: probes, metrics, API, and those of the page and of the stage's files."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from aiohttp import web

from twind.runtime.http import answers
from twind.runtime.http.live import LiveRoute
from twind.runtime.http.page import PageRoutes
from twind.runtime.http.stage import StageRoutes
from twind.runtime.http.twins import TwinRoutes
from twind.runtime.http.views import NotNowError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiohttp.typedefs import Handler

    from twind.runtime.health import Health, Probe
    from twind.runtime.http.access import Access
    from twind.runtime.http.views import Views

_MAX_DIGITS = 10
_MAX_NUMBER_DIGITS = 18
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def add_routes(app: web.Application, views: Views, access: Access) -> None:
    """Add every route under its bounded name. GET and HEAD only, but for device twins."""
    api = _Api(views)
    router = app.router
    router.add_get("/livez", api.probe(lambda health: health.live), name="livez")
    router.add_get("/readyz", api.probe(lambda health: health.ready), name="readyz")
    router.add_get("/startupz", api.probe(lambda health: health.started), name="startupz")
    router.add_get("/metrics", api.metrics, name="metrics")
    router.add_get("/api/v1/status", api.status, name="status")
    router.add_get("/api/v1/streams", api.streams, name="streams")
    router.add_get("/api/v1/entities", api.entities, name="entities")
    router.add_get("/api/v1/entities/{id:.+}", api.entity, name="entity")
    router.add_get("/api/v1/trace", api.trace, name="trace")
    router.add_get("/api/v1/scene.glb", api.scene, name="scene")
    router.add_get("/live", LiveRoute(views.live, access).serve, name="live", allow_head=False)
    PageRoutes().add(app)
    StageRoutes(views.stage).add(app)
    TwinRoutes(views.twins).add(app)


class _Api:
    def __init__(self, views: Views) -> None:
        self._views = views

    def probe(self, select: Callable[[Health], Probe]) -> Handler:
        async def handler(request: web.Request) -> web.Response:
            probe = select(self._views.health())
            status = 200 if probe.ok else 503
            if answers.prefers_json(request):
                return answers.as_json({"ok": probe.ok, "reasons": probe.reasons}, status=status)
            return answers.as_text("".join(f"{line}\n" for line in probe.reasons or ("ok",)), status=status)

        return handler

    async def metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._views.metrics(), headers={"Content-Type": _METRICS_TYPE})

    async def status(self, _request: web.Request) -> web.Response:
        return answers.as_json(self._views.status())

    async def streams(self, request: web.Request) -> web.Response:
        if not self._views.health().started.ok:
            return answers.not_started()
        begin = request.query.get("from", "0")
        if not (begin.isascii() and begin.isdigit() and len(begin) < _MAX_DIGITS):
            return answers.error(400, "`from` is the number of a stream, from 0")
        return answers.as_json(self._views.streams(int(begin)))

    async def entities(self, _request: web.Request) -> web.Response:
        if not self._views.health().started.ok:
            return answers.not_started()
        return answers.as_json({"entities": self._views.entities()})

    async def entity(self, request: web.Request) -> web.Response:
        if not self._views.health().started.ok:
            return answers.not_started()
        entity_id = request.match_info["id"]
        document = self._views.entity(entity_id)
        if document is not None:
            return answers.as_json(document)
        known = [str(entity["id"]) for entity in self._views.entities()]
        close = difflib.get_close_matches(entity_id[:100], known)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return answers.error(404, f"no entity has the id {entity_id[:100]!r}{hint}", did_you_mean=close)

    async def trace(self, request: web.Request) -> web.Response:
        if not self._views.health().started.ok:
            return answers.not_started()
        entity, joint, after = (request.query.get(name, "") for name in ("entity", "joint", "after"))
        after = after or "0"
        if not (after.isascii() and after.isdigit() and len(after) <= _MAX_NUMBER_DIGITS):
            return answers.error(400, "`after` is the `next` of an earlier answer, or 0")
        try:
            document = self._views.trace(entity, joint, int(after))
        except NotNowError as error:
            return answers.error(503, str(error), headers={"Retry-After": "10"})
        if document is None:
            return answers.error(404, f"{entity[:100]!r} has no joint {joint[:100]!r} that moves")
        return answers.as_json(document)

    async def scene(self, request: web.Request) -> web.Response:
        making = self._views.scene()
        if making is None:
            return answers.not_started()
        try:
            content = await making
        except NotNowError as error:
            return answers.error(503, str(error), headers={"Retry-After": "10"})
        headers = {"ETag": f'"{content.digest}"', "Cache-Control": "no-cache"}
        if any(tag.value in {content.digest, "*"} for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=content.data, content_type="model/gltf-binary", headers=headers)
