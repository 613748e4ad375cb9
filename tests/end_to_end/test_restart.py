"""A daemon that was killed comes back to the same state: nothing is missing, nothing counts twice."""

from __future__ import annotations

import math
import signal
from typing import TYPE_CHECKING, Any

from tests.chaos.hub import Hub
from tests.chaos.judge import Judge
from tests.end_to_end.daemon import Daemon, settings, until
from tests.end_to_end.robots import Player, joint_state
from tests.end_to_end.test_outages import swaying
from twind.demo.places import cell_root

if TYPE_CHECKING:
    from collections.abc import Callable

RECORDING = {"recording": {"type": "mcap", "path": "recordings", "compression": "none"}}


def test_a_daemon_killed_under_load_comes_back_to_the_same_state(
    start_mosquitto: Callable[..., Any], start_daemon: Callable[[Any], Daemon]
) -> None:
    broker = start_mosquitto()
    configuration = settings(cell_root(), broker.url, sinks=RECORDING, restart={"snapshot_s": 0.5})
    daemon = start_daemon(configuration)
    daemon.wait_ready()
    with Player(broker.url, "arm_a", swaying(60.0, 400.0)) as player:
        for processed in (50, 400):
            _kill_after(processed, daemon)
            daemon = start_daemon(configuration)
            daemon.wait_ready()
            assert daemon.event("state_restored")["snapshot"]
        published = player.finish()
    sent = [("cell/arm_a/joint_state", payload) for payload in player.sent]
    until(lambda: _contained(daemon, published), "everything published is contained")
    assert daemon.metrics.total("twind_state_restore_seconds") > 0
    assert daemon.stop() == 0
    judge = Judge(daemon.file)
    assert not judge.missing(sent)
    assert judge.twice() == 0
    assert judge.out_of_order(sent) == []
    assert judge.messages_counted() == {"cell/arm_a/joint_state": published}
    assert judge.differences() == []
    assert judge.replays_alike()


def test_a_daemon_that_reads_event_hubs_resumes_from_its_own_snapshot_and_recording(
    start_daemon: Callable[[Any], Daemon],
) -> None:
    names = [f"joint_{number}" for number in range(1, 7)]

    def payload(stamp_ns: int) -> bytes:
        return joint_state(stamp_ns, names, [0.3 * math.sin(stamp_ns * 1e-9)] * 6)

    with Hub(partitions=2) as hub:
        source = {
            "type": "eventhubs",
            "connection_string": hub.connection_string,
            "event_hub": "hub",
            "routes": [{"topic": "{entity}", "codec": "joint_state"}],
        }
        configuration = settings(cell_root(), None, sources={"floor": source}, sinks=RECORDING, restart={"snapshot_s": 0.5})
        daemon = start_daemon(configuration)
        daemon.wait_ready()
        hub.publish(("arm_a", "arm_b"), payload, rate_hz=200.0, together=5)
        for disturb in (None, lambda emulator: emulator.disconnect()):
            if disturb is not None:
                hub.disturb(disturb)
            _kill_after(200, daemon)
            daemon = start_daemon(configuration)
            daemon.wait_ready()
            assert daemon.event("state_restored")["snapshot"]
        published = hub.finish()
        until(lambda: _contained(daemon, published), "everything published is contained")
        assert daemon.stop() == 0
        judge = Judge(daemon.file)
        assert not judge.missing(hub.sent)
        assert judge.twice() == 0
        assert judge.out_of_order(hub.sent) == []
        assert judge.messages_counted() == dict.fromkeys(("arm_a", "arm_b"), published // 2)
        assert judge.differences() == []
        assert judge.replays_alike()


def _kill_after(processed: int, daemon: Daemon) -> None:
    until(lambda: daemon.messages("processed") > processed, "messages flow")
    daemon.process.send_signal(signal.SIGKILL)
    daemon.process.wait()


def _contained(daemon: Daemon, published: int) -> bool:
    """Whether the daemon has used so many messages of its one stream, in this life or an earlier one."""
    streams = daemon.json("/api/v1/streams")["streams"]
    return bool(sum(stream["messages"] for stream in streams) >= published)
