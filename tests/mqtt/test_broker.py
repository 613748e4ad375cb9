"""The demo's broker starts anywhere, and never outlives its owner."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from twind.api import MissingExtraError, PermanentError
from twind_mqtt import broker as broker_module
from twind_mqtt.broker import start_broker
from twind_mqtt.publisher import connect

if TYPE_CHECKING:
    from twind_mqtt.broker import Kind

KINDS = pytest.mark.parametrize("kind", ["mosquitto", "embedded"])


def _need(kind: Kind) -> None:
    if kind == "mosquitto" and broker_module.mosquitto() is None:
        pytest.skip("mosquitto is not installed here")


@KINDS
@pytest.mark.parametrize("qos", [0, 1])
def test_messages_pass_and_nothing_is_left_of_the_broker(run: Any, open_source: Any, kind: Kind, qos: int) -> None:
    _need(kind)

    async def main() -> None:
        async with start_broker(kind=kind) as broker:
            assert broker.kind == kind
            async with open_source(broker.url, protocol=broker.protocol, qos=qos) as opened:
                publisher = connect(broker.url, broker.protocol)
                for n in range(200):
                    publisher.publish("cell/arm/pose", b"%d" % n, qos)
                messages = []
                async with asyncio.timeout(30):
                    while len(messages) < 200:
                        messages += (batch := await opened.source.receive(50))
                        if qos:
                            opened.source.acknowledge(len(batch))
                assert [message.payload for message in messages] == [b"%d" % n for n in range(200)]
                await asyncio.to_thread(publisher.close)
                assert publisher.published == publisher.acknowledged == 200
        with pytest.raises(ProcessLookupError):
            os.kill(broker.pid, 0)

    run(main())


def test_the_embedded_broker_does_not_know_mqtt_5_and_the_cure_is_told(run: Any, start_source: Any) -> None:
    async def main() -> None:
        async with start_broker(kind="embedded") as broker:
            opened = start_source(broker.url, protocol="5", connect_timeout_s=1)
            told = await opened.said.wait_for("SourceDisconnected")
            assert "Try `protocol: 3.1.1`" in told.reason
            await opened.close()

    run(main())


def test_without_mosquitto_the_embedded_broker_is_started(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "mosquitto", lambda: None)

    async def main() -> None:
        async with start_broker() as broker:
            assert (broker.kind, broker.protocol) == ("embedded", "3.1.1")

    run(main())


def test_without_any_broker_it_says_what_to_install(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_module, "mosquitto", lambda: None)
    monkeypatch.setattr(broker_module.importlib.util, "find_spec", lambda _: None)

    async def main() -> None:
        async with start_broker():
            pytest.fail("there is none")

    with pytest.raises(MissingExtraError, match=r"pip install 'twind\[demo\]'"):
        run(main())


@KINDS
def test_a_taken_port_is_left_for_another_one(run: Any, monkeypatch: pytest.MonkeyPatch, kind: Kind) -> None:
    _need(kind)

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(PermanentError, match="does not start"):
                async with start_broker(kind=kind, port=port):
                    pytest.fail("two brokers on one port")
            free = broker_module._free_port
            ports = iter([port])
            monkeypatch.setattr(broker_module, "_free_port", lambda: next(ports, None) or free())
            async with start_broker(kind=kind) as broker:
                assert broker.url != f"mqtt://127.0.0.1:{port}"

    run(main())


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's word that a parent died")
@KINDS
def test_a_killed_owner_takes_the_broker_with_it(kind: Kind) -> None:
    _need(kind)
    program = f"""
import asyncio
from twind_mqtt.broker import start_broker
async def main():
    async with start_broker(kind={kind!r}) as broker:
        print(broker.pid, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        os.kill(pid, 0)
        owner.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while _lives(pid):
        assert time.monotonic() < deadline, "the broker outlives its owner"
        time.sleep(0.01)


def _lives(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:  # noqa: PTH123  (it may vanish between two calls)
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
