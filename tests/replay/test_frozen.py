"""Sources that freeze under fresh stamps, and channels that lie, as a replay shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twind.testing.recordings import joint_state
from twind.testing.recordings import write_recording as write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Bench

    from twind.testing.recordings import Message

T0 = 1_700_000_000_000_000_000
TOPIC = "cell/iiwa14/joint_state"


def _events(done: Any, kind: str) -> list[dict[str, Any]]:
    (stream,) = done.summary["streams"]
    return [event for event in stream["events"] if event["event"] == kind]


def _frozen_from(messages: list[Message], cut: int, rows: list[list[float]], rate_hz: float, seconds: float) -> list[Message]:
    """Return the messages up to one, and then the same numbers under new stamps."""
    at, topic, _ = messages[cut]
    period = round(1e9 / rate_hz)
    repeated = [
        (at + k * period, topic, joint_state(at - 2_000_000 + k * period, *rows[cut])) for k in range(1, int(seconds * rate_hz))
    ]
    return [*messages[: cut + 1], *repeated]


def _assert_told_and_stale(done: Any, froze_ns: int) -> None:
    (event,) = _events(done, "source_frozen")
    assert 0 < event["stamp_ns"] - froze_ns <= 1_000_000_000
    late = [row for row in done.joints if int(row["sample_ns"]) > froze_ns + 1_000_000_000]
    assert late
    assert {row["status"] for row in late} == {"stale"}


@pytest.mark.parametrize(("rate_hz", "quantum"), [(50, 1e-4), (100, 1e-5)])
def test_a_slow_arm_that_freezes_is_told_within_a_second_and_shown_stale(
    data_dir: Path, tmp_path: Path, bench: Callable[[Path], Bench], rate_hz: int, quantum: float
) -> None:
    rng = np.random.default_rng(11)
    arm = bench(data_dir / "robots" / "iiwa14" / "iiwa14.usda")
    for trial in range(3):
        t = np.arange(4 * rate_hz) / rate_hz
        rate, phase = rng.uniform(0.3, 0.8, 7), rng.uniform(0.0, 6.28, 7)
        z = rng.uniform(0.1, 0.3, 7) / rate * np.sin(rate * t[:, None] + phase)
        rows = (np.round(z / quantum) * quantum).tolist()
        messages = [
            (T0 + int(s * 1e9) + 2_000_000, TOPIC, joint_state(T0 + int(s * 1e9), *row)) for s, row in zip(t, rows, strict=True)
        ]
        honest = arm.replay(write(tmp_path / f"honest-{trial}.mcap", messages))
        assert _events(honest, "source_frozen") == []
        cut = int(rng.integers(2 * rate_hz, 3 * rate_hz))
        frozen = _frozen_from(messages, cut, rows, rate_hz, 2.0)
        _assert_told_and_stale(arm.replay(write(tmp_path / f"{trial}.mcap", frozen)), messages[cut][0])


@pytest.mark.parametrize("log", ["sys_id_01", "sys_id_03"])
def test_a_real_log_that_is_frozen_in_motion_is_told_within_a_second_and_shown_stale(
    pendulum: Bench, swing: Callable[[str], list[Message]], tmp_path: Path, log: str
) -> None:
    messages = swing(log)
    rows = [json.loads(payload)["position"] for _, _, payload in messages]
    for cut in (1300, 2500):
        frozen = _frozen_from(messages[: cut + 1], cut, rows, 500.0, 2.0)
        _assert_told_and_stale(pendulum.replay(write(tmp_path / f"{cut}.mcap", frozen)), messages[cut][0])
    assert _events(pendulum.replay(write(tmp_path / "honest.mcap", messages)), "source_frozen") == []


def test_a_disabled_effort_is_an_event_and_its_samples_are_counted(
    pendulum: Bench, swing: Callable[[str], list[Message]], tmp_path: Path
) -> None:
    pendulum.config.write_text(pendulum.config.read_text() + "estimation: {joints: {use_effort: true}}\n")
    messages = []
    for at, topic, payload in swing("sys_id_03")[:3000]:
        document = json.loads(payload) | {"effort": [0.0, 0.0]}
        messages.append((at, topic, json.dumps(document).encode()))
    done = pendulum.replay(write(tmp_path / "zeros.mcap", messages))
    assert {(event["channel"]) for event in _events(done, "channel_disabled")} == {"effort"}
    channel = done.summary["streams"][0]["channels"]["effort"]
    assert channel["samples"] == 6000
    assert channel["verdicts"]["gated"] > 0
