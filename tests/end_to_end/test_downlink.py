"""A running daemon tells others what becomes of its entities, and robots what they shall be."""

from __future__ import annotations

import itertools
import json
import queue
from typing import TYPE_CHECKING, Any

import numpy as np
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from tests.end_to_end.daemon import Daemon, settings
from tests.end_to_end.robots import Player, Track
from twind.demo.places import cell_root

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
            event = json.loads(self._queue.get(timeout=60).payload)
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
    assert daemon.stop() == 0
    lost = daemon.event_at_end("notices_lost")
    assert (lost["sink"], lost["reason"]) == ("events", "shutdown")
