"""A disk that takes nothing: the daemon says so, acknowledges nothing, and goes on when there is room."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING, Any

from tests.end_to_end.daemon import Daemon, settings, until
from tests.end_to_end.robots import Player
from tests.end_to_end.test_outages import swaying
from twind.demo.places import cell_root

if TYPE_CHECKING:
    from collections.abc import Callable

UNLIMITED = resource.RLIM_INFINITY


def test_readiness_turns_false_while_the_recording_cannot_be_written_and_comes_back(
    start_mosquitto: Callable[..., Any], start_daemon: Callable[[Any], Daemon]
) -> None:
    broker = start_mosquitto()
    recording = {"recording": {"type": "mcap", "path": "recordings", "compression": "none"}}
    configuration = settings(
        cell_root(), broker.url, sinks=recording, health={"recording_grace_s": 0.5, "stage_grace_s": 3600.0}
    )
    daemon = start_daemon(configuration)
    daemon.wait_ready()
    with Player(broker.url, "arm_a", swaying(60.0)) as player:
        until(lambda: daemon.messages("processed") > 20, "messages flow")
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (0, UNLIMITED))
        until(lambda: not daemon.ready, "readiness turns false")
        assert daemon.live
        (reason,) = daemon.json("/api/v1/status")["reasons"]
        assert reason.startswith("recording 'recording' could not be written for")
        assert "nothing is acknowledged meanwhile" in reason
        assert daemon.metrics.total("twind_recording_write_failures_total", sink="recording") >= 1
        resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (UNLIMITED, UNLIMITED))
        until(lambda: daemon.ready, "readiness comes back")
        published = player.finish()
    until(lambda: daemon.messages("processed") >= published, "everything published is processed")
    assert daemon.metrics.total("twind_recording_messages_lost_total") == 0
    assert daemon.stop() == 0
