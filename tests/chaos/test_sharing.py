"""Real daemons share a hub of eight partitions through a blob storage: a short run of `tests.chaos.sharing`."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from tests.chaos.sharing import RATE_HZ, Group, hand_over_s, payload

if TYPE_CHECKING:
    from pathlib import Path


BALANCE_S = 0.5


def test_daemons_join_leave_and_die_and_every_event_is_counted_once_by_one_writer(tmp_path: Path) -> None:
    with Group(tmp_path, balance_s=BALANCE_S) as group:
        group.hub.publish(group.robots, payload, rate_hz=RATE_HZ)
        group.start("a")
        group.start("b")
        group.wait_shared("a", "b")
        group.shows_everything_by("a", "b")
        group.start("c")
        group.wait_shared("a", "b", "c")
        had, now_s = group.owners(), time.monotonic()
        group.end("b", signal.SIGKILL)
        hand_over_s(group, had, "b", now_s)
        group.wait_shared("a", "c")
        group.shows_everything_by("a", "c")
        group.end("a", signal.SIGTERM)
        group.wait_shared("c")
        group.shows_everything_by("c")
        group.judge()
        assert group.problems == []
        assert len(group.hub.sent) > len(group.robots) * RATE_HZ


def test_without_a_shared_volume_a_blob_container_does_the_same(tmp_path: Path) -> None:
    with Group(tmp_path, by="blob", balance_s=BALANCE_S) as group:
        group.hub.publish(group.robots, payload, rate_hz=RATE_HZ)
        group.start("a")
        group.start("b")
        group.wait_shared("a", "b")
        group.shows_everything_by("a", "b")
        group.end("a", signal.SIGKILL)
        group.wait_shared("b")
        group.shows_everything_by("b")
        group.judge()
        assert group.problems == []
        assert len(group.hub.sent) > len(group.robots) * RATE_HZ
