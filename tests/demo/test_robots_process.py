"""The robots' process against a real broker: what arrives, and how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from twind_mqtt.broker import start_broker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from paho.mqtt.client import MQTTMessage

    from twind_mqtt.broker import Broker

CELL = Path(__file__).parents[2] / "stages" / "demo_cell" / "cell.usda"
PATIENCE_S = 60.0


class Listener:
    """Counts what arrives on each topic, and knows when something arrived at all."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.heard = threading.Event()
        self.done = threading.Event()

    def on_message(self, message: MQTTMessage) -> None:
        if message.topic == "done":
            self.done.set()
            return
        self.counts[message.topic] += 1
        self.heard.set()


@contextmanager
def listening(broker: Broker) -> Iterator[Listener]:
    version = MQTTProtocolVersion.MQTTv5 if broker.protocol == "5" else MQTTProtocolVersion.MQTTv311
    listener, ready = Listener(), threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, protocol=version)
    client.on_message = lambda _client, _userdata, message: listener.on_message(message)
    client.on_subscribe = lambda *_: ready.set()
    parts = urlsplit(broker.url)
    client.connect(parts.hostname, parts.port)
    client.subscribe("#", qos=1)
    client.loop_start()
    try:
        assert ready.wait(PATIENCE_S)
        yield listener
    finally:
        client.disconnect()
        client.loop_stop()


def command(broker: Broker, *options: str) -> list[str]:
    required = ["--stage", str(CELL), "--url", broker.url, "--protocol", broker.protocol]
    return [sys.executable, "-m", "twind.demo.robots", *required, *options]


def with_broker(scenario: Callable[[Broker], None]) -> None:
    async def run() -> None:
        async with start_broker() as broker:
            await asyncio.to_thread(scenario, broker)

    asyncio.run(run())


@pytest.mark.parametrize("qos", ["0", "1"])
def test_what_it_says_it_sent_is_what_arrives(qos: str) -> None:
    def scenario(broker: Broker) -> None:
        with listening(broker) as listener:
            ended = subprocess.run(
                command(broker, "--duration", "1.5", "--qos", qos),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=True,
                timeout=PATIENCE_S,
            )
            report = json.loads(ended.stdout)
            # A last message through the same broker, behind all of the others.
            client = Client(CallbackAPIVersion.VERSION2)
            parts = urlsplit(broker.url)
            client.connect(parts.hostname, parts.port)
            client.loop_start()
            client.publish("done", b"", qos=1).wait_for_publish(PATIENCE_S)
            assert listener.done.wait(PATIENCE_S)
            client.disconnect()
            client.loop_stop()
            assert dict(listener.counts) == {topic: row["sent"] for topic, row in report["topics"].items()}
            assert report["broken"] == 0
            expected = {f"cell/{robot}/joint_state" for robot in ("arm_a", "arm_b", "agv")}
            expected |= {f"cell/{body}/pose" for body in ("agv", *(f"part_{number}" for number in range(1, 7)))}
            assert set(report["topics"]) == expected

    with_broker(scenario)


@pytest.mark.parametrize("how", ["SIGTERM", "SIGINT", "end of input"])
def test_it_reports_and_exits_when_it_is_told_to_stop(how: str) -> None:
    def scenario(broker: Broker) -> None:
        with (
            listening(broker) as listener,
            subprocess.Popen(command(broker), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        ):
            assert listener.heard.wait(PATIENCE_S)
            if how == "end of input":
                process.stdin.close()
            else:
                process.send_signal(signal.Signals[how])
            report = json.loads(process.stdout.read())
            assert process.wait(PATIENCE_S) == 0
            assert sum(row["sent"] for row in report["topics"].values()) > 0

    with_broker(scenario)


def test_it_does_not_outlive_its_parent() -> None:
    def scenario(broker: Broker) -> None:
        parent = f"import subprocess, sys; subprocess.Popen({command(broker)!r}, stdin=subprocess.DEVNULL); sys.stdin.read()"
        with (
            listening(broker) as listener,
            subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process,
        ):
            assert listener.heard.wait(PATIENCE_S)
            process.kill()
            # The robots hold the other end of this pipe: it ends when they do.
            assert json.loads(process.stdout.read())["topics"]

    with_broker(scenario)


def test_a_broker_that_cannot_be_reached_is_one_line_and_exit_code_1() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "twind.demo.robots", "--stage", str(CELL), "--url", "mqtt://127.0.0.1:1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert ended.returncode == 1
    assert ended.stdout == b""
    assert ended.stderr.decode().startswith("robots: cannot reach mqtt://127.0.0.1:1")
    assert ended.stderr.count(b"\n") == 1
