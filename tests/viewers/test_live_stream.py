"""The stream over real connections on loopback: the listener of the daemon, and the follower of the standard library."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError

from tests.viewers.layers import layer_as_data
from twind.config.settings import HealthSettings, HttpSettings
from twind.runtime.health import Facts, judge
from twind.runtime.http import HttpServer, Views
from twind.testing.loops import run
from twind.viewers.follower.client import Follower, Status, Subscription
from twind.viewers.follower.frames import read_catalogue, read_frame
from twind.viewers.follower.usd_sink import UsdSink
from twind.viewers.follower.websocket import WebSocket
from twind.viewers.protocol import SUBPROTOCOL, TOKEN_PREFIX

if TYPE_CHECKING:
    from tests.viewers.conftest import Streamed
    from twind.viewers.hub import Hub

WELL = judge(Facts(now_s=1.0, started=True, stage_ok_s=1.0), HealthSettings())
PATIENCE_S = 20.0
TOKEN = "open sesame"  # noqa: S105  (of a listener that lives for a moment)

Scenario = Callable[[HttpServer, "Hub"], Awaitable[None]]


def serve(cell: Streamed, scenario: Scenario, **http: Any) -> None:
    """Run a scenario beside the listener; the first update is written."""

    async def main() -> None:
        hub = cell.hub()
        cell.write()
        await asyncio.sleep(0)
        views = Views(
            health=lambda: WELL,
            status=dict,
            entities=list,
            entity=lambda _: None,
            streams=lambda _: {},
            metrics=cell.telemetry.render_metrics,
            live=lambda: hub,
        )
        async with HttpServer(HttpSettings.model_validate({"listen": "127.0.0.1:0", **http}), views) as server:
            try:
                await scenario(server, hub)
            finally:
                await hub.aclose()

    run(main())


async def until(condition: Callable[[], Any], what: str) -> Any:
    """Let the loop run until a condition holds."""
    deadline_s = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline_s, what
        await asyncio.sleep(0.002)
    return found


class Local:
    """A follower with a sink, as an extension has them."""

    def __init__(self, server: HttpServer, **options: Any) -> None:
        self.follower = Follower(server.url, **options)
        self.sink: UsdSink | None = None
        self.frames: list[Any] = []
        self.follower.start()

    def step(self) -> int:
        """Do what a viewer does at every picture; return the sequence number that is shown."""
        catalogue, frames = self.follower.take()
        if catalogue is not None:
            self.sink = UsdSink(catalogue)
        if self.sink is not None:
            self.sink.apply(frames)
            self.frames += frames
        return -1 if self.sink is None else self.sink.sequence

    async def shows(self, seq: int) -> None:
        await until(lambda: self.step() >= seq, f"{seq} is never shown, but {self.follower!r} {self.follower.detail}")

    async def stop(self) -> None:
        await asyncio.to_thread(self.follower.stop)


def refusals(cell: Streamed, reason: str) -> float | None:
    return cell.telemetry.registry.get_sample_value("twind_viewers_refused_total", {"reason": reason})


def gone(cell: Streamed, reason: str) -> float | None:
    return cell.telemetry.registry.get_sample_value("twind_viewer_disconnects_total", {"reason": reason})


def test_a_follower_is_in_step_at_every_sequence_number(streamed: Callable[..., Streamed]) -> None:
    cell = streamed()

    async def scenario(server: HttpServer, _: Hub) -> None:
        local = Local(server)
        for step in range(10):
            await local.shows(cell.seq)
            assert local.sink is not None
            assert layer_as_data(local.sink.layer) == layer_as_data(cell.live.layer)
            cell.write([step % 7] if step % 3 else None)
        assert local.follower.status is Status.LIVE
        assert (local.follower.tally.full_frames, local.follower.tally.connects) == (1, 1)
        await local.stop()
        assert local.follower.status is Status.CLOSED
        await until(lambda: gone(cell, "left") == 1, "the daemon notices")

    serve(cell, scenario)


def test_a_slow_client_gets_the_latest_values_of_each_entry(streamed: Callable[..., Streamed]) -> None:
    cell = streamed()

    async def scenario(server: HttpServer, _: Hub) -> None:
        local = Local(server, subscription=Subscription(max_rate_hz=5.0))
        await local.shows(1)
        for step in range(20):
            cell.write([step % 7])
            await asyncio.sleep(0)
        await local.shows(21)
        assert len(local.frames) <= 4
        assert local.sink is not None
        assert layer_as_data(local.sink.layer) == layer_as_data(cell.live.layer)
        await local.stop()

    serve(cell, scenario)


def test_a_client_that_takes_nothing_for_a_while_gets_one_full_frame_and_holds_nobody_up(
    streamed: Callable[..., Streamed], monkeypatch: pytest.MonkeyPatch
) -> None:
    from twind.stage.synthetic import serial_robots

    monkeypatch.setattr("twind.viewers.session.GAP_S", 0.5)  # beyond the 0.25 s of acknowledgements
    cell = streamed(serial_robots(60), rate_hz=200.0)

    async def scenario(server: HttpServer, hub: Hub) -> None:
        other = Local(server)
        stuck = await asyncio.to_thread(WebSocket, f"{server.url}/live", subprotocol=SUBPROTOCOL)
        await asyncio.to_thread(stuck.send, '{"type":"hello","client":"stuck"}')
        catalogue = read_catalogue(json.loads(await asyncio.to_thread(stuck.receive)))
        first = read_frame(await asyncio.to_thread(stuck.receive), catalogue)
        assert first.full
        await other.shows(1)
        for _ in range(60):  # 60 kB each, a megabyte of which fits on the way
            cell.write()
            await other.shows(cell.seq)
        await asyncio.sleep(0.6)
        sent = hub.telemetry.metrics.viewer_frames
        before = sent._value.get()
        cell.write()
        await other.shows(cell.seq)
        assert sent._value.get() - before <= 2, "the stuck one is sent nothing"
        frames = []
        while not frames or frames[-1].sequence < cell.seq:
            frames.append(read_frame(await asyncio.to_thread(stuck.receive), catalogue))
        assert len(frames) < 60, "what was not on its way yet is never sent"
        (full,) = [frame for frame in frames if frame.full]
        assert full.sequence == cell.seq
        for _ in range(3):
            cell.write()
        last = read_frame(await asyncio.to_thread(stuck.receive), catalogue)
        assert (last.full, last.base) == (False, full.sequence)
        await asyncio.to_thread(stuck.close)
        await other.stop()

    serve(cell, scenario)


def test_one_that_takes_the_last_frames_without_acknowledging_them_is_not_forgotten(
    streamed: Callable[..., Streamed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("twind.viewers.session.GAP_S", 0.2)
    cell = streamed(rate_hz=1000.0)

    async def scenario(server: HttpServer, hub: Hub) -> None:
        async with ClientSession(server.url) as client, client.ws_connect("/live", protocols=(SUBPROTOCOL,)) as ws:
            await ws.send_str('{"type":"hello","acknowledges":true}')
            catalogue = read_catalogue(json.loads((await ws.receive()).data))
            assert read_frame((await ws.receive()).data, catalogue).sequence == 1
            (session,) = hub._sessions
            await ws.send_str('{"type":"ack","sequence":1}')
            await until(lambda: session._mark is None, "it is heard")
            cell.write()
            assert read_frame((await ws.receive()).data, catalogue).sequence == 2
            await until(session._asleep, "it has not acknowledged that one, and nothing else comes that it could acknowledge")
            cell.write()
            still = read_frame((await ws.receive()).data, catalogue)
            assert (still.still, still.base, still.sequence) == (True, 2, 2)
            await ws.send_str('{"type":"ack","sequence":2}')
            full = read_frame((await ws.receive()).data, catalogue)
            while full.still:
                full = read_frame((await ws.receive()).data, catalogue)
            assert (full.full, full.sequence) == (True, 3)

    serve(cell, scenario)


def test_one_that_is_gone_before_it_is_let_in_is_no_error(
    streamed: Callable[..., Streamed], caplog: pytest.LogCaptureFixture
) -> None:
    cell = streamed()

    async def scenario(server: HttpServer, _: Hub) -> None:
        request = (
            f"GET /live HTTP/1.1\r\nHost: {server.url.removeprefix('http://')}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {'A' * 22}==\r\nSec-WebSocket-Protocol: {SUBPROTOCOL}\r\n\r\n"
        )
        for _ in range(20):
            with socket.create_connection((server.address), timeout=PATIENCE_S) as gone:
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closing resets
                gone.sendall(request.encode())
        local = Local(server)
        await local.shows(1)
        await local.stop()

    serve(cell, scenario)
    assert "cannot answer" not in caplog.text


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("nonsense", "not a message"),
        ('{"type":"subscribe"}', "first message must be a hello"),
        ('{"type":"hello","subscribe":{"entities":["robot0"]}}', "did you mean 'robot_"),
        (b"\x00\x01", "clients send JSON"),
    ],
)
def test_garbage_ends_the_stream_with_a_sentence(streamed: Callable[..., Streamed], message: Any, why: str) -> None:
    cell = streamed()

    async def scenario(server: HttpServer, _: Hub) -> None:
        async with ClientSession(server.url) as client, client.ws_connect("/live", protocols=(SUBPROTOCOL,)) as ws:
            await (ws.send_bytes if isinstance(message, bytes) else ws.send_str)(message)
            end = json.loads((await ws.receive()).data)
            assert (end["type"], end["reason"], end["again"]) == ("end", "bad_message", False)
            assert why in end["message"]
            closed = await ws.receive()
            assert (closed.type, closed.data) == (WSMsgType.CLOSE, 1008)

    serve(cell, scenario)
    assert gone(cell, "bad_message") == 1


def test_raw_garbage_after_the_handshake_ends_only_that_connection(streamed: Callable[..., Streamed]) -> None:
    cell = streamed()

    async def scenario(server: HttpServer, _: Hub) -> None:
        local = Local(server)
        await local.shows(1)
        rude = await asyncio.to_thread(WebSocket, f"{server.url}/live", subprotocol=SUBPROTOCOL)
        with suppress(OSError):
            rude._socket.sendall(bytes(range(256)) * 100)
        await until(
            lambda: (gone(cell, "bad_message") or 0) + (gone(cell, "left") or 0) + (gone(cell, "lost") or 0) == 1, "gone"
        )
        rude.close()
        cell.write()
        await local.shows(2)
        assert local.sink is not None
        assert layer_as_data(local.sink.layer) == layer_as_data(cell.live.layer)
        assert sum(gone(cell, reason) or 0 for reason in ("bad_message", "left", "lost", "silent", "overflow")) == 1
        await local.stop()

    serve(cell, scenario)


def test_too_many_messages_and_too_many_control_messages_end_it(streamed: Callable[..., Streamed]) -> None:
    cell = streamed()

    async def scenario(server: HttpServer, hub: Hub) -> None:
        async with ClientSession(server.url) as client:
            async with client.ws_connect("/live", protocols=(SUBPROTOCOL,)) as ws:
                await ws.send_str('{"type":"hello"}')
                for _ in range(30):
                    await ws.send_str('{"type":"resync"}')
                texts = [message.data async for message in ws if message.type is WSMsgType.TEXT]
                assert json.loads(texts[-1])["reason"] == "too_many_messages"
            async with client.ws_connect("/live", protocols=(SUBPROTOCOL,)) as ws:
                await ws.send_str('{"type":"hello"}')
                assert (await ws.receive()).type is WSMsgType.TEXT
                for number in range(20):  # all in one go: nothing can be sent in between
                    hub.set_stale(f"reason {number}")
                texts = [message.data async for message in ws if message.type is WSMsgType.TEXT]
                end = json.loads(texts[-1])
                assert (end["reason"], end["again"]) == ("overflow", True)
                assert "control messages wait" in end["message"]

    serve(cell, scenario)


def test_a_wrong_token_is_refused_and_the_right_one_let_in(streamed: Callable[..., Streamed]) -> None:
    cell = streamed()

    async def scenario(server: HttpServer, _: Hub) -> None:
        for token in ("", "wrong"):
            local = Local(server, token=token)
            await until(lambda local=local: local.follower.status is Status.REFUSED, "refused")
            assert "401: a bearer token is needed" in local.follower.detail
            await local.stop()
        local = Local(server, token=TOKEN)
        await local.shows(1)
        await local.stop()

    serve(cell, scenario, token=TOKEN)


def test_a_page_names_its_token_as_a_subprotocol_which_is_never_named_back_nor_logged(
    streamed: Callable[..., Streamed], caplog: pytest.LogCaptureFixture
) -> None:
    cell = streamed()
    token = "käse>>>/???"  # noqa: S105  (in base64 it has both characters that base64url replaces, and padding)
    entry = TOKEN_PREFIX + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")
    assert {"-", "_"} <= set(entry)

    async def scenario(server: HttpServer, _: Hub) -> None:
        async with ClientSession(server.url) as client:
            for order in ((SUBPROTOCOL, entry), (entry, SUBPROTOCOL)):
                async with client.ws_connect("/live", protocols=order) as ws:
                    assert ws.protocol == SUBPROTOCOL
                    await ws.send_str('{"type":"hello"}')
                    assert json.loads((await ws.receive()).data)["type"] == "catalogue"
            raw = TOKEN_PREFIX + token
            for wrong in ((), (entry[:-1],), (TOKEN_PREFIX,), (entry, TOKEN_PREFIX + "AAAA"), (entry.upper(),), (raw,)):
                with pytest.raises(WSServerHandshakeError) as refused:
                    await client.ws_connect("/live", protocols=(SUBPROTOCOL, *wrong))
                assert refused.value.status == 401
            with pytest.raises(WSServerHandshakeError) as refused:
                await client.ws_connect("/live", protocols=("twind.live.9", entry))
            assert refused.value.status == 400
            async with client.get("/api/v1/status", headers={"Sec-WebSocket-Protocol": entry}) as response:
                assert response.status == 401, "only the stream takes it so"

    with caplog.at_level(0):
        serve(cell, scenario, token=token)
    assert entry not in caplog.text
    assert entry not in cell.log.getvalue()


def test_pages_from_elsewhere_are_refused_unless_they_are_named(streamed: Callable[..., Streamed]) -> None:
    cell = streamed(origins=("https://plant.example",))

    async def scenario(server: HttpServer, _: Hub) -> None:
        async with ClientSession(server.url) as client:
            for origin, status in (("https://evil.example", 403), ("null", 403), (f"{server.url}0", 403), ("", 403)):
                with pytest.raises(WSServerHandshakeError) as refused:
                    await client.ws_connect("/live", protocols=(SUBPROTOCOL,), origin=origin)
                assert refused.value.status == status
            for origin in ("https://plant.example", server.url):
                async with client.ws_connect("/live", protocols=(SUBPROTOCOL,), origin=origin) as ws:
                    assert ws.protocol == SUBPROTOCOL

    serve(cell, scenario)
    assert refusals(cell, "origin") == 4


def test_other_versions_and_one_viewer_too_many_are_refused_with_a_sentence(streamed: Callable[..., Streamed]) -> None:
    cell = streamed(max_clients=1)

    async def scenario(server: HttpServer, _: Hub) -> None:
        async with ClientSession(server.url) as client:
            with pytest.raises(WSServerHandshakeError) as refused:
                await client.ws_connect("/live", protocols=("twind.live.9",))
            assert refused.value.status == 400
            async with client.get("/live") as response:
                assert (response.status, response.headers["Upgrade"]) == (426, "websocket")
            first = Local(server)
            await first.shows(1)
            second = Local(server)
            await until(lambda: "allows no more" in second.follower.detail, "refused")
            await first.stop()
            await second.shows(1)  # it has come back by itself
            await second.stop()

    serve(cell, scenario)
    assert (refusals(cell, "full") or 0) >= 1


def test_who_comes_back_resumes_or_gets_a_full_frame(streamed: Callable[..., Streamed]) -> None:
    cell = streamed()

    async def scenario(server: HttpServer, hub: Hub) -> None:
        local = Local(server)
        await local.shows(1)
        built = local.sink

        async def cut() -> None:
            connection = local.follower._socket
            assert connection is not None
            connection._socket.shutdown(socket.SHUT_RDWR)
            await until(lambda: local.follower.tally.connects > connects and local.follower.status is Status.LIVE, "back")

        connects = 1
        await cut()
        assert local.follower.tally.full_frames == 1, "nothing had changed meanwhile, so nothing is sent again"
        connects = 2
        for session in hub._sessions:
            session._has = 10**9  # it hears nothing of what follows before it is cut off
        cell.write()
        await cut()
        await local.shows(2)
        assert local.follower.tally.full_frames == 2
        assert local.sink is built, "the layer is kept: its structure is the same"
        assert built is not None
        assert layer_as_data(built.layer) == layer_as_data(cell.live.layer)
        await local.stop()

    serve(cell, scenario)


def test_a_new_daemon_at_the_same_address_means_a_new_layer(streamed: Callable[..., Streamed]) -> None:
    first, second = streamed(), streamed()
    held: list[Local] = []
    with socket.create_server(("127.0.0.1", 0)) as probe:
        listen = f"127.0.0.1:{probe.getsockname()[1]}"

    async def before(server: HttpServer, _: Hub) -> None:
        held.append(Local(server))
        await held[0].shows(1)

    async def after(_server: HttpServer, _: Hub) -> None:
        local = held[0]
        await until(lambda: local.step() >= 0 and local.sink.catalogue.session == second.source.session, "the new one")  # type: ignore[union-attr]
        await local.shows(1)
        assert layer_as_data(local.sink.layer) == layer_as_data(second.live.layer)  # type: ignore[union-attr]
        await local.stop()

    serve(first, before, listen=listen)
    assert held[0].follower.status is not Status.LIVE
    assert "the daemon stops" in held[0].follower.detail or held[0].follower.status is Status.CONNECTING
    serve(second, after, listen=listen)
    assert gone(first, "shutdown") == 1


def test_stillness_is_told_from_silence(streamed: Callable[..., Streamed]) -> None:
    cell = streamed()
    now = [0.0]

    async def scenario(server: HttpServer, hub: Hub) -> None:
        local = Local(server, clock=lambda: now[0])
        await local.shows(1)
        frames = local.follower.tally.frames
        await until(lambda: local.follower.tally.frames > frames, "a frame although nothing moves")
        assert local.follower.status is Status.LIVE
        hub.set_stale("the disk is on fire")
        await until(lambda: local.follower.status is Status.STALE, "told")
        hub.set_stale("")
        await until(lambda: local.follower.status is Status.LIVE, "told")
        now[0] = 1.5  # as if nothing had come since
        assert local.follower.status is Status.STALE or local.follower.tally.frames > frames
        await local.stop()

    serve(cell, scenario)


def test_what_is_followed_can_be_changed(streamed: Callable[..., Streamed]) -> None:
    cell = streamed()

    async def scenario(server: HttpServer, hub: Hub) -> None:
        local = Local(server)
        await local.shows(1)
        local.follower.subscribe(Subscription(entities=("robot_1",)))
        await until(lambda: local.step() >= 0 and len(local.sink.catalogue.entities) == 1, "the new catalogue")  # type: ignore[union-attr]
        cell.write()
        await local.shows(2)
        assert len(hub._views) == 1
        await local.stop()

    serve(cell, scenario)


def test_a_viewer_that_draws_nothing_for_long_asks_for_a_full_frame(streamed: Callable[..., Streamed]) -> None:
    cell = streamed(rate_hz=1000.0)

    async def scenario(server: HttpServer, _: Hub) -> None:
        local = Local(server)
        await local.shows(1)
        for _ in range(70):
            seen = local.follower.sequence
            cell.write([0])
            await until(lambda seen=seen: local.follower.sequence > seen, "it arrives")
        await until(lambda: local.follower.tally.full_frames == 2, "a full frame")
        await local.shows(cell.seq)
        assert layer_as_data(local.sink.layer) == layer_as_data(cell.live.layer)  # type: ignore[union-attr]
        assert local.follower.tally.overflows == 1
        await local.stop()

    serve(cell, scenario)


def test_the_follower_survives_a_server_that_talks_nonsense() -> None:
    answers = [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\n[1]",
    ]
    with socket.create_server(("127.0.0.1", 0)) as server:
        follower = Follower("http://{}:{}".format(*server.getsockname()))
        follower.start()
        for answer in answers:
            server.settimeout(PATIENCE_S)
            connection, _ = server.accept()
            connection.recv(4096)
            connection.sendall(answer)
            connection.close()
        assert follower.status in (Status.WAITING, Status.CONNECTING)
    follower.stop()
    assert follower.status is Status.CLOSED
    assert not any(thread.name == "twind-follower" for thread in threading.enumerate())
