"""`/stage/`: the stage as files, for viewers that open USD over HTTP and for plain downloads. Read-only.

Names are looked up in a table and never become paths, so no spelling of a URL reaches a file that is not in the table.
"""

from __future__ import annotations

import asyncio
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from posixpath import splitext
from typing import TYPE_CHECKING

from aiohttp import web

from twind.model.digest import digest
from twind.runtime.http import answers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from twind.model.stage_file import StageFile
    from twind.runtime.http.views import StageFiles

_MAX_TRANSFERS = 16
"""Bodies under way at a time; more are asked to come back."""
_STALLED_S = 30.0
"""A client that takes no chunk for this long is cut off [s]."""
_CHUNK_BYTES = 256 * 1024
_THREADS = 4
"""Threads that read files: a slow disk holds up nothing but `/stage/`."""

_TYPES = {
    ".json": "application/json",
    ".usda": "model/vnd.usda",  # registered with IANA, as is the next
    ".usdz": "model/vnd.usdz+zip",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".gltf": "model/gltf+json",
    ".glb": "model/gltf-binary",
    ".obj": "model/obj",
    ".stl": "model/stl",
}
"""Media types by file name; what is not here is `application/octet-stream`, as `.usd` and `.usdc` are."""


@dataclass(frozen=True, slots=True)
class _Body:
    """What is sent."""

    size: int
    etag: str
    data: memoryview | None = None
    file: Path | None = None


class StageRoutes:
    """The handlers, with their bounds."""

    def __init__(self, files: Callable[[], StageFiles | None]) -> None:
        self._files = files
        self._transfers = 0
        self._readers = ThreadPoolExecutor(_THREADS, thread_name_prefix="twind-http-files")

    def add(self, app: web.Application) -> None:
        """Add the routes, and the end of what they hold."""
        app.router.add_get("/stage", self._redirect, name="stage")
        app.router.add_get("/stage/", self._index, name="stage_index")
        app.router.add_get("/stage/{path:.+}", self._file, name="stage_file")
        app.on_cleanup.append(self._close)

    async def _close(self, _app: web.Application) -> None:
        self._readers.shutdown(wait=False, cancel_futures=True)

    async def _redirect(self, _request: web.Request) -> web.Response:
        return web.Response(status=308, headers={"Location": "/stage/"})

    async def _index(self, request: web.Request) -> web.Response:
        files = self._files()
        if files is None:
            return answers.not_started()
        data = answers.encoded(files.index())
        return self._answer(request, "index.json", _Body(len(data), digest(data), data=memoryview(data)))

    async def _file(self, request: web.Request) -> web.StreamResponse:
        files = self._files()
        if files is None:
            return answers.not_started()
        path = request.match_info["path"]
        file = await files.find(path)
        body = None if file is None else await self._body(file)
        if body is None:
            return answers.error(404, "no such file belongs to the stage, or it is gone; /stage/ lists what does")
        return self._answer(request, path, body)

    def _answer(self, request: web.Request, name: str, body: _Body) -> web.Response:
        headers = {"ETag": f'"{body.etag}"', "Cache-Control": "no-cache"}  # may be kept, must be asked about
        if any(tag.value in {body.etag, "*"} for tag in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = _TYPES.get(splitext(name)[1].lower(), "application/octet-stream")
        headers["Content-Length"] = str(body.size)
        if request.method == "HEAD" or not body.size:
            return web.Response(headers=headers)
        if self._transfers >= _MAX_TRANSFERS:
            return answers.error(503, "too many downloads at a time", headers={"Retry-After": "1"})
        return web.Response(body=self._sent(request, body), headers=headers)

    async def _body(self, file: StageFile) -> _Body | None:
        if file.path is None:
            return _Body(len(file.data), file.digest, data=memoryview(file.data))
        return await asyncio.get_running_loop().run_in_executor(self._readers, _look, file.path)

    async def _sent(self, request: web.Request, body: _Body) -> AsyncIterator[bytes]:
        """Yield chunks; one that is not taken in time ends the connection."""
        loop, transport = asyncio.get_running_loop(), request.transport
        self._transfers += 1
        descriptor = -1
        try:
            if body.file is not None:
                descriptor = await loop.run_in_executor(self._readers, _open, body)
            for begin in range(0, body.size, _CHUNK_BYTES):
                length = min(_CHUNK_BYTES, body.size - begin)
                if body.data is not None:
                    chunk = bytes(body.data[begin : begin + length])
                else:
                    chunk = await loop.run_in_executor(self._readers, os.pread, descriptor, length, begin)
                    if len(chunk) < length:
                        raise ConnectionResetError(f"{body.file} was cut while it was sent")
                watch = None if transport is None else loop.call_later(_STALLED_S, transport.abort)
                try:
                    yield chunk
                finally:
                    if watch is not None:
                        watch.cancel()
        finally:
            self._transfers -= 1
            if descriptor >= 0:
                os.close(descriptor)


def _look(path: Path) -> _Body | None:
    """Return what a file is now; None when it is no file of its own any more."""
    try:
        found = path.stat(follow_symlinks=False)
        if not stat.S_ISREG(found.st_mode) or os.path.realpath(path) != str(path):
            return None
    except OSError:
        return None
    return _Body(found.st_size, _etag(found), file=path)


def _open(body: _Body) -> int:
    """Open the file that was looked at.

    Raises:
        ConnectionResetError: It is another one by now; the headers are out, so all that is left is to hang up.
    """
    try:
        descriptor = os.open(body.file or "", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise ConnectionResetError(f"{body.file} cannot be opened any more: {error.strerror}") from error
    if _etag(os.fstat(descriptor)) != body.etag:
        os.close(descriptor)
        raise ConnectionResetError(f"{body.file} was replaced just now")
    return descriptor


def _etag(found: os.stat_result) -> str:
    return f"{found.st_ino:x}-{found.st_mtime_ns:x}-{found.st_size:x}"
