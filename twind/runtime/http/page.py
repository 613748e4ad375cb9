"""The page and its parts: files below `twind/viewers/page`, by look-up in a table, under a policy that lets in nothing else."""

from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from twind.model.digest import digest
from twind.runtime.http import answers

if TYPE_CHECKING:
    from collections.abc import Mapping
    from importlib.resources.abc import Traversable

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml", ".txt": "text/plain"}
"""Nothing else is given away."""
_INDEX = "index.html"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as it is sent."""

    data: bytes
    zipped: bytes
    etag: str
    media_type: str

    @classmethod
    def read(cls, file: Traversable, media_type: str) -> Asset:
        """Read a file."""
        data = file.read_bytes()
        return cls(data, gzip.compress(data, 6, mtime=0), digest(data), media_type)


class PageRoutes:
    """The handlers. Browsers may keep every answer but must ask about it: after an update the page is the new one."""

    def add(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_get("/", self._index, name="page")
        app.router.add_get("/page/{path:.+}", self._file, name="page_file")

    async def _index(self, request: web.Request) -> web.Response:
        return await self._answer(request, _INDEX)

    async def _file(self, request: web.Request) -> web.Response:
        return await self._answer(request, request.match_info["path"])

    async def _answer(self, request: web.Request, path: str) -> web.Response:
        file = _table().get(path)
        if file is None:
            return answers.error(404, "the page has no such part")
        asset = await asyncio.to_thread(_asset, path)
        headers = {
            "ETag": f'"{asset.etag}"',
            "Cache-Control": "no-cache",
            "Vary": "Accept-Encoding",
            "Content-Security-Policy": POLICY,
        }
        if any(tag.value in {asset.etag, "*"} for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        body = asset.data
        if "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, "").lower():
            body, headers[hdrs.CONTENT_ENCODING] = asset.zipped, "gzip"
        return web.Response(body=body, content_type=asset.media_type, charset="utf-8", headers=headers)


@cache
def _table() -> Mapping[str, Traversable]:
    """Return every file of the page by its path."""
    found: dict[str, Traversable] = {}
    folders = [("", files("twind.viewers") / "page")]
    while folders:
        prefix, folder = folders.pop()
        for entry in folder.iterdir():
            if entry.is_dir():
                folders.append((f"{prefix}{entry.name}/", entry))
            elif _suffix(entry.name) in _TYPES:
                found[prefix + entry.name] = entry
    return found


@cache
def _asset(path: str) -> Asset:
    return Asset.read(_table()[path], _TYPES[_suffix(path)])


def _suffix(name: str) -> str:
    return name[name.rfind(".") :].lower()
