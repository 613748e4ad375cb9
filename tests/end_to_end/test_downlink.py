"""A running daemon tells others what becomes of its entities, and robots what they shall be."""

from __future__ import annotations

import http.client
import itertools
import json
import queue
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import numpy as np
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.end_to_end.daemon import Daemon, settings, until
from tests.end_to_end.robots import Player, Track
from twind.demo.places import cell_root
from twind.flow.outbox_file import OutboxFile

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = tuple(f"joint_{number}" for number in range(1, 7))


LOST = [(before, "lost") for before in ("ok", "coasting", "stale")]


class Consumer:
    """A plain MQTT client, as any event platform has one."""

    def __init__(self, url: str, topic: str) -> None:
        self.taken: list[dict[str, Any]] = []
        self._queue: queue.Queue[MQTTMessage] = queue.Queue()
        self.client = Client(CallbackAPIVersion.VERSION2, client_id="consumer", clean_session=False)
        granted: queue.Queue[object] = queue.Queue()
        self.client.on_message = lambda _client, _userdata, message: self._queue.put(message)
        self.client.on_subscribe = lambda *_: granted.put(None)
        host, _, port = url.rpartition("/")[2].partition(":")
        self.client.connect(host, int(port))
        self.client.loop_start()
        self.client.subscribe(topic, qos=1)
        granted.get(timeout=30)

    def until(self, condition: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Take events until one fulfils a condition, and return it."""
        while True:
            event = json.loads(self._queue.get(timeout=60).payload or b"{}")
            self.taken.append(event)
            if condition(event):
                return event

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def test_a_consumer_hears_of_states_statuses_and_incidents(
    mosquitto: Any, start_daemon: Callable[[dict[str, Any]], Daemon]
) -> None:
    consumer = Consumer(mosquitto.url, "twind/+/events/#")
    sinks = {"events": {"type": "mqtt", "url": mosquitto.url, "state_hz": 20, "entities": ["arm_*"]}}
    estimation = {"lost_ms": 1000}
    daemon = start_daemon(settings(cell_root(), mosquitto.url, sinks=sinks, estimation=estimation))
    daemon.wait_ready()
    t_s = np.arange(0.0, 60.0, 0.005)
    with Player(mosquitto.url, "arm_a", Track(NAMES, t_s, 0.2 * np.sin(t_s)[:, None] * np.ones(len(NAMES)))):
        state = consumer.until(lambda event: event["type"] == "io.twind.entity.state" and event["data"]["status"] == "ok")
    assert state["subject"] == "arm_a"
    assert set(NAMES) <= set(state["data"]["joints"])
    consumer.client.publish("cell/arm_a/joint_state", b"{", qos=1)
    incident = consumer.until(lambda event: event["data"].get("event") == "messages_refused")
    assert (incident["type"], incident["subject"], incident["data"]["reason"]) == ("io.twind.incident", "floor", "undecodable")
    consumer.until(
        lambda event: event.get("subject") == "arm_a" and (event["data"].get("was"), event["data"].get("status")) in LOST
    )
    changes = [
        (event["data"]["was"], event["data"]["status"])
        for event in consumer.taken
        if event["type"] == "io.twind.entity.status" and event["subject"] == "arm_a"
    ]
    assert changes[0] == (None, "lost")
    assert "ok" in {after for _, after in changes}
    assert all(before[1] == after[0] for before, after in itertools.pairwise(changes))
    assert changes[-1][1] == "lost"
    assert {event["subject"] for event in consumer.taken if event["type"] != "io.twind.incident"} == {"arm_a", "arm_b"}
    ids = [event["id"] for event in consumer.taken]
    assert len(ids) == len(set(ids))
    sequences = [event["sequence"] for event in consumer.taken]
    assert sequences == sorted(sequences)
    assert daemon.metrics.total("twind_notices_sent_total", sink="events") >= len(ids)
    assert daemon.metrics.total("twind_notices_lost_total") == 0
    assert daemon.stop() == 0

    # The next start is another generation: its ids are new, and it tells every status anew.
    daemon = start_daemon(settings(cell_root(), mosquitto.url, sinks=sinks))
    first = consumer.until(lambda event: event["sequence"] > sequences[-1] and event["type"] == "io.twind.entity.status")
    assert (first["data"]["was"], first["id"] in ids) == (None, False)
    assert daemon.stop() == 0
    consumer.close()


def test_a_sink_whose_broker_is_away_holds_nothing_up(mosquitto: Any, start_daemon: Callable[[dict[str, Any]], Daemon]) -> None:
    sinks = {
        "events": {"type": "mqtt", "url": "mqtt://127.0.0.1:1", "close_s": 0.2},
        "twins": {"type": "mqtt_twins", "url": "mqtt://127.0.0.1:1", "desired": {"arm_a": {"rate_hz": 100}}},
        "viewers": {"type": "foxglove", "listen": "127.0.0.1:0"},
    }
    daemon = start_daemon(settings(cell_root(), mosquitto.url, sinks=sinks))
    daemon.wait_ready()
    daemon.event("sink_disconnected", count=2)
    assert daemon.event("sink_connected")["address"].startswith("ws://127.0.0.1:")
    assert daemon.ready
    assert daemon.metrics.total("twind_notices_waiting", sink="events") > 0
    assert daemon.stop() == 0
    assert daemon.events("notices_lost") == []
    kept = daemon.event_at_end("notices_kept")
    assert (kept["sink"], kept["count"] > 0) == ("events", True)


def test_what_waits_when_a_daemon_is_killed_is_told_by_the_next(
    mosquitto: Any, start_daemon: Callable[[dict[str, Any]], Daemon]
) -> None:
    away = {"events": {"type": "mqtt", "url": "mqtt://127.0.0.1:1", "state_hz": 0}}
    daemon = start_daemon(settings(cell_root(), mosquitto.url, sinks=away))
    daemon.wait_ready()
    consumer = Consumer(mosquitto.url, "twind/+/events/#")
    consumer.client.publish("cell/arm_a/joint_state", b"{", qos=1)
    until(lambda: daemon.messages("refused") == 1, "the message is refused")
    until(lambda: is_on_disk(daemon, b"messages_refused"), "the incident is in the outbox")
    daemon.process.kill()
    daemon.ends()
    sequences = [one.sequence for one in outbox_of(daemon)]

    here = {"events": {"type": "mqtt", "url": mosquitto.url, "state_hz": 0}}
    daemon = start_daemon(settings(cell_root(), mosquitto.url, sinks=here))
    assert daemon.event("notices_restored")["count"] == len(sequences)
    consumer.until(lambda event: event["sequence"] > sequences[-1])
    assert [event["sequence"] for event in consumer.taken[:-1]] == sequences
    told = [event["data"]["event"] for event in consumer.taken if event["type"] == "io.twind.incident"]
    assert "messages_refused" in told
    assert daemon.stop() == 0
    consumer.close()


def test_an_operator_changes_what_a_robot_shall_be_and_it_hears_of_it_after_a_kill_too(
    mosquitto: Any, start_daemon: Callable[[dict[str, Any]], Daemon]
) -> None:
    sinks = {"twins": {"type": "mqtt_twins", "url": mosquitto.url, "desired": {"arm_*": {"rate_hz": 50}}}}
    daemon = start_daemon(settings(cell_root(), mosquitto.url, sinks=sinks))
    daemon.wait_ready()
    (first,) = [twin for twin in daemon.json("/twins")["twins"] if twin["deviceId"] == "arm_a"]
    assert (first["desiredVersion"], first["answer"]) == (1, "pending")
    robot = Consumer(mosquitto.url, "devices/arm_a/twin/#")
    status, twin = ask(daemon, "PATCH", "/twins/arm_a/properties/desired", {"rate_hz": 200, "lamp": {"on": True}})
    assert (status, twin["properties"]["desired"]["$version"]) == (200, 2)
    patch = robot.until(lambda heard: heard.get("$version") == 2)
    assert patch == {"rate_hz": 200, "lamp": {"on": True}, "$version": 2}
    status, twin = ask(daemon, "PATCH", "/twins/arm_a", {"tags": {"floor": 2}, "properties": {"desired": {"lamp": None}}})
    assert (status, twin["tags"]) == (200, {"floor": 2})
    assert robot.until(lambda heard: heard.get("$version") == 3) == {"lamp": None, "$version": 3}
    etag = twin["etag"]
    assert ask(daemon, "PATCH", "/twins/arm_a", {"tags": {"floor": 3}}, etag="AAAAAAAAAAE=")[0] == 412
    assert ask(daemon, "PATCH", "/twins/arm_a", {"tags": {"floor": 3}}, etag=etag)[0] == 200
    assert ask(daemon, "PATCH", "/twins/nobody", {"tags": {"floor": 3}})[0] == 404
    for refused in ({"desired": {}}, {}, {"properties": {"reported": {"a": 1}}}, {"tags": {"a.b": 1}}, [1]):
        assert ask(daemon, "PATCH", "/twins/arm_a", refused)[0] == 400
    daemon.process.kill()
    daemon.ends()

    daemon = start_daemon(settings(cell_root(), mosquitto.url, sinks=sinks))
    daemon.wait_ready()
    assert robot.until(lambda heard: heard.get("$version") == 3) == {"rate_hz": 200, "lamp": None, "$version": 3}
    robot.client.publish("devices/arm_a/twin/PATCH/properties/reported/?$rid=1", json.dumps({"rate_hz": 200}), qos=1)
    until(lambda: daemon.events("desired_accepted"), "the robot's answer is taken")
    twin = daemon.json("/twins/arm_a")
    assert (twin["tags"], twin["properties"]["reported"]["rate_hz"]) == ({"floor": 3}, 200)
    status, twin = ask(daemon, "PUT", "/twins/arm_a", {"tags": {}, "properties": {"desired": {"mode": "slow"}}})
    assert (status, twin["tags"]) == (200, {})
    assert robot.until(lambda heard: heard.get("$version") == 4) == {"mode": "slow", "rate_hz": None, "$version": 4}
    assert daemon.stop() == 0
    robot.close()


def outbox_of(daemon: Daemon) -> list[Any]:
    """Return what the outbox of a daemon that was killed holds."""
    file = OutboxFile(daemon.folder / "state" / "outbox" / "events.db")
    try:
        return file.open()
    finally:
        file.close()


def is_on_disk(daemon: Daemon, words: bytes) -> bool:
    """Whether the outbox of a running daemon holds something. Nobody else may open it: its bytes must do."""
    return any(words in file.read_bytes() for file in (daemon.folder / "state" / "outbox").iterdir())


def ask(daemon: Daemon, method: str, path: str, document: Any, *, etag: str | None = None) -> tuple[int, Any]:
    """Send a JSON document over HTTP."""
    connection = http.client.HTTPConnection(urlsplit(daemon.event("daemon_ready")["http"]).netloc, timeout=60)
    try:
        headers = {"Content-Type": "application/json"} | ({} if etag is None else {"If-Match": f'"{etag}"'})
        connection.request(method, path, json.dumps(document), headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()
