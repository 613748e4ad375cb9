"""What a hub should not hold: bodies that nothing can read. Refused, kept, counted, and without effect on all the rest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.chaos.hub import HUB, Hub
from tests.end_to_end.daemon import Daemon, settings, until
from tests.end_to_end.robots import joint_state
from twind.demo.places import cell_root
from twind.flow.dead_letters import read_letters
from twind_eventhubs.emulator import device_event, event

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = [f"joint_{number}" for number in range(1, 7)]


def good() -> bytes:
    return joint_state(time.time_ns(), NAMES, [0.1] * len(NAMES))


def test_bodies_that_nobody_can_read_are_refused_and_kept_and_the_rest_is_used(start_daemon: Callable[[Any], Daemon]) -> None:
    one, two = good(), good()
    bad = {
        b"\x00\xff\xfe garbage": 1,
        b"": 1,
        b"[" * 1000: 1,
        one[:-9]: 1,
        b"[" + one + b"," + b'{"name": 7}' + b"," + two + b"]": 1,  # what is good in it is used
        joint_state(time.time_ns(), NAMES, [float("nan")] * len(NAMES)): 0,  # read, and gated out as samples
    }
    oversize = b'{"padding": "' + b"x" * 300_000 + b'"}'

    with Hub(partitions=1) as hub:
        source = {
            "type": "eventhubs",
            "connection_string": hub.connection_string,
            "event_hub": HUB,
            "watch_s": 0.5,
            "routes": [{"topic": "{entity}", "codec": "joint_state"}],
        }
        daemon = start_daemon(settings(cell_root(), None, sources={"floor": source}))
        daemon.wait_ready()

        def append(body: bytes, device: str = "arm_a") -> None:
            hub.disturb(
                lambda emulator: emulator.namespace.hub(HUB).append(
                    [device_event(device, body, enqueued_ms=time.time_ns() // 1_000_000)]
                )
            )

        for body in (*bad, oversize):
            append(body)
        append(good(), "nobody")
        hub.disturb(lambda emulator: emulator.namespace.hub(HUB).append([event(good())]))  # without any topic
        append(good())
        events = len(bad) + 4
        until(lambda: daemon.metrics.total("twind_partition_events_total", source="floor") == events, "all events are read")
        until(lambda: daemon.messages("processed") + daemon.messages("refused") == events + 2, "all messages are judged")
        refused = daemon.metrics.by("twind_messages_refused_total", "reason")
        assert refused.pop("oversize") == 1
        assert refused.pop("unknown_entity") == 1  # of a robot that is not in the stage
        assert refused.pop("no_route") == 1  # of nobody
        assert sum(refused.values()) >= sum(bad.values())
        assert daemon.entity("arm_a")["joints"]["joint_1"]["status"] != "lost"
        assert daemon.ready
        assert daemon.metrics.total("twind_task_restarts_total") == 0
        assert daemon.stop() == 0
    letters = list(read_letters(daemon.folder / "state" / "dead-letters"))
    assert len(letters) == sum(refused.values()) + 3
    (long,) = [letter for letter in letters if letter.reason == "oversize"]
    assert long.payload_bytes == len(oversize)
    assert oversize.startswith(long.payload)
