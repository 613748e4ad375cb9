"""`/stage/` as clients see it, over real connections, with a real stage behind it."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, unquote

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.end_to_end.daemon import until
from tests.stage.plant import build_plant
from twind.cli.main import main
from twind.config.settings import HealthSettings, HttpSettings
from twind.runtime.health import Facts, judge
from twind.runtime.http import HttpServer, Views
from twind.runtime.http import stage as stage_routes
from twind.runtime.live_copy import LiveCopies
from twind.runtime.stage_view import StageView
from twind.stage.bootstrap import bootstrap_of
from twind.stage.live import LiveStage
from twind.stage.synthetic import random_update
from twind.stage.thread import StageThread

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

WELL = judge(Facts(now_s=1.0, started=True, stage_ok_s=1.0), HealthSettings())


class Daemon:
    """A listener over a live stage, in a thread of its own; tests ask it with a plain client."""

    def __init__(self, root: Path, **http_settings: Any) -> None:
        self._root = root
        self._settings = HttpSettings.model_validate({"listen": "127.0.0.1:0", **http_settings})
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main()), name="daemon")
        self.seq = 0
        self.files: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30)

    async def _main(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        async with StageThread() as thread:
            self._stage_thread = thread
            self._live = await thread.call(LiveStage.open, str(self._root), instance="plant")
            tree = await thread.call(bootstrap_of, self._live)
            self.files = tree.files
            view = StageView(tree, LiveCopies(self._live, thread, seq=lambda: self.seq), "plant", lambda: self.seq)
            views = Views(
                health=lambda: WELL, status=dict, entities=list, entity=lambda _: None, streams=lambda _: {},
                metrics=lambda: b"", stage=lambda: view,
            )  # fmt: skip
            async with HttpServer(self._settings, views) as server:
                self.port = server.address[1]
                self._ready.set()
                await self._end.wait()
            await thread.call(self._live.close)

    def publish(self) -> None:
        """Write one update into the stage."""

        async def write() -> None:
            update = random_update(self._live.topology, seq=self.seq + 1, rng=np.random.default_rng(1))
            await self._stage_thread.call(self._live.write, update)
            self.seq += 1

        asyncio.run_coroutine_threadsafe(write(), self._loop).result(30)

    def ask(self, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Send a path as it is, whatever is in it; names of headers have `_` for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection._validate_path = lambda _: None  # type: ignore[attr-defined]
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(build_plant(tmp_path_factory.mktemp("plant"))) as daemon:
        yield daemon


def test_the_index_lists_what_can_be_fetched_and_all_of_it_can(daemon: Daemon) -> None:
    status, headers, body = daemon.ask("/stage/")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    index = json.loads(body)
    assert (index["instance"], index["twin"], index["live"]) == ("plant", "twin.usda", "live.usda")
    assert sorted(index["files"]) == sorted(["live.usda", *daemon.files])
    assert {one["path"] for one in index["left_out"]} >= {"OmniPBR.mdl"}
    for name in index["files"]:
        status, headers, body = daemon.ask(f"/stage/{quote(name)}")
        assert (status, int(headers["Content-Length"])) == (200, len(body))
        if name in daemon.files:
            file = daemon.files[name]
            assert body == (file.data if file.path is None else file.path.read_bytes())
    assert daemon.ask("/stage")[1]["Location"] == "/stage/"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("twin.usda", "model/vnd.usda"),
        ("live.usda", "model/vnd.usda"),
        ("root/robots/robots.usdc", "application/octet-stream"),
        ("root/robots/textures/wood.png", "image/png"),
    ],
)
def test_a_file_is_asked_about_again_instead_of_sent_again(daemon: Daemon, name: str, kind: str) -> None:
    status, headers, body = daemon.ask(f"/stage/{name}")
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (200, kind, "no-cache")
    tag = headers["ETag"]
    for asked in (tag, f'"other", W/{tag}', "*"):
        status, headers, rest = daemon.ask(f"/stage/{name}", If_None_Match=asked)
        assert (status, headers["ETag"], rest) == (304, tag, b"")
    assert daemon.ask(f"/stage/{name}", If_None_Match='"other"')[2] == body
    status, headers, rest = daemon.ask(f"/stage/{name}", "HEAD")
    assert (status, headers["ETag"], int(headers["Content-Length"]), rest) == (200, tag, len(body), b"")


def test_the_live_layer_is_the_newest_and_its_tag_changes_with_it(daemon: Daemon) -> None:
    tag = daemon.ask("/stage/live.usda")[1]["ETag"]
    daemon.publish()
    status, headers, body = daemon.ask("/stage/live.usda", If_None_Match=tag)
    assert status == 200
    assert headers["ETag"] != tag
    assert f"int64 twind:seq = {daemon.seq}".encode() in body


def test_the_index_too_is_asked_about_again_instead_of_sent_again(daemon: Daemon) -> None:
    status, headers, body = daemon.ask("/stage/")
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert "live.usda" in json.loads(body)["files"]
    tag = headers["ETag"]
    assert daemon.ask("/stage/", If_None_Match=tag)[0::2] == (304, b"")
    assert daemon.ask("/stage/", "HEAD")[1]["ETag"] == tag
    daemon.publish()
    assert daemon.ask("/stage/", If_None_Match=tag)[0] == 200


def test_only_reading_is_allowed(daemon: Daemon) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert daemon.ask("/stage/twin.usda", method)[0] == 405


def test_a_file_that_is_replaced_by_a_link_or_removed_is_not_there(tmp_path: Path) -> None:
    with Daemon(build_plant(tmp_path)) as daemon:
        textures = tmp_path / "plant" / "robots" / "textures"
        url = "/stage/root/robots/textures/wood.png"
        before = daemon.ask(url)[1]["ETag"]
        (textures / "new").write_bytes(b"another")
        (textures / "new").rename(textures / "wood.png")
        status, headers, body = daemon.ask(url)
        assert (status, body, headers["ETag"] != before) == (200, b"another", True)
        (textures / "wood.png").unlink()
        (textures / "wood.png").symlink_to(tmp_path / "secrets" / "key.pem")
        assert daemon.ask(url)[0] == 404
        (textures / "wood.png").unlink()
        assert daemon.ask(url)[0] == 404
        textures.rename(tmp_path / "moved")
        textures.symlink_to(tmp_path / "secrets")
        (tmp_path / "secrets" / "tile.1001.png").write_text("private")
        assert daemon.ask("/stage/root/robots/textures/tile.1001.png")[0] == 404


_PARTS = st.sampled_from(
    ["..", ".", "", "%2e%2e", "%2E.", "..%2f", "%2f", "%5c", "\\", "%00", "root", "cells", "robots", "cell.usda", "link.usda",
     "notes.txt", "etc", "passwd", "%2fetc%2fpasswd", "secrets", "key.pem", "mount-1", "mount-2", "live.usda", "twin.usda",
     ".live.usda.new", "~root", "%c0%ae%c0%ae", "%252e%252e", "file:", "C:", "proc", "self", "environ", "%ff"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(_PARTS, min_size=1, max_size=9), absolute=st.sampled_from(["/", "//", "/%2f", "/../"]))
def test_no_spelling_of_a_url_reaches_what_is_not_listed(daemon: Daemon, parts: list[str], absolute: str) -> None:
    path = f"/stage{absolute}{'/'.join(parts)}"
    status, _, body = daemon.ask(path)
    name = unquote(path).removeprefix("/stage/")
    if name in {"live.usda", *daemon.files}:
        assert status == 200
    elif name:
        assert status in {400, 404}, path
    for secret in (b"private", b"root:x:0", b"not for viewers"):
        assert secret not in body


def test_the_token_is_asked_for_as_everywhere_else(tmp_path: Path) -> None:
    with Daemon(build_plant(tmp_path), token="sesame") as daemon:  # noqa: S106  (of this test)
        for path in ("/stage/", "/stage/live.usda", "/stage/root/cells/cell.usda", "/stage/nothing"):
            assert daemon.ask(path)[0] == 401
        assert daemon.ask("/stage/twin.usda", Authorization="Bearer sesame")[0] == 200


def test_downloads_at_a_time_are_bounded_and_the_place_of_one_that_ends_is_free_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_routes, "_MAX_TRANSFERS", 2)
    root = build_plant(tmp_path)
    big = tmp_path / "plant" / "robots" / "textures" / "wood.png"
    with big.open("r+b") as file:
        file.truncate(64 << 20)  # far more than sockets hold
    with Daemon(root) as daemon:
        slow = []
        for _ in range(2):
            connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
            connection.request("GET", "/stage/root/robots/textures/wood.png")
            slow.append((connection, connection.getresponse()))
        status, headers, _ = daemon.ask("/stage/root/cells/big.usda")
        assert (status, headers["Retry-After"]) == (503, "1")
        assert daemon.ask("/stage/root/cells/big.usda", "HEAD")[0] == 200
        for connection, response in slow[:1]:
            assert len(response.read()) == 64 << 20
            connection.close()
        until(lambda: daemon.ask("/stage/root/cells/big.usda")[0] == 200, "a free place")
        slow[1][0].close()


def test_a_client_that_takes_nothing_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_routes, "_STALLED_S", 0.05)
    monkeypatch.setattr(stage_routes, "_MAX_TRANSFERS", 1)
    root = build_plant(tmp_path)
    with (tmp_path / "plant" / "robots" / "textures" / "wood.png").open("r+b") as file:
        file.truncate(64 << 20)
    with Daemon(root) as daemon:
        connection = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=30)
        connection.request("GET", "/stage/root/robots/textures/wood.png")
        response = connection.getresponse()
        until(lambda: daemon.ask("/stage/root/cells/big.usda")[0] == 200, "the place of one that takes nothing")
        with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
            response.read()
        connection.close()


def test_many_who_ask_at_once_cost_one_copy() -> None:
    made = []

    class Stage:
        def layer_text(self) -> str:
            made.append(1)
            return f"copy {len(made)}"

    async def main() -> None:
        seq = 1
        async with StageThread() as thread:
            copies = LiveCopies(Stage(), thread, seq=lambda: seq)  # type: ignore[arg-type]
            first = await asyncio.gather(*(copies.newest() for _ in range(50)))
            assert {copy.data for copy in first} == {b"copy 1"}
            assert (await copies.newest()).data == b"copy 1"
            seq = 2
            again = await asyncio.gather(*(copies.newest() for _ in range(50)))
            assert {copy.data for copy in again} == {b"copy 2"}

    asyncio.run(main())


def test_a_stage_is_exported_as_a_running_daemon_shows_it(tmp_path: Path) -> None:
    root = build_plant(tmp_path / "disk")
    (tmp_path / "token").write_text("sesame\n")
    with Daemon(root, token="sesame") as daemon:  # noqa: S106  (of this test)
        daemon.publish()
        for place in ("", "/", "/stage/", "/stage/live.usda"):
            url = f"http://127.0.0.1:{daemon.port}{place}"
            command = ["stage", "export", str(root), "--live", url, "--flatten", str(tmp_path / "flat.usda")]
            done = CliRunner().invoke(main, command)
            assert (done.exit_code, "401" in done.stderr, "--token-file" in done.stderr) == (1, True, True)
            done = CliRunner().invoke(main, [*command, "--token-file", str(tmp_path / "token")])
            assert done.exit_code == 0, done.output
            assert "int64 twind:seq = 1" in (tmp_path / "flat.usda").read_text()
