"""Messages that were refused are used after all, once the cause is cured."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from tests.end_to_end.daemon import Daemon, settings, until
from tests.end_to_end.robots import joint_state
from twind.demo.places import cell_root
from twind_mqtt.publisher import connect

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = [f"joint_{number}" for number in range(1, 7)]
COUNT = 20


def dead_letters(daemon: Daemon, *arguments: str) -> str:
    command = [sys.executable, "-m", "twind", "dead-letters", arguments[0], daemon.file, *arguments[1:]]
    return subprocess.run(command, cwd=daemon.folder, check=True, capture_output=True, text=True, timeout=180).stdout


def test_refused_messages_are_tried_again_by_the_running_daemon_and_used_once_the_cause_is_cured(
    start_mosquitto: Callable[..., Any], start_daemon: Callable[[Any], Daemon]
) -> None:
    broker = start_mosquitto()
    wrong = [{"topic": "cell/{entity}/joint_state", "codec": "pose"}]
    daemon = start_daemon(settings(cell_root(), broker.url, source={"routes": wrong}))
    daemon.wait_ready()
    with connect(broker.url) as publisher:
        for number in range(COUNT):
            payload = joint_state(time.time_ns(), NAMES, [0.01 * number] * len(NAMES))
            publisher.publish("cell/arm_a/joint_state", payload, 1)

    def refused(times: int) -> bool:
        return (
            daemon.messages("refused") == times * COUNT
            and f"{COUNT} dead letters" in dead_letters(daemon, "list").splitlines()[-1]
        )

    until(lambda: refused(1), "the messages are refused and kept")
    # Not cured yet: they come back.
    assert json.loads(dead_letters(daemon, "retry", "--json")) == {"retried": COUNT, "cut": 0, "others": 0}
    assert daemon.event("dead_letters_retried")["count"] == COUNT
    until(lambda: refused(2), "they are refused again and kept again")
    assert daemon.stop() == 0

    daemon = start_daemon(settings(cell_root(), broker.url))
    daemon.wait_ready()
    assert daemon.messages("processed") == 0
    assert json.loads(dead_letters(daemon, "retry", "--json"))["retried"] == COUNT
    until(lambda: daemon.messages("processed") == COUNT, "they are used")
    until(lambda: daemon.entity("arm_a")["joints"]["joint_1"]["status"] != "lost", "the state is theirs")
    assert daemon.messages("refused") == 0
    assert dead_letters(daemon, "list").splitlines()[-1].startswith("0 dead letters")
    assert daemon.stop() == 0
