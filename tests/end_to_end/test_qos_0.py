"""MQTT QoS 0: what is in flight at a kill is lost, and by the numbers of the messages it is known how many those were."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from tests.end_to_end.daemon import Daemon, settings, until
from tests.end_to_end.robots import NS_PER_S
from twind.demo.places import cell_root
from twind_mqtt.publisher import connect

if TYPE_CHECKING:
    from collections.abc import Callable

TOPIC = "cell/arm_a/joint_state"
T0_NS = 1_790_000_000 * NS_PER_S


def numbered(number: int) -> bytes:
    stamp_ns = T0_NS + number * 5_000_000
    header = {"seq": number, "stamp": {"sec": stamp_ns // NS_PER_S, "nanosec": stamp_ns % NS_PER_S}, "frame_id": ""}
    return json.dumps({"header": header, "name": ["joint_1"], "position": [number * 1e-4]}).encode()


def stream(daemon: Daemon) -> dict[str, Any]:
    found: list[dict[str, Any]] = daemon.json("/api/v1/streams")["streams"]
    return found[0] if found else {"messages": 0, "skipped": 0}


def test_every_message_that_a_kill_takes_is_missing_once_and_counted(
    mosquitto: Any, start_daemon: Callable[[Any], Daemon]
) -> None:
    recording = {"recording": {"type": "mcap", "path": "recordings", "flush_s": 0.1}}
    configuration = settings(cell_root(), mosquitto.url, source={"qos": 0}, sinks=recording, restart={"snapshot_s": 0.1})
    daemon = start_daemon(configuration)
    daemon.wait_ready()
    sent = 0
    with connect(mosquitto.url) as publisher:

        def publish(count: int) -> None:
            nonlocal sent
            for number in range(sent, sent + count):
                publisher.publish(TOPIC, numbered(number))
            sent += count

        for _ in range(3):
            publish(100)
            until(partial(_used, daemon), "messages are used")
            snapshots = _snapshots(daemon)
            until(partial(_more_snapshots, daemon, snapshots + 1), "a number is on the disk to count on from")
            publish(100)
            daemon.process.kill()
            daemon.ends()
            publish(50)  # nobody is there
            daemon = start_daemon(configuration)
            daemon.wait_ready()
            publish(100)
            until(partial(_accounted, daemon, sent), "what was sent after the restart is used")
            assert stream(daemon)["messages"] + stream(daemon)["skipped"] == sent
            assert stream(daemon)["skipped"] >= 50
        publisher.close()
    assert daemon.metrics.total("twind_stream_numbers_skipped_total") == stream(daemon)["skipped"]
    assert daemon.metrics.total("twind_sample_verdicts_total", verdict="duplicate") == 0
    assert daemon.stop() == 0


def _used(daemon: Daemon) -> bool:
    return bool(stream(daemon)["messages"] > 0)


def _snapshots(daemon: Daemon) -> float:
    return daemon.metrics.total("twind_state_snapshot_seconds_count")


def _more_snapshots(daemon: Daemon, than: float) -> bool:
    return _snapshots(daemon) > than


def _accounted(daemon: Daemon, sent: int) -> bool:
    shown = stream(daemon)
    return bool(shown["messages"] + shown["skipped"] >= sent)
