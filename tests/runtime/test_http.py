"""The listener as a client sees it, over real connections on loopback."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from aiohttp import ClientSession
from pydantic import SecretStr

from twind.config.settings import HealthSettings, HttpSettings
from twind.model.errors import PermanentError, RetryableError
from twind.model.stage_file import StageFile
from twind.runtime.documents import StageStatus, StatusDocument
from twind.runtime.health import Facts, Health, judge
from twind.runtime.http import HttpServer, Views
from twind.runtime.http.access import Access
from twind.runtime.http.views import NotNowError
from twind.telemetry import Telemetry
from twind.testing.loops import run

WELL = judge(Facts(now_s=1.0, started=True, stage_ok_s=1.0), HealthSettings())
STARTING = judge(Facts(now_s=1.0, started=False, starting="compiling kernels"), HealthSettings())
STATUS = StatusDocument("cell-7", "0.1", 1.0, True, True, (), StageStatus("cell.usda", 30.0, 1, 2, None), (), ())
ENTITIES = {"arm_left": {"id": "arm_left", "age_ms": float("nan")}, "line/part": {"id": "line/part"}}

Scenario = Callable[[HttpServer, ClientSession], Awaitable[None]]


class Daemon:
    """What the listener asks; tests change `health`."""

    def __init__(self, health: Health = WELL) -> None:
        self.health = health
        self.scene: StageFile | None = None
        self.telemetry = Telemetry(stream=io.StringIO())

    def views(self) -> Views:
        return Views(
            health=lambda: self.health,
            status=lambda: STATUS,
            entities=lambda: list(ENTITIES.values()),
            entity=ENTITIES.get,
            streams=lambda begin: {"streams": [], "total": begin, "next": None},
            metrics=self.telemetry.render_metrics,
            trace=self.trace,
            scene=self.make_scene,
        )

    def trace(self, _entity: str, joint: str, after: int) -> dict[str, object] | None:
        if joint == "many":
            msg = "16 joints are being looked at"
            raise NotNowError(msg)
        return {"joint": joint, "next": after + 1} if joint == "elbow" else None

    async def make_scene(self) -> StageFile:
        if self.scene is None:
            msg = "it cannot be made"
            raise NotNowError(msg)
        return self.scene

    def requests(self, route: str, code: int) -> float | None:
        return self.telemetry.registry.get_sample_value("twind_http_requests_total", {"route": route, "code": str(code)})


def serve(scenario: Scenario, *, daemon: Daemon | None = None, listen: str = "127.0.0.1:0", **options: object) -> None:
    daemon = daemon or Daemon()
    server_options = {name: options.pop(name) for name in ("max_connections", "header_timeout_s") if name in options}
    settings = HttpSettings.model_validate({"listen": listen, **options})

    async def main() -> None:
        server = HttpServer(settings, daemon.views(), count=daemon.telemetry.metrics.count_request, **server_options)
        async with server, ClientSession(server.url) as client:
            await scenario(server, client)

    run(main())


def test_probes_answer_people_in_text_and_machines_in_json() -> None:
    daemon = Daemon()

    async def scenario(_: HttpServer, client: ClientSession) -> None:
        for probe in ("/livez", "/readyz", "/startupz"):
            async with client.get(probe) as response:
                assert (response.status, response.content_type, await response.text()) == (200, "text/plain", "ok\n")
        daemon.health = STARTING
        async with client.get("/readyz") as response:
            assert (response.status, await response.text()) == (503, "start-up is not finished: compiling kernels\n")
        async with client.get("/startupz", headers={"Accept": "application/json"}) as response:
            assert response.status == 503
            assert await response.json() == {"ok": False, "reasons": ["start-up is not finished: compiling kernels"]}
        async with client.get("/livez") as response:
            assert response.status == 200

    serve(scenario, daemon=daemon)


def test_entities_are_listed_and_shown_and_nan_is_null() -> None:
    async def scenario(_: HttpServer, client: ClientSession) -> None:
        async with client.get("/api/v1/entities") as response:
            assert await response.json() == {"entities": [{"id": "arm_left", "age_ms": None}, {"id": "line/part"}]}
        async with client.get("/api/v1/entities/arm_left") as response:
            assert await response.json() == {"id": "arm_left", "age_ms": None}
        for path in ("/api/v1/entities/line/part", "/api/v1/entities/line%2Fpart"):
            async with client.get(path) as response:
                assert await response.json() == {"id": "line/part"}

    serve(scenario)


def test_an_unknown_entity_is_404_with_a_suggestion() -> None:
    async def scenario(_: HttpServer, client: ClientSession) -> None:
        async with client.get("/api/v1/entities/arm_lefft") as response:
            assert response.status == 404
            assert await response.json() == {
                "error": "no entity has the id 'arm_lefft'; did you mean 'arm_left'?",
                "did_you_mean": ["arm_left"],
            }
        async with client.get("/api/v1/entities/" + "x" * 5000) as response:
            assert response.status == 404
            assert len(await response.text()) < 300

    serve(scenario)


def test_before_start_up_is_finished_entities_are_503() -> None:
    async def scenario(_: HttpServer, client: ClientSession) -> None:
        for path in ("/api/v1/entities", "/api/v1/entities/arm_left", "/api/v1/streams"):
            async with client.get(path) as response:
                assert response.status == 503
        async with client.get("/api/v1/status") as response:
            assert (await response.json())["instance"] == "cell-7"

    serve(scenario, daemon=Daemon(STARTING))


def test_streams_are_listed_from_any_of_them_on() -> None:
    async def scenario(_: HttpServer, client: ClientSession) -> None:
        async with client.get("/api/v1/streams") as response:
            assert await response.json() == {"streams": [], "total": 0, "next": None}
        async with client.get("/api/v1/streams?from=500") as response:
            assert (await response.json())["total"] == 500
        for start in ("-1", "x", "", "9" * 400):
            async with client.get("/api/v1/streams", params={"from": start}) as response:
                assert response.status == 400

    serve(scenario)


def test_a_trace_is_asked_for_by_entity_and_joint() -> None:
    async def scenario(_: HttpServer, client: ClientSession) -> None:
        asked = {"entity": "arm_left", "joint": "elbow", "after": "7"}
        async with client.get("/api/v1/trace", params=asked) as response:
            assert await response.json() == {"joint": "elbow", "next": 8}
        async with client.get("/api/v1/trace", params=asked | {"joint": "none"}) as response:
            assert response.status == 404
        async with client.get("/api/v1/trace", params=asked | {"joint": "many"}) as response:
            assert (response.status, response.headers["Retry-After"]) == (503, "10")
        for after in ("-1", "x", "9" * 40):
            async with client.get("/api/v1/trace", params=asked | {"after": after}) as response:
                assert response.status == 400

    serve(scenario)


def test_the_scene_is_sent_once_and_then_only_when_it_is_another_one() -> None:
    daemon = Daemon()

    async def scenario(_: HttpServer, client: ClientSession) -> None:
        async with client.get("/api/v1/scene.glb") as response:
            assert response.status == 503
        daemon.scene = StageFile(None, b"glTF", "abc")
        async with client.get("/api/v1/scene.glb") as response:
            assert (response.content_type, await response.read()) == ("model/gltf-binary", b"glTF")
        async with client.get("/api/v1/scene.glb", headers={"If-None-Match": '"abc"'}) as response:
            assert response.status == 304

    serve(scenario, daemon=daemon)


def test_metrics_are_what_prometheus_reads() -> None:
    async def scenario(_: HttpServer, client: ClientSession) -> None:
        async with client.get("/metrics") as response:
            assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
            assert "twind_build_info" in await response.text()

    serve(scenario)


def test_requests_are_counted_by_route_and_never_by_path() -> None:
    daemon = Daemon()

    async def scenario(_: HttpServer, client: ClientSession) -> None:
        for path in ("/livez", "/livez", "/nothing/a", "/nothing/b", "/api/v1/entities/nobody"):
            async with client.get(path):
                pass
        async with client.post("/livez"):
            pass

    serve(scenario, daemon=daemon)
    assert daemon.requests("livez", 200) == 2
    assert daemon.requests("unmatched", 404) == 2
    assert daemon.requests("unmatched", 405) == 1
    assert daemon.requests("entity", 404) == 1


def test_only_reading_is_allowed() -> None:
    async def scenario(_: HttpServer, client: ClientSession) -> None:
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            async with client.request(method, "/api/v1/status", data=b"x" * 100_000) as response:
                assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD")
        async with client.head("/livez") as response:
            assert response.status == 200

    serve(scenario)


def test_every_answer_carries_security_headers_and_does_not_tell_what_serves_it() -> None:
    async def scenario(_: HttpServer, client: ClientSession) -> None:
        for path in ("/", "/livez", "/nothing", "/metrics"):
            async with client.get(path) as response:
                assert response.headers["Server"] == "twind"
                assert response.headers["X-Content-Type-Options"] == "nosniff"
                assert response.headers["X-Frame-Options"] == "DENY"
                assert response.headers["Content-Security-Policy"].startswith("default-src 'none'")

    serve(scenario)


def test_the_page_needs_nothing_from_elsewhere_and_runs_nothing_inline() -> None:
    async def scenario(_: HttpServer, client: ClientSession) -> None:
        async with client.get("/") as response:
            html, policy = await response.text(), response.headers["Content-Security-Policy"]
            assert response.content_type == "text/html"
        assert not re.findall(r"https?://|@import|<style|style=|<script(?![^>]* src=)| on[a-z]+=", html)
        assert "unsafe" not in policy
        assert "sha256" not in policy
        for path in re.findall(r'(?:href|src)="(page/[^"]+)"', html):
            async with client.get(f"/{path}") as response:
                assert response.status == 200, path
                assert not re.findall(rb"https?://(?!www.w3.org)", await response.read()) or "vendor" in path, path

    serve(scenario)


def test_parts_of_the_page_may_be_kept_and_are_asked_about() -> None:
    async def scenario(_: HttpServer, client: ClientSession) -> None:
        async with client.get("/page/js/main.js", headers={"Accept-Encoding": "identity"}) as response:
            assert response.content_type == "text/javascript"
            assert response.headers["Cache-Control"] == "no-cache"
            assert response.headers["Vary"] == "Accept-Encoding"
            tag, plain = response.headers["ETag"], await response.read()
        async with client.get("/page/js/main.js", headers={"Accept-Encoding": "gzip"}) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert await response.read() == plain
        async with client.get("/page/js/main.js", headers={"If-None-Match": tag}) as response:
            assert (response.status, await response.read()) == (304, b"")
        for path in ("nothing.js", "../__init__.py", "%2e%2e/__init__.py", "js", "js/"):
            async with client.get(f"/page/{path}") as response:
                assert response.status == 404, path

    serve(scenario)


def test_a_token_is_needed_for_everything_but_the_probes_and_the_page_which_asks_for_it() -> None:
    async def scenario(_: HttpServer, client: ClientSession) -> None:
        for probe in ("/livez", "/readyz", "/startupz", "/", "/page/js/main.js"):
            async with client.get(probe) as response:
                assert response.status == 200
        for path in ("/metrics", "/api/v1/status", "/api/v1/entities", "/api/v1/scene.glb", "/api/v1/trace", "/nothing"):
            for header in (
                {},
                {"Authorization": "Bearer wrong"},
                {"Authorization": "Basic s3cret"},
                {"Authorization": "s3cret"},
            ):
                async with client.get(path, headers=header) as response:
                    assert response.status == 401
                    assert response.headers["WWW-Authenticate"].startswith("Bearer")
        for scheme in ("Bearer", "bearer"):
            async with client.get("/api/v1/status", headers={"Authorization": f"{scheme} s3cret"}) as response:
                assert response.status == 200

    serve(scenario, token="s3cret")  # noqa: S106


def test_loopback_refuses_names_that_are_not_its_own() -> None:
    async def scenario(server: HttpServer, client: ClientSession) -> None:
        port = server.address[1]
        for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", "", "10.0.0.1", "[::2]:80", "a:b:c"):
            async with client.get("/api/v1/status", headers={"Host": host}) as response:
                assert response.status == 421, host
        for host in (f"localhost:{port}", "localhost", f"127.0.0.1:{port}", "[::1]", f"[::1]:{port}"):
            async with client.get("/api/v1/status", headers={"Host": host}) as response:
                assert response.status == 200, host

    serve(scenario)


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "[::]:8080", "192.0.2.1:8080", "plant.example:8080"])
def test_other_addresses_are_refused_unless_protected_or_open_on_purpose(listen: str) -> None:
    with pytest.raises(PermanentError, match="auth: none written out"):
        Access.from_settings(HttpSettings.model_construct(listen=listen))
    assert Access.from_settings(HttpSettings(listen=listen, auth="none")).admits("")
    protected = Access.from_settings(HttpSettings.model_validate({"listen": listen, "token": "s3cret"}))
    assert not protected.admits("")
    assert protected.knows_host("any.name.of.ours")
    assert "s3cret" not in repr(protected)


def test_an_empty_token_is_no_token() -> None:
    with pytest.raises(PermanentError):
        Access.from_settings(HttpSettings.model_construct(auth="token", token=SecretStr("")))


@pytest.mark.parametrize("listen", ["localhost", ":80", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:70000"])
def test_an_address_that_cannot_be_read_is_refused(listen: str) -> None:
    with pytest.raises(PermanentError, match="must"):
        Access.from_settings(HttpSettings.model_construct(listen=listen))


def test_port_0_takes_a_free_one_and_tells_which() -> None:
    async def scenario(server: HttpServer, _: ClientSession) -> None:
        host, port = server.address
        assert (host, port > 0) == ("127.0.0.1", True)
        assert server.url == f"http://127.0.0.1:{port}"
        assert repr(server) == f"<HttpServer {server.url}>"

    serve(scenario)


def test_a_port_in_use_is_a_fault_that_may_pass() -> None:
    async def scenario(server: HttpServer, _: ClientSession) -> None:
        settings = HttpSettings(listen=f"127.0.0.1:{server.address[1]}")
        second = HttpServer(settings, Daemon().views())
        with pytest.raises(RetryableError, match="cannot listen"):
            await second.start()
        await second.aclose()

    serve(scenario)


def test_a_broken_view_is_500_and_the_listener_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    daemon = Daemon()

    def broken() -> object:
        raise RuntimeError("secret detail")  # noqa: EM101

    async def main() -> None:
        server = HttpServer(HttpSettings(listen="127.0.0.1:0"), replace(daemon.views(), status=broken))
        async with server, ClientSession() as client:
            async with client.get(f"{server.url}/api/v1/status") as response:
                assert response.status == 500
                assert "secret" not in await response.text()
            async with client.get(f"{server.url}/livez") as response:
                assert response.status == 200

    run(main())
    assert "secret detail" in caplog.text


def test_a_connection_that_says_nothing_is_closed() -> None:
    async def scenario(server: HttpServer, _: ClientSession) -> None:
        reader, writer = await asyncio.open_connection(*server.address)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        with suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()

    serve(scenario, header_timeout_s=0.01)


def test_one_connection_too_many_is_closed_and_the_others_go_on() -> None:
    async def scenario(server: HttpServer, client: ClientSession) -> None:
        async with client.get("/livez") as response:
            assert response.status == 200
        reader, writer = await asyncio.open_connection(*server.address)
        assert await asyncio.wait_for(reader.read(), 30) == b""
        assert server.refused_connections == 1
        writer.close()
        async with client.get("/livez") as response:
            assert response.status == 200

    serve(scenario, max_connections=1)


def test_closing_ends_idle_connections_and_frees_the_port() -> None:
    async def main() -> None:
        server = HttpServer(HttpSettings(listen="127.0.0.1:0"), Daemon().views())
        await server.start()
        address = server.address
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await server.aclose()
        await server.aclose()
        await asyncio.wait_for(reader.read(), 30)
        writer.close()
        assert repr(server) == "<HttpServer closed>"
        with pytest.raises(OSError, match="Connect"):
            await asyncio.open_connection(*address)

    run(main())


def test_a_request_that_is_no_http_hurts_nobody() -> None:
    async def scenario(server: HttpServer, client: ClientSession) -> None:
        for garbage in (
            b"\x16\x03\x01\x00\xff\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n",
        ):
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write(garbage)
            answer = await asyncio.wait_for(reader.read(), 30)
            assert b" 200 " not in answer
            writer.close()
        async with client.get("/livez") as response:
            assert response.status == 200

    serve(scenario)


def test_a_client_that_leaves_early_is_no_error() -> None:
    async def scenario(server: HttpServer, client: ClientSession) -> None:
        _, writer = await asyncio.open_connection(*server.address)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        writer.transport.abort()
        async with client.get("/livez") as response:
            assert response.status == 200

    serve(scenario)
