"""Real daemons share a hub of eight partitions through a blob storage: a short run of `tests.chaos.sharing`."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.chaos.sharing import RATE_HZ, Group, hand_over_s, payload

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("by", ["folder", "blob"])
def test_daemons_join_leave_and_die_and_every_event_is_counted_once_by_one_writer(tmp_path: Path, by: str) -> None:
    with Group(tmp_path, by=by) as group:
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
