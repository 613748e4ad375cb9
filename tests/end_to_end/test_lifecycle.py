"""How the daemon starts, refuses to start, and ends."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from pxr import Usd

from tests.end_to_end.daemon import PATIENCE_S, Daemon, settings, until
from tests.end_to_end.robots import NS_PER_S, Player, Track
from twind.demo.places import cell_root

if TYPE_CHECKING:
    from collections.abc import Callable

    from paho.mqtt.client import MQTTMessage

TRACK = Track(("joint_1",), np.arange(0.0, 60.0, 1e-3), 0.3 * np.sin(np.arange(0.0, 60.0, 1e-3))[:, None])
"""A joint that is measured a thousand times a second."""


class Successor:
    """Takes over the daemon's session at the broker, and keeps what the broker still holds for it."""

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[str, bytes]] = []
        self.last = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, client_id="twind-cell-7-floor", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.on_message = self._on_message
        properties = Properties(PacketTypes.CONNECT)
        properties.SessionExpiryInterval = 60
        self._client.connect("localhost", port, clean_start=False, properties=properties)
        self._client.loop_start()

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        if message.topic.endswith("/last/pose"):
            self.last.set()
        else:
            self.messages.append((message.topic, message.payload))

    def take(self) -> list[tuple[str, bytes]]:
        """Return everything up to a last message, which is sent now: the broker keeps the order."""
        self._client.publish("cell/last/pose", b"", qos=1)
        assert self.last.wait(PATIENCE_S)
        self._client.disconnect()
        self._client.loop_stop()
        return self.messages


def newest_in_snapshot(daemon: Daemon) -> int:
    """Return the instant of the arm's state as the snapshot has it [ns]."""
    stage = Usd.Stage.Open(str(daemon.folder / "live" / "twin.usda"))
    return round(stage.GetPrimAtPath("/World/Robots/arm_a").GetAttribute("twind:time").Get() * NS_PER_S)


def test_sigterm_under_load_processes_and_acknowledges_what_it_had_received_and_nothing_else(
    mosquitto: Any, start_daemon: Callable[[Any], Daemon]
) -> None:
    # Nothing is predicted here, so that the last state in the stage names the last message that was processed.
    daemon = start_daemon(settings(cell_root(), mosquitto.url, stage_settings={"predict_after_ms": 60_000.0}, shutdown_s=20))
    daemon.wait_ready()
    with Player(mosquitto.url, "arm_a", TRACK) as player:
        until(lambda: daemon.messages("processed") > 1000, "messages flow")
        assert daemon.stop() == 0
        published = player.finish()
    stopped = daemon.event_at_end("daemon_stopped")
    assert stopped["seconds"] < 20
    assert not stopped.get("unfinished")
    left = Successor(mosquitto.port).take()
    last_ns = newest_in_snapshot(daemon)
    processed = 1 + int(np.argmin(np.abs(player.start_ns + np.rint(TRACK.t_s * NS_PER_S) - last_ns)))
    assert 1000 < processed < published
    assert [payload for _, payload in left] == player.sent[processed:]


def test_a_second_signal_ends_it_at_once(mosquitto: Any, start_daemon: Callable[[Any], Daemon]) -> None:
    daemon = start_daemon(settings(cell_root(), mosquitto.url))
    daemon.wait_ready()
    # Both are waiting when it goes on, so that no drain, however quick, comes between them.
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
        daemon.process.send_signal(number)
    assert daemon.ends() in {128 + signal.SIGTERM, 128 + signal.SIGINT}
    assert not daemon.events("daemon_stopped")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_during_start_up_ends_it_in_good_order(number: int, start_daemon: Callable[[Any], Daemon]) -> None:
    daemon = start_daemon(settings(cell_root(), None))
    daemon.event("daemon_starting")
    daemon.process.send_signal(number)
    assert daemon.ends() == 0
    assert not daemon.events("daemon_ready")
    assert daemon.events("daemon_stopped")
    assert "Traceback" not in daemon.log


def test_every_problem_of_a_configuration_is_told_with_its_place(start_daemon: Callable[[Any], Daemon]) -> None:
    daemon = start_daemon(
        f"""\
stage:
  root: {cell_root()}
  rate_hzz: 30
sources:
  floor:
    type: mqtt
    url: mqtt://localhost:1
    password: [1]
    qos: 2
    routes:
      - {{topic: "cell/{{entity}}/joint_state", codec: joint_sate}}
"""
    )
    assert daemon.ends() == 78
    places = [line.removeprefix(str(daemon.file)) for line in daemon.log.splitlines()]
    assert [place.split(": ")[:2] for place in places] == [
        [":3:3", "stage.rate_hzz"],
        [":8:15", "sources.floor.password"],
        [":9:10", "sources.floor.qos"],
        [":11:53", "sources.floor.routes.0.codec"],
    ]
    assert "rate_hz" in places[0]
    assert "did you mean" in places[0]
    assert "joint_state" in places[3]


def test_what_the_stage_does_not_have_is_a_problem_of_the_configuration(start_daemon: Callable[[Any], Daemon]) -> None:
    wrong = settings(cell_root(), "mqtt://localhost:1", estimation={"overrides": {"arm_c": {}}})
    daemon = start_daemon(wrong)
    assert daemon.ends() == 78
    problems = [line for line in daemon.log.splitlines() if line.startswith(str(daemon.file))]
    assert len(problems) == 1
    assert "estimation.overrides.arm_c" in problems[0]
    assert problems[0].removeprefix(str(daemon.file)).split(":")[1].isdecimal()
