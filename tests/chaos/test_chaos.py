"""A short run of what `make chaos` does at length."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.chaos.faults import Fault, schedule
from tests.chaos.fields import MqttField
from tests.chaos.run import Chaos

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.skipif(
    shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin") is None, reason="mosquitto is not installed here"
)
def test_kills_and_other_faults_under_load_lose_nothing_and_count_nothing_twice(tmp_path: Path) -> None:
    others = (Fault.RESET, Fault.DISK_FULL, Fault.HALF_OPEN, Fault.FREEZE, Fault.BROKER)
    result = Chaos(tmp_path, over="mqtt", seed=8, kills=3, rate_hz=200.0, others=others).run()
    assert result.problems == []
    assert result.kills == 3
    assert result.recorded == result.sent > 200


def test_kills_and_faults_of_a_hub_lose_nothing_and_count_nothing_twice(tmp_path: Path) -> None:
    others = (Fault.RESET, Fault.STEAL, Fault.BUSY, Fault.DUPLICATE)
    result = Chaos(tmp_path, over="eventhubs", seed=3, kills=3, rate_hz=200.0, others=others).run()
    assert result.problems == []
    assert result.kills == 3
    assert result.recorded == result.sent > 200


def test_a_schedule_is_what_its_seed_says() -> None:
    first, again, other = (list(schedule(seed, kills=20, others=MqttField.faults)) for seed in (1, 1, 2))
    assert first == again != other
    assert sum(step.fault is Fault.KILL for step in first) == 20
    assert len({step.fault for step in first}) > 4
