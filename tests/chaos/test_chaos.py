"""A short run of what `make chaos` does at length."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.chaos.faults import Fault, schedule
from tests.chaos.fields import FIELDS, MqttField
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
    others = (Fault.RESET, Fault.STEAL, Fault.BROKER, Fault.BUSY, Fault.DUPLICATE)
    result = Chaos(tmp_path, over="eventhubs", seed=3, kills=3, rate_hz=200.0, others=others).run()
    assert result.problems == []
    assert result.kills == 3
    assert result.recorded == result.sent > 200


def test_a_schedule_is_what_its_seed_says() -> None:
    first, again, other = (list(schedule(seed, kills=20, others=MqttField.faults)) for seed in (1, 1, 2))
    assert first == again != other
    assert sum(step.fault is Fault.KILL for step in first) == 20


@pytest.mark.parametrize("over", sorted(FIELDS))
def test_fifty_kills_meet_every_fault_that_a_source_can_have(over: str) -> None:
    everywhere = {
        Fault.KILL,
        Fault.STOP,
        Fault.FREEZE,
        Fault.RESET,
        Fault.HALF_OPEN,
        Fault.BROKER,
        Fault.DISK_FULL,
        Fault.THROTTLE,
    }
    of_hubs = {Fault.STEAL, Fault.BUSY, Fault.DUPLICATE}
    happen = {step.fault for step in schedule(1, kills=50, others=FIELDS[over].faults)}
    assert happen == everywhere | (of_hubs if over == "eventhubs" else set())
