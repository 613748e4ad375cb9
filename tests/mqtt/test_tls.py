"""`mqtts://` verifies the broker, shows our certificate, and says what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from twind.api import PermanentError, RetryableError
from twind_mqtt import adapter
from twind_mqtt.publisher import connect

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def authority(make_authority: Any) -> Any:
    return make_authority("factory-ca")


@pytest.fixture
def encrypted(start_mosquitto: Any, authority: Any) -> Any:
    """A broker with a certificate for localhost."""

    def start(*options: Any, host: str = "localhost") -> Any:
        certificate, key = authority.issue(f"broker-{host}", host=host)
        tls = (f"cafile {authority.file}", f"certfile {certificate}", f"keyfile {key}", *options)
        return start_mosquitto(tls_options=tls)

    return start


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_messages_arrive_over_tls_in_order_whatever_their_size(
    run: Any, encrypted: Any, authority: Any, open_source: Any, protocol: str
) -> None:
    broker = encrypted()
    sizes = [1, 16_384, 100_000, 5, 3_000_000, 70_000] + [200] * 3000

    async def main() -> None:
        async with open_source(broker.url, protocol=protocol, tls={"ca": authority.file}, max_messages=50) as opened:
            async with open_source(broker.url, tls={"ca": authority.file}, client_id="sender", status_topic=None) as sender:
                for n, size in enumerate(sizes):
                    sender.source._link.publish("cell/arm/pose", b"%d " % n + b"x" * size, retain=False)
                seen = []
                while len(seen) < len(sizes):
                    batch = await opened.source.receive(20)
                    seen += batch
                    opened.source.acknowledge(len(batch))
            assert [int(message.payload.split()[0]) for message in seen] == list(range(len(sizes)))
            assert [len(message.payload.split()[1]) for message in seen] == sizes

    run(main())


async def _probe(url: str, **tls: Any) -> str:
    settings = adapter.settings(
        type="mqtt", url=url, routes=[{"topic": "a/{entity}", "codec": "pose"}], tls=tls or None, connect_timeout_s=5
    )
    return await adapter.probe("floor", settings, instance="cell-7")


def test_a_certificate_of_another_authority_is_refused(run: Any, encrypted: Any, make_authority: Any) -> None:
    other = make_authority("other-ca")
    broker = encrypted()
    with pytest.raises(PermanentError, match=r"cannot be trusted: .*set `tls\.ca` to the CA that signed it"):
        run(_probe(broker.url, ca=other.file))
    with pytest.raises(PermanentError, match=r"cannot be trusted: .*set `tls\.ca`"):
        run(_probe(broker.url))


def test_a_certificate_for_another_name_is_refused_unless_that_name_is_set(run: Any, encrypted: Any, authority: Any) -> None:
    broker = encrypted(host="broker.factory.example")
    with pytest.raises(PermanentError, match=r"set `tls\.server_name`"):
        run(_probe(broker.url, ca=authority.file))
    assert "connected" in run(_probe(broker.url, ca=authority.file, server_name="broker.factory.example"))


def test_a_client_certificate_lets_in(run: Any, encrypted: Any, authority: Any, make_authority: Any) -> None:
    broker = encrypted("require_certificate true")
    certificate, key = authority.issue("twind")
    assert "connected" in run(_probe(broker.url, ca=authority.file, certificate=certificate, key=key))
    with pytest.raises(PermanentError, match=r"set `tls\.certificate` and `tls\.key`"):
        run(_probe(broker.url, ca=authority.file))
    stranger = make_authority("stranger-ca").issue("stranger")
    with pytest.raises(PermanentError, match="does not accept our certificate"):
        run(_probe(broker.url, ca=authority.file, certificate=stranger[0], key=stranger[1]))


def test_files_that_cannot_be_used_are_named(run: Any, encrypted: Any, authority: Any, tmp_path: Path) -> None:
    broker = encrypted()
    with pytest.raises(PermanentError, match=r"cannot use `tls\.ca` .*absent\.pem"):
        run(_probe(broker.url, ca=tmp_path / "absent.pem"))
    certificate, _ = authority.issue("one")
    _, key = authority.issue("two")
    with pytest.raises(PermanentError, match="belong together"):
        run(_probe(broker.url, ca=authority.file, certificate=certificate, key=key))


def test_the_wrong_port_is_told(run: Any, encrypted: Any, authority: Any, mosquitto: Any) -> None:
    plain = mosquitto.url.replace("mqtt:", "mqtts:")
    with pytest.raises(RetryableError, match="does not answer in TLS"):
        run(_probe(plain, ca=authority.file))
    with pytest.raises(RetryableError, match="its port expects TLS"):
        run(_probe(encrypted().url.replace("mqtts:", "mqtt:")))


def test_a_reconnect_over_tls_works_too(run: Any, encrypted: Any, authority: Any, open_source: Any) -> None:
    broker = encrypted()

    async def main() -> None:
        async with open_source(broker.url, tls={"ca": authority.file}) as opened:
            broker.kill()
            await opened.said.wait_for("SourceDisconnected")
            broker.start()
            await opened.said.wait_for("SourceConnected", count=2)
            assert opened.source.health().connected

    run(main())


def test_the_publisher_of_the_demo_does_not_pretend_to_speak_tls(encrypted: Any) -> None:
    with pytest.raises(RetryableError):
        connect(encrypted().url, timeout_s=1.0)
