"""What a broker may say that mosquitto here does not: a scripted one says it."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from twind.api import PermanentError, RetryableError
from twind_mqtt import adapter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ROUTES = [{"topic": f"{hall}/{{entity}}/pose", "codec": "pose"} for hall in ("a", "b", "c")]
ACCEPTED = {"5": bytes([0x20, 3, 0, 0, 0]), "3.1.1": bytes([0x20, 2, 0, 0])}


@contextlib.asynccontextmanager
async def scripted(
    protocol: str, *, connack: bytes | None = None, codes: list[int] | None = None, then: bytes = b""
) -> AsyncIterator[str]:
    """A broker that answers CONNECT, answers SUBSCRIBE with these codes, and then says something."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind = (await reader.readexactly(1))[0] & 0xF0
                length, shift = 0, 0
                while True:
                    byte = (await reader.readexactly(1))[0]
                    length |= (byte & 127) << shift
                    shift += 7
                    if byte < 128:
                        break
                body = await reader.readexactly(length)
                if kind == 0x10:
                    writer.write(connack or ACCEPTED[protocol])
                elif kind == 0x80 and codes is not None:
                    answer = body[:2] + (b"\0" if protocol == "5" else b"") + bytes(codes)
                    writer.write(bytes([0x90, len(answer)]) + answer + then)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for writer in writers:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@pytest.mark.parametrize(("protocol", "code"), [("5", 0x87), ("3.1.1", 0x80)])
def test_a_refused_subscription_is_told_once_and_shown(run: Any, start_source: Any, protocol: str, code: int) -> None:
    async def main() -> None:
        async with scripted(protocol, codes=[1, code, 0]) as url:
            opened = start_source(url, protocol=protocol, routes=ROUTES)
            await opened.subscribed()
            refused, lower = opened.said.named("SubscriptionRefused")
            assert refused.topic == "b/+/pose"
            assert "not authorised" in refused.reason
            assert lower.topic == "c/+/pose"
            assert "QoS 0 only" in lower.reason
            health = opened.source.health()
            assert health.connected
            assert "'b/+/pose': " in health.detail
            assert "'c/+/pose': " in health.detail
            with pytest.raises(PermanentError, match=r"subscription to 'b/\+/pose'"):
                await adapter.probe("floor", opened.settings, instance="cell-7")
            await opened.close()

    run(main())


def test_a_subscription_without_an_answer_fails_the_probe(run: Any) -> None:
    async def main() -> None:
        async with scripted("5") as url:
            settings = adapter.settings(type="mqtt", url=url, routes=ROUTES, connect_timeout_s=0.2)
            with pytest.raises(RetryableError, match="did not answer the subscription"):
                await adapter.probe("floor", settings, instance="cell-7")

    run(main())


def test_a_broker_that_hangs_up_on_a_subscription_fails_the_probe_with_its_word(run: Any) -> None:
    async def main() -> None:
        async with scripted("5", codes=[], then=bytes([0xE0, 1, 0x87])) as url:
            settings = adapter.settings(type="mqtt", url=url, routes=ROUTES)
            with pytest.raises(RetryableError, match="Not authorized"):
                await adapter.probe("floor", settings, instance="cell-7")

    run(main())


def test_two_clients_of_one_name_are_told_so(run: Any, start_source: Any) -> None:
    async def main() -> None:
        async with scripted("5", codes=[1, 1, 1], then=bytes([0xE0, 1, 0x8E])) as url:
            opened = start_source(url, client_id="same", routes=ROUTES, reconnect={"base_s": 60, "cap_s": 60})
            told = await opened.said.wait_for("SourceDisconnected")
            assert "another client connected with the client id 'same'" in told.reason
            await opened.close()

    run(main())


@pytest.mark.parametrize(
    ("protocol", "connack", "error", "words"),
    [
        ("5", [0x20, 3, 0, 0x86, 0], PermanentError, "check `username` and `password`"),
        ("5", [0x20, 3, 0, 0x85, 0], PermanentError, "set `client_id`"),
        ("5", [0x20, 3, 0, 0x9A, 0], PermanentError, "`status_topic: null`"),
        ("5", [0x20, 3, 0, 0x89, 0], RetryableError, "busy"),
        ("5", [0x20, 3, 0, 0x83, 0], PermanentError, "refused the connection"),
        ("5", [0x20, 2, 0, 1], PermanentError, "try the other `protocol`"),
        ("5", [0xE0, 1, 0x8B], RetryableError, "without an answer"),
        ("3.1.1", [0x20, 2, 0, 4], PermanentError, "check `username` and `password`"),
        ("3.1.1", [0x20, 2, 0, 3], RetryableError, "not available"),
        ("3.1.1", [0x20, 2, 0, 1], RetryableError, "without an answer"),
        ("3.1.1", [0xFF, 0], RetryableError, "without an answer"),
    ],
)
def test_a_refused_connection_says_what_to_do(
    run: Any, protocol: str, connack: list[int], error: type[Exception], words: str
) -> None:
    async def main() -> None:
        async with scripted(protocol, connack=bytes(connack)) as url:
            settings = adapter.settings(type="mqtt", url=url, protocol=protocol, routes=ROUTES)
            with pytest.raises(error) as caught:
                await adapter.probe("floor", settings, instance="cell-7")
            assert words in str(caught.value)

    run(main())
