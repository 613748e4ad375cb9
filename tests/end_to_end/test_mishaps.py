"""What goes wrong in operation, as whoever is on call meets it: the log, `/readyz`, a metric; and the daemon stays up.

A daemon that ended would be started again, and again. What ends one is a configuration that is wrong (exit code 78), nothing
here. A disk that fills while it runs is in `test_disk_full.py`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

import pytest

from tests.chaos.hub import HUB, RULE, Hub
from tests.chaos.judge import Judge
from tests.end_to_end.daemon import Daemon, settings, until
from tests.end_to_end.robots import joint_state
from twind.demo.places import cell_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NAMES = [f"joint_{number}" for number in range(1, 7)]


def configuration(connection_string: str, **source: Any) -> dict[str, Any]:
    hub = {
        "type": "eventhubs",
        "connection_string": connection_string,
        "event_hub": HUB,
        "watch_s": 0.5,
        "connect_timeout_s": 60.0,
        "routes": [{"topic": "{entity}", "codec": "joint_state"}],
    }
    return settings(
        cell_root(),
        None,
        sources={"floor": hub | source},
        sinks={"recording": {"type": "mcap", "path": "recordings", "compression": "none"}},
        restart={"snapshot_s": 0.2},
        health={"source_grace_s": 0.2, "stage_grace_s": 3600.0},
    )


def publish(hub: Hub) -> None:
    hub.publish(("arm_a",), lambda stamp_ns: joint_state(stamp_ns, NAMES, [0.1] * 6), rate_hz=100.0, together=5)


def contained(daemon: Daemon, published: int) -> bool:
    """Whether the state contains so many messages, of this life or an earlier one."""
    return bool(sum(stream["messages"] for stream in daemon.json("/api/v1/streams")["streams"]) >= published)


def signature(hub: Hub, *, expires_s: float) -> str:
    """Return a connection string with a token in place of a key."""
    endpoint = hub.connection_string.partition(";")[0]
    resource, expiry = quote_plus(f"{endpoint.removeprefix('Endpoint=')}/{HUB}"), str(int(expires_s))
    digest = hmac.new(RULE.key.encode(), f"{resource}\n{expiry}".encode(), hashlib.sha256).digest()
    token = f"SharedAccessSignature sr={resource}&sig={quote_plus(base64.b64encode(digest))}&se={expiry}&skn={RULE.name}"
    return f"{endpoint};SharedAccessSignature={token};UseDevelopmentEmulator=true"


def says(daemon: Daemon, *words: str) -> None:
    """Wait until the log, `/readyz` and a metric say that the source is refused, and why, while the daemon lives on."""
    refused = daemon.event("source_refused")
    until(lambda: not daemon.ready, "readiness turns false")
    reasons = daemon.get("/readyz")[1].decode()
    for word in words:
        assert word in refused["reason"]
        assert word in reasons
    assert daemon.metrics.total("twind_source_refusals_total", source="floor") >= 1
    assert daemon.live
    assert daemon.metrics.total("twind_task_restarts_total") == 0


def test_a_wrong_key_is_said_and_tried_again_while_the_daemon_stays_up(start_daemon: Callable[[Any], Daemon]) -> None:
    with Hub(partitions=1) as hub:
        daemon = start_daemon(configuration(hub.connection_string.replace(RULE.key, "no such key")))
        says(daemon, f"refuses the key of the policy '{RULE.name}' in `connection_string`")
        assert "no such key" not in daemon.log
        assert daemon.stop() == 0


def test_a_wrong_password_of_a_broker_is_said_and_tried_again_while_the_daemon_stays_up(
    start_mosquitto: Callable[..., Any], start_daemon: Callable[[Any], Daemon]
) -> None:
    broker = start_mosquitto("allow_anonymous false")
    of_source = {"username": "twind", "password": "no such password"}
    daemon = start_daemon(settings(cell_root(), broker.url, source=of_source, health={"source_grace_s": 0.2}))
    says(daemon, "`username` and `password`")
    assert "no such password" not in daemon.log
    assert daemon.stop() == 0


def test_a_token_that_expires_while_it_is_used_is_said_and_what_was_read_stays(start_daemon: Callable[[Any], Daemon]) -> None:
    ahead_s = 0.0
    with Hub(partitions=1, now_s=lambda: time.time() + ahead_s) as hub:
        daemon = start_daemon(configuration(signature(hub, expires_s=time.time() + 3600)))
        daemon.wait_ready()
        publish(hub)
        until(lambda: daemon.messages("processed") > 0, "messages flow")
        ahead_s = 7200.0
        says(daemon, "has expired: renew the SharedAccessSignature in `connection_string`")
        ahead_s = 0.0  # as if it had been renewed
        until(lambda: daemon.ready, "readiness comes back")
        published = hub.finish()
        until(lambda: daemon.messages("processed") >= published, "everything published is processed")
        assert daemon.stop() == 0


def test_a_hub_that_is_deleted_is_said_and_read_again_when_it_is_back(start_daemon: Callable[[Any], Daemon]) -> None:
    with Hub(partitions=1) as hub:
        daemon = start_daemon(configuration(hub.connection_string))
        daemon.wait_ready()
        with deleted(hub):
            says(daemon, f"there is no hub at sb://127.0.0.1:{hub.port}/{HUB}: check `event_hub` and `connection_string`")
        until(lambda: daemon.ready, "readiness comes back")
        publish(hub)
        until(lambda: daemon.messages("processed") > 0, "messages flow")
        assert daemon.stop() == 0


@contextmanager
def deleted(hub: Hub) -> Iterator[None]:
    gone: list[Any] = []
    hub.disturb(lambda emulator: (gone.append(emulator.namespace.hubs.pop(HUB)), emulator.disconnect()))
    yield
    hub.disturb(lambda emulator: emulator.namespace.hubs.__setitem__(HUB, gone[0]))


@pytest.mark.parametrize(
    ("spoil", "reason", "words"),
    [
        (lambda content: content[: len(content) // 2], "unreadable", "it was cut off, or changed on the disk"),
        (lambda content: content[:8] + b"\x63\0\0\0" + content[12:], "newer", "it was written by a newer one"),
    ],
)
def test_a_snapshot_that_cannot_be_used_is_said_once_and_the_one_before_is_used(
    tmp_path: Path, start_daemon: Callable[[Any], Daemon], spoil: Callable[[bytes], bytes], reason: str, words: str
) -> None:
    with Hub(partitions=1) as hub:
        whole = configuration(hub.connection_string)
        daemon = start_daemon(whole)
        daemon.wait_ready()
        publish(hub)
        until(lambda: daemon.messages("processed") > 50, "messages flow")
        published = hub.finish()
        until(lambda: daemon.messages("processed") >= published, "everything published is processed")
        daemon.process.kill()
        daemon.ends()
        newest = max((tmp_path / "daemon" / "state" / "state").glob("state-*.snapshot"))
        newest.write_bytes(spoil(newest.read_bytes()))
        daemon = start_daemon(whole)
        refused = daemon.event("snapshot_refused")
        assert (refused["reason"], refused["file"]) == (reason, newest.name)
        assert words in refused["error"]
        daemon.wait_ready()
        assert daemon.metrics.total("twind_state_snapshots_refused_total", reason=reason) == 1
        assert newest.with_name(f"{newest.name}.{reason}").exists()
        assert daemon.stop() == 0
        daemon = start_daemon(whole)
        daemon.wait_ready()
        assert daemon.events("snapshot_refused") == []
        until(lambda: contained(daemon, published), "what was not recorded before the kill is read again")
        assert daemon.stop() == 0
        judge = Judge(daemon.file)
        assert judge.messages_counted() == {"arm_a": published}
        assert judge.differences() == []


def test_a_daemon_that_starts_on_a_full_disk_waits_for_room_and_says_so(
    tmp_path: Path, start_daemon: Callable[[Any], Daemon]
) -> None:
    state = tmp_path / "daemon" / "state"
    state.mkdir(parents=True)
    (state / ".generation-new").symlink_to("/dev/full")  # as long as it is there: the first try takes it away
    with Hub(partitions=1) as hub:
        daemon = start_daemon(configuration(hub.connection_string))
        held = daemon.event("start_held")
        assert "No space left on device; check `state_dir`" in held["error"]
        daemon.wait_ready()
        assert daemon.metrics.total("twind_start_held_total") == 1
        assert daemon.stop() == 0


def test_a_clock_that_is_set_back_and_ahead_is_said_and_changes_nothing_that_is_kept(tmp_path: Path) -> None:
    with (
        Hub(partitions=1) as hub,
        Daemon(tmp_path / "daemon", configuration(hub.connection_string), program="tests.end_to_end.set_clock") as daemon,
    ):
        daemon.wait_ready()
        publish(hub)
        for count, (number, seconds) in enumerate(((signal.SIGUSR1, 3600), (signal.SIGUSR2, -3600)), 1):
            _flows_on(daemon)
            daemon.process.send_signal(number)
            assert abs(daemon.event("wall_clock_set", count=count)["seconds"] - seconds) < 60
        _flows_on(daemon)
        assert daemon.metrics.total("twind_wall_clock_steps_total") == 2
        until(lambda: daemon.metrics.total("twind_state_snapshot_age_seconds") < 3.0, "the state is written down")
        assert daemon.ready
        published = hub.finish()
        until(lambda: daemon.messages("processed") >= published, "everything published is processed")
        daemon.process.kill()
        daemon.ends()
        with Daemon(tmp_path / "daemon", configuration(hub.connection_string)) as again:
            again.wait_ready()
            until(lambda: contained(again, published), "what was not recorded before the kill is read again")
            assert again.stop() == 0
        judge = Judge(daemon.file)
        assert not judge.missing(hub.sent)
        assert judge.twice() == 0
        assert judge.messages_counted() == {"arm_a": published}
        assert judge.differences() == []


def _flows_on(daemon: Daemon) -> None:
    before = daemon.messages("processed")
    until(lambda: daemon.messages("processed") > before + 20, "messages flow")
