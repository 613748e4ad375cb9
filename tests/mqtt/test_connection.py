"""A source finds its broker again, tells what is wrong in words, and says goodbye."""

from __future__ import annotations

import asyncio
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest

from twind.api import PermanentError, RetryableError
from twind_mqtt import adapter
from twind_mqtt.publisher import connect

if TYPE_CHECKING:
    from pathlib import Path

    from twind_mqtt.publisher import Publisher

BOTH = pytest.mark.parametrize("protocol", ["5", "3.1.1"])
TOPIC = "cell/arm/joint_state"
STATUS = "twind/cell-7/status"


@BOTH
def test_a_broker_killed_and_restarted_under_load_costs_no_message_of_qos_1(
    run: Any, start_mosquitto: Any, open_source: Any, tmp_path: Path, protocol: str
) -> None:
    total = 3000
    options = ("persistence true", f"persistence_location {tmp_path}/", "autosave_interval 1", "autosave_on_changes true")

    async def main() -> None:
        broker = start_mosquitto(*options)
        publisher = connect(broker.url, protocol, max_in_flight=50)
        async with open_source(broker.url, protocol=protocol) as opened:
            sender = threading.Thread(target=_publish, args=(publisher, total))
            sender.start()
            seen = set()
            kills = [total // 4, total // 2]
            async with asyncio.timeout(120):
                while len(seen) < total:
                    batch = await opened.source.receive(100)
                    seen.update(int(message.payload) for message in batch)
                    opened.source.acknowledge(len(batch))
                    if kills and len(seen) >= kills[0]:
                        kills.pop(0)
                        # mosquitto hands a message on before it acknowledges it, so all it could lose is not promised yet.
                        await asyncio.to_thread(broker.kill)
                        await opened.said.wait_for("SourceDisconnected", count=2 - len(kills))
                        assert not opened.source.health().connected
                        await asyncio.to_thread(broker.start)
            sender.join()
            publisher.close()
            assert seen == set(range(total))
            assert len(opened.said.named("SourceConnected")) == 3
            assert len(opened.said.named("SourceDisconnected")) == 2
            assert opened.source.health().connected

    run(main())


def test_a_broker_that_forgot_everything_is_subscribed_to_again(run: Any, mosquitto: Any, open_source: Any) -> None:
    async def main() -> None:
        async with open_source(mosquitto.url) as opened:
            mosquitto.kill()
            await opened.said.wait_for("SourceDisconnected")
            mosquitto.start()
            await opened.subscribed(times=2)
            assert not opened.said.named("SourceConnected")[1].session_present
            with connect(mosquitto.url) as publisher:
                publisher.publish(TOPIC, b"again", 1)
            assert [message.payload for message in await opened.take(1)] == [b"again"]

    run(main())


def test_an_acknowledgement_of_an_earlier_connection_is_not_sent_on_the_new_one(
    run: Any, mosquitto: Any, open_source: Any
) -> None:
    async def main() -> None:
        async with open_source(mosquitto.url) as opened:
            with connect(mosquitto.url) as publisher:
                for n in range(20):
                    publisher.publish(TOPIC, b"%d" % n, 1)
            await opened.take(20)
            opened.source._link.abort("cable pulled")
            await opened.subscribed(times=2)
            again = await opened.take(20)
            assert [int(message.payload) for message in again] == list(range(20))
            assert [message.token for message in again] == list(range(21, 41))
            opened.source.acknowledge(20)  # the copies that came first
            opened.source.acknowledge(20)
            await opened.source.aclose()
            assert mosquitto.log.count("Received PUBACK from twind-cell-7-floor") == 20
            assert "PROTOCOL" not in mosquitto.log.upper()

    run(main())


def test_a_source_waits_for_a_broker_that_is_not_there_yet(run: Any, mosquitto: Any, start_source: Any) -> None:
    async def main() -> None:
        mosquitto.kill()
        opened = start_source(mosquitto.url)
        told = await opened.said.wait_for("SourceDisconnected")
        assert "nothing listens on localhost" in told.reason
        health = opened.source.health()
        assert not health.connected
        assert "nothing listens" in health.detail
        mosquitto.start()
        await opened.subscribed()
        assert opened.source.health().detail == ""
        assert len(opened.said.named("SourceDisconnected")) == 1
        await opened.close()

    run(main())


def test_a_broker_that_freezes_is_given_up(run: Any, mosquitto: Any, open_source: Any) -> None:
    async def main() -> None:
        async with open_source(mosquitto.url, keepalive_s=5, connect_timeout_s=0.3) as opened:
            mosquitto.freeze()
            told = await opened.said.wait_for("SourceDisconnected")
            assert "no sign of life" in told.reason
            mosquitto.thaw()
            await opened.said.wait_for("SourceConnected", count=2)

    run(main())


def test_a_silent_peer_does_not_hold_up_the_end(run: Any, until: Any, start_source: Any) -> None:
    async def main() -> None:
        held: list[asyncio.StreamWriter] = []

        async def say_nothing(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            held.append(writer)

        server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
        opened = start_source(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}", connect_timeout_s=60)
        await until(lambda: held)
        began = asyncio.get_running_loop().time()
        await opened.close()
        took_s = asyncio.get_running_loop().time() - began
        server.close()
        held[0].close()
        assert took_s < 5, "closing waited for a peer that says nothing"

    run(main())


def test_something_else_than_a_broker_is_survived(run: Any, start_source: Any) -> None:
    async def main() -> None:
        async def nonsense(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"\x20\xff\xff\xff\xff\x7f" + b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20)
            writer.close()

        server = await asyncio.start_server(nonsense, "127.0.0.1", 0)
        opened = start_source(f"mqtt://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        await opened.said.wait_for("SourceDisconnected")
        assert not opened.source.health().connected
        await opened.close()
        server.close()
        await server.wait_closed()

    run(main())


@BOTH
def test_the_status_topic_tells_whether_the_daemon_is_there(
    run: Any, mosquitto: Any, open_source: Any, start_source: Any, protocol: str
) -> None:
    async def main() -> None:
        routes = [{"topic": STATUS, "codec": "joint_state", "entity": "x"}]
        watching = {"routes": routes, "client_id": "watcher", "status_topic": None}
        async with open_source(mosquitto.url, **watching) as watcher:
            daemon = start_source(mosquitto.url, protocol=protocol)
            await daemon.subscribed()
            assert [m.payload for m in await watcher.take(1)] == [b"online"]
            await daemon.crash()
            assert [m.payload for m in await watcher.take(1)] == [b"offline"]
            async with open_source(mosquitto.url, protocol=protocol):
                assert [m.payload for m in await watcher.take(1)] == [b"online"]
            assert [m.payload for m in await watcher.take(1)] == [b"offline"]
            watcher.source.acknowledge(4)
        async with open_source(mosquitto.url, **watching | {"client_id": "late"}) as late:
            assert [m.payload for m in await late.take(1)] == [b"offline"]

    run(main())


@pytest.fixture
def locked(start_mosquitto: Any, tmp_path: Path) -> Any:
    """A broker that lets in who knows the password."""
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", passwords, "twind", "secret"], check=True)
    return start_mosquitto("allow_anonymous false", f"password_file {passwords}")


@BOTH
def test_a_password_lets_in_and_a_wrong_one_says_what_to_do(
    run: Any, until: Any, locked: Any, start_source: Any, protocol: str
) -> None:
    async def main() -> None:
        right = start_source(locked.url, protocol=protocol, username="twind", password="secret")  # noqa: S106
        await right.subscribed()
        assert right.source.health().connected
        await right.close()
        wrong = start_source(locked.url, protocol=protocol, username="twind", password="wrong")  # noqa: S106
        told = await wrong.said.wait_for("SourceRefused")
        assert "check `username` and `password`" in told.reason
        assert "wrong" not in repr(wrong.settings)
        assert not wrong.source.health().connected
        await until(lambda: wrong.source._epoch > 3)
        assert len(wrong.said.events) == 1
        await wrong.close()
        with pytest.raises(PermanentError, match="check `username` and `password`"):
            await adapter.probe("floor", wrong.settings, instance="cell-7")

    run(main())


@BOTH
def test_a_probe_says_what_it_found_and_leaves_the_session_of_the_daemon_alone(
    run: Any, mosquitto: Any, open_source: Any, protocol: str
) -> None:
    async def main() -> None:
        async with open_source(mosquitto.url, protocol=protocol) as opened:
            line = await adapter.probe("floor", opened.settings, instance="cell-7")
            assert line == f"connected to {mosquitto.url} with MQTT {protocol}; 1 subscription granted with QoS 1"
            with connect(mosquitto.url, protocol) as publisher:
                publisher.publish(TOPIC, b"1", 1)
            await opened.take(1)
            assert len(opened.said.events) == 1
        mosquitto.kill()
        with pytest.raises(RetryableError, match="nothing listens"):
            await adapter.probe("floor", opened.settings, instance="cell-7")

    run(main())


def test_a_name_without_an_address_is_told(run: Any, start_source: Any) -> None:
    async def main() -> None:
        opened = start_source("mqtt://no-such-host.invalid")
        told = await opened.said.wait_for("SourceDisconnected")
        assert "no address found for host 'no-such-host.invalid'" in told.reason
        await opened.close()

    run(main())


def _publish(publisher: Publisher, total: int) -> None:
    for n in range(total):
        publisher.publish(TOPIC, b"%d" % n, 1)
