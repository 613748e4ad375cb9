"""The broker goes away and comes back: what was published is processed, and the probes say what is so."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.end_to_end.daemon import Daemon, settings, until
from tests.end_to_end.robots import Player, Track
from twind.demo.places import cell_root

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAMES = tuple(f"joint_{number}" for number in range(1, 7))
HEALTH = {"source_grace_s": 1.0, "stage_grace_s": 1.0}
USED = ("accepted", "gated", "reset")
"""Verdicts on a sample that is newer than all before it; a message that comes twice gets others."""


def swaying(seconds: float, rate_hz: float = 200.0) -> Track:
    """Return a slow motion of the demo cell's first arm."""
    t_s = np.arange(0.0, seconds, 1.0 / rate_hz)
    return Track(NAMES, t_s, 0.2 * np.sin(t_s)[:, None] * np.linspace(0.5, 1.0, len(NAMES)))


@pytest.mark.parametrize(("end", "in_flight"), [("stop", 1), ("stop", 20_000), ("kill", 1)])
def test_a_broker_that_is_restarted_under_load_costs_nothing_at_qos_1(
    end: str, in_flight: int, tmp_path: Path, start_mosquitto: Callable[..., Any], start_daemon: Callable[[Any], Daemon]
) -> None:
    store = tmp_path / "store"
    store.mkdir(mode=0o777)
    # Written after each change: what the broker has acknowledged then survives even SIGKILL.
    broker = start_mosquitto(
        "persistence true", f"persistence_location {store}/", "autosave_on_changes true", "autosave_interval 1"
    )
    daemon = start_daemon(settings(cell_root(), broker.url, health=HEALTH))
    daemon.wait_ready()
    connects = int(daemon.metrics.total("twind_source_connects_total"))
    with Player(broker.url, "arm_a", swaying(60.0), in_flight=in_flight) as player:
        until(lambda: daemon.messages("processed") > 200, "messages flow")
        getattr(broker, end)()
        until(lambda: not daemon.ready, "readiness turns false while the broker is away")
        assert daemon.live
        status = daemon.json("/api/v1/status")
        assert not status["sources"][0]["connected"]
        assert "floor" in status["reasons"][0]
        broker.start()
        until(lambda: daemon.ready, "readiness comes back with the broker")
        before = daemon.messages("processed")
        until(lambda: daemon.messages("processed") > before + 200, "messages flow again")
        assert daemon.live
        published = player.finish()
    until(lambda: daemon.messages("processed") >= published, "everything published is processed")
    if in_flight == 1:
        # With more, paho lets new messages overtake those that it repeats, and what is overtaken is rightly too old.
        until(lambda: _used(daemon) >= published * len(NAMES), "every message is used, however often it came")
        assert _used(daemon) == published * len(NAMES)
    assert daemon.messages("refused") == 0
    assert daemon.messages("dropped") == 0
    assert daemon.metrics.total("twind_source_connects_total") >= connects + 1
    assert daemon.metrics.total("twind_task_restarts_total") == 0
    assert daemon.stop() == 0


def _used(daemon: Daemon) -> int:
    verdicts = daemon.metrics.by("twind_sample_verdicts_total", "verdict")
    return sum(verdicts.get(verdict, 0) for verdict in USED)


def test_a_broker_that_is_absent_at_the_start_is_found_when_it_appears(
    start_mosquitto: Callable[..., Any], start_daemon: Callable[[Any], Daemon]
) -> None:
    broker = start_mosquitto()
    broker.stop()
    daemon = start_daemon(settings(cell_root(), broker.url, health=HEALTH))
    daemon.event("daemon_ready")
    assert daemon.live
    assert daemon.get("/startupz")[0] == 200
    until(lambda: not daemon.ready, "readiness turns false after the grace")
    assert daemon.live
    broker.start()
    daemon.wait_ready()
    with Player(broker.url, "arm_a", swaying(0.5)) as player:
        published = player.wait()
    until(lambda: daemon.messages("processed") == published, "what is published is processed")
    assert daemon.stop() == 0


def test_a_snapshot_that_cannot_be_written_costs_readiness_until_it_can(
    mosquitto: Any, start_daemon: Callable[[Any], Daemon]
) -> None:
    daemon = start_daemon(settings(cell_root(), mosquitto.url, health=HEALTH))
    daemon.wait_ready()
    folder = daemon.folder / "live"

    def in_the_way() -> bool:
        """Put a file where the folder was; the daemon may be quicker and make the folder anew."""
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.touch(exist_ok=False)
        except FileExistsError:
            return False
        return True

    with Player(mosquitto.url, "arm_a", swaying(60.0)) as player:
        until(in_the_way, "a file stands in the way")
        until(lambda: not daemon.ready, "readiness turns false while the snapshot cannot be written")
        assert daemon.live
        assert any("stage" in reason for reason in daemon.json("/api/v1/status")["reasons"])
        assert daemon.metrics.total("twind_stage_write_failures_total", what="snapshot") > 0
        folder.unlink()
        until(lambda: daemon.ready, "readiness comes back after the repair")
        player.finish()
    assert daemon.metrics.total("twind_task_restarts_total") == 0
    assert daemon.stop() == 0
    assert (folder / "twin.usda").is_file()
    assert (folder / "live.usda").is_file()
