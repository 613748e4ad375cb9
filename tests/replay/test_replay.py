"""Replay predicts from only what had arrived, and says the same each time."""

from __future__ import annotations

import csv
import json
import math
import random
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twind.runtime.replay import sampler
from twind.testing.recordings import joint_state, pose
from twind.testing.recordings import write_recording as write

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Bench, Results

    from twind.testing.recordings import Message

    Swing = Callable[[str], list[Message]]

T0 = 1_700_000_000_000_000_000
MS = 1_000_000


def _flight(seconds: float, *, rate_hz: int = 100, speed: float = 0.4) -> list[Message]:
    """A crate that moves along X at constant speed."""
    found = []
    for index in range(int(seconds * rate_hz)):
        t = index / rate_hz
        stamp = T0 + round(t * 1e9)
        found.append((stamp + 3 * MS, "cell/crate/pose", pose(stamp, speed * t, 1.0, 2.0)))
    return found


def test_the_files_have_the_columns_and_the_grid_that_were_promised(crate: Bench, tmp_path: Path) -> None:
    done = crate.replay(write(tmp_path / "a.mcap", _flight(2.0)), sample_hz=20, horizon_ms=50)
    assert done.texts["joints.csv"] == "sample_ns,target_ns,entity,joint,position,velocity,position_std,age_ms,status\n"
    header = "sample_ns,target_ns,entity,px,py,pz,qw,qx,qy,qz,position_std,rotation_std,age_ms,status"
    assert done.texts["bodies.csv"].splitlines()[0] == header
    first = T0 + 3 * MS
    assert [int(row["sample_ns"]) - first for row in done.bodies] == [index * 50 * MS for index in range(40)]
    assert {int(row["target_ns"]) - int(row["sample_ns"]) for row in done.bodies} == {50 * MS}
    last = done.bodies[-1]
    assert (last["entity"], last["status"]) == ("crate", "ok")
    assert float(last["age_ms"]) == pytest.approx(3.0)
    t = (int(last["target_ns"]) - T0) / 1e9
    assert float(last["px"]) == pytest.approx(0.4 * t, abs=1e-3)
    assert (float(last["py"]), float(last["qw"])) == (pytest.approx(1.0), pytest.approx(1.0))


def test_the_summary_counts_every_message_and_names_every_stream(crate: Bench, tmp_path: Path) -> None:
    messages = _flight(1.0)
    at = messages[50][0]
    messages[50:50] = [(at, "cell/crate/pose", b"{"), (at, "cell/ghost/pose", pose(at, 0, 0, 0)), (at, "elsewhere", b"")]
    summary = crate.replay(write(tmp_path / "a.mcap", messages)).summary
    assert (summary["messages"], summary["instants"], summary["sample_hz"], summary["horizon_ms"]) == (103, 50, 50.0, 100.0)
    assert summary["recordings"] == [{"file": "a.mcap", "complete": True, "damaged": 0}]
    by_topic = {stream["topic"]: stream for stream in summary["streams"]}
    stream = by_topic["cell/crate/pose"]
    assert (stream["source"], stream["entity"], stream["messages"]) == ("floor", "crate", 101)
    assert stream["refused"] == {"undecodable": 1}
    channel = stream["channels"]["pose"]
    assert channel["samples"] == sum(channel["verdicts"].values()) == 100
    assert channel["verdicts"]["accepted"] == 100
    assert channel["nis_expected"] == 6
    assert channel["mean_nis"] >= 0
    assert sorted(channel["noise_found"]) == ["position", "rotation"]
    assert stream["clock"]["shares_the_daemons_clock"] is True
    assert by_topic["cell/ghost/pose"]["refused"] == {"unknown_entity": 1}
    assert by_topic["elsewhere"]["refused"] == {"no_route": 1}


def test_a_recorded_report_of_a_clock_places_the_stamps_of_its_entity(crate: Bench, tmp_path: Path) -> None:
    ahead = 5_000 * MS
    late = [(at + 20 * MS, topic, pose(at - 3 * MS + ahead, 1.0, 1.0, 2.0)) for at, topic, _ in _flight(4.0)]
    report = (late[200][0], "cell/crate/clock", b'{"offset_s": 5.0, "error_s": 1e-4}')
    done = crate.replay(write(tmp_path / "a.mcap", [*late[:200], report, *late[200:]]), sample_hz=100)
    ages = [float(row["age_ms"]) for row in done.bodies]
    assert ages[100] == pytest.approx(0.0)  # one-way stamps do not show that messages take 23 ms
    assert ages[-1] == pytest.approx(23.0, abs=0.1)
    streams = {stream["topic"]: stream for stream in done.summary["streams"]}
    assert streams["cell/crate/pose"]["clock"]["two_ways"] == 1
    assert streams["cell/crate/pose"]["clock"]["offset_s"] == pytest.approx(-5.0, abs=1e-4)
    assert (streams["cell/crate/clock"]["messages"], streams["cell/crate/clock"]["channels"]) == (1, {})


def test_silence_is_coasted_then_held_and_gets_stale(crate: Bench, tmp_path: Path) -> None:
    messages = _flight(8.0)
    silent = [message for message in messages if not T0 + 1_000 * MS < message[0] < T0 + 7_500 * MS]
    rows = crate.replay(write(tmp_path / "a.mcap", silent), sample_hz=10).bodies
    statuses = [row["status"] for row in rows if int(row["sample_ns"]) < T0 + 7_400 * MS]
    order = ["ok", "coasting", "stale", "lost"]
    assert statuses == sorted(statuses, key=order.index)
    assert set(statuses) == set(order)
    held = [float(row["px"]) for row in rows if row["status"] == "stale"]
    assert max(held) - min(held) < 1e-9
    spread = [float(row["position_std"]) for row in rows if row["status"] in ("coasting", "stale")]
    assert spread == sorted(spread)


def test_nothing_is_sampled_in_the_months_between_two_recordings(crate: Bench, tmp_path: Path) -> None:
    month = 30 * 24 * 3600 * 10**9
    later = [(stamp + month, topic, pose(stamp + month, 0, 0, 0)) for stamp, topic, _ in _flight(1.0)]
    paths = [write(tmp_path / "a.mcap", _flight(1.0)), write(tmp_path / "b.mcap", later)]
    done = crate.replay(*paths, sample_hz=10)
    assert 600 < done.summary["instants"] < 640
    assert done.summary["messages"] == 200
    offsets = [(int(row["sample_ns"]) - T0 - 3 * MS) % (100 * MS) for row in done.bodies]
    assert set(offsets) == {0}  # still the same grid


def test_two_runs_give_the_same_bytes(pendulum: Bench, swing: Swing, tmp_path: Path) -> None:
    path = write(tmp_path / "a.mcap", swing("sys_id_03"))
    one, other = pendulum.replay(path), pendulum.replay(path)
    assert one.texts == other.texts
    assert len(one.joints) == 1000


def test_how_many_rows_are_written_at_a_time_does_not_matter(
    pendulum: Bench, swing: Swing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = write(tmp_path / "a.mcap", swing("sys_id_03"))
    at_once = pendulum.replay(recording)
    monkeypatch.setattr(sampler, "_MAX_ROWS", 7)
    assert pendulum.replay(recording).texts == at_once.texts


def test_what_arrives_later_changes_nothing_that_was_written_before(pendulum: Bench, swing: Swing, tmp_path: Path) -> None:
    messages = swing("sys_id_03")[:1500]
    rng = random.Random(3)  # noqa: S311  (test data)
    whole = pendulum.replay(write(tmp_path / "whole.mcap", messages)).joints
    for cut in rng.sample(range(100, 1400), 3):
        at = messages[cut][0]
        altered = [(stamp, topic, joint_state(stamp - 2 * MS, rng.uniform(-3, 3), 1e282)) for stamp, topic, _ in messages[cut:]]
        rows = pendulum.replay(write(tmp_path / "altered.mcap", messages[:cut] + altered)).joints
        before = [row for row in whole if int(row["sample_ns"]) < at]
        assert len(before) > 10
        assert rows[: len(before)] == before
        assert rows[len(before) :] != whole[len(before) :]


def test_how_recordings_are_cut_and_merged_does_not_matter(pendulum: Bench, swing: Swing, tmp_path: Path) -> None:
    messages = swing("sys_id_01")[:2000]
    whole = pendulum.replay(write(tmp_path / "whole.mcap", messages))
    shuffled = messages.copy()
    random.Random(4).shuffle(shuffled)  # noqa: S311  (test data)
    parts = [write(tmp_path / f"part-{index}.mcap", shuffled[index::3]) for index in range(3)]
    merged = pendulum.replay(*parts)
    assert merged.texts["joints.csv"] == whole.texts["joints.csv"]
    (one,), (other,) = merged.summary["streams"], whole.summary["streams"]
    nis = one["channels"]["position"].pop("mean_nis"), other["channels"]["position"].pop("mean_nis")
    assert nis[0] == pytest.approx(nis[1])  # summed in another order
    assert one == other


def test_a_recording_that_names_no_source_or_an_unknown_one_goes_by_its_topics(
    pendulum: Bench, swing: Swing, tmp_path: Path
) -> None:
    messages = swing("sys_id_03")[:300]
    texts = {
        pendulum.replay(write(tmp_path / "a.mcap", messages, source=source)).texts["joints.csv"]
        for source in ("floor", "", "other")
    }
    assert len(texts) == 1


def test_a_window_is_replayed_as_if_nothing_had_been_before_it(pendulum: Bench, swing: Swing, tmp_path: Path) -> None:
    messages = swing("sys_id_03")
    start, end = messages[700][0], messages[1400][0]
    window = pendulum.replay(write(tmp_path / "a.mcap", messages), from_ns=start, to_ns=end)
    alone = pendulum.replay(write(tmp_path / "b.mcap", messages[700:1401]))
    assert window.texts["joints.csv"] == alone.texts["joints.csv"]
    assert window.summary["messages"] == 701


def test_the_prediction_of_a_real_pendulum_beats_the_last_value(
    pendulum: Bench, swing: Swing, tmp_path: Path, data_dir: Path
) -> None:
    path = write(tmp_path / "a.mcap", swing("sys_id_03"))
    with (data_dir / "logs" / "double_pendulum" / "sys_id_03.csv").open() as file:
        log = list(csv.DictReader(file))
    stamps = np.array([T0 + round(float(row["time"]) * 1e9) for row in log])
    rows = pendulum.replay(path).joints
    ours, holds = [], []
    for number in (1, 2):
        truth = np.array([float(row[f"pos_meas{number}"]) for row in log])
        for row in rows:
            target = int(row["target_ns"])
            if row["joint"] == f"Joint{number}" and target < stamps[-1]:
                newest = int(row["sample_ns"]) - float(row["age_ms"]) * MS
                real = np.interp(target, stamps, truth)
                ours.append(float(row["position"]) - real)
                holds.append(np.interp(newest, stamps, truth) - real)
    assert np.sqrt(np.mean(np.square(ours))) < 0.5 * np.sqrt(np.mean(np.square(holds)))


def test_garbage_is_counted_and_disturbs_nothing(pendulum: Bench, swing: Swing, tmp_path: Path) -> None:
    messages = swing("sys_id_03")[:600]
    clean = pendulum.replay(write(tmp_path / "clean.mcap", messages))
    noisy: list[Any] = []
    for index, message in enumerate(messages):
        noisy.append(message)
        if index % 7 == 0:
            noisy.append((message[0], message[1], b'{"position": "no"}'))
    done = pendulum.replay(write(tmp_path / "noisy.mcap", noisy))
    assert done.texts["joints.csv"] == clean.texts["joints.csv"]
    (stream,) = done.summary["streams"]
    assert sum(stream["refused"].values()) == 86
    assert stream["messages"] == 686
    assert stream["first_refusal"]


def test_an_empty_recording_gives_empty_files(crate: Bench, tmp_path: Path) -> None:
    done = crate.replay(write(tmp_path / "a.mcap", []))
    assert (done.joints, done.bodies, done.summary["streams"]) == ([], [], [])
    assert done.summary["first_ns"] is None


def test_resets_stand_in_the_summary_with_their_stamps(crate: Bench, tmp_path: Path) -> None:
    jump = [
        (stamp, topic, pose(stamp - 3 * MS, 5.0, 0.0, 0.0)) if index >= 100 else (stamp, topic, payload)
        for index, (stamp, topic, payload) in enumerate(_flight(2.0))
    ]
    (stream,) = crate.replay(write(tmp_path / "a.mcap", jump)).summary["streams"]
    assert stream["resets"] == 1
    (event,) = [event for event in stream["events"] if event["event"] == "estimate_reset"]
    assert jump[100][0] <= event["stamp_ns"] <= jump[110][0]
    assert (event["channel"], event["entity"]) == ("pose", "crate")
    assert event["distance"] == pytest.approx(math.dist((0.4, 1.0, 2.0), (5.0, 0.0, 0.0)), abs=0.05)


def _swinging(joints: Callable[[float], tuple[float, float]], *, stamp_step_s: float = 0.0) -> list[Message]:
    """Eight seconds of a two-joint robot at 100 Hz, whose clock is set after four."""
    found = []
    for index in range(800):
        received = T0 + index * 10 * MS
        stamp = received - 2 * MS + (round(stamp_step_s * 1e9) if index >= 400 else 0)
        found.append((received, "cell/double_pendulum/joint_state", joint_state(stamp, *joints(index * 0.01))))
    return found


def _moving(s: float) -> tuple[float, float]:
    return 0.8 * math.sin(2.0 * s), 0.6 * math.sin(3.0 * s)


def _events(done: Results) -> list[tuple[str, float]]:
    (stream,) = done.summary["streams"]
    return [(event["event"], (event["stamp_ns"] - T0) / 1e9) for event in stream["events"]]


@pytest.mark.parametrize("sample_hz", [50.0, 0.5])
def test_a_source_that_freezes_stands_in_the_summary_and_is_shown_stale(
    pendulum: Bench, tmp_path: Path, sample_hz: float
) -> None:
    done = pendulum.replay(write(tmp_path / "a.mcap", _swinging(lambda s: _moving(min(s, 4.0)))), sample_hz=sample_hz)
    ((name, at_s),) = _events(done)
    assert name == "source_frozen"
    assert 4.0 < at_s < 5.0
    assert done.joints[-1]["status"] == "stale"


@pytest.mark.parametrize(("factor", "expected"), [(-1.0, ["channel_disabled"]), (10.0, ["channel_disabled"]), (1.0, [])])
def test_velocities_that_lie_stand_in_the_summary(pendulum: Bench, tmp_path: Path, factor: float, expected: list[str]) -> None:
    pendulum.config.write_text(pendulum.config.read_text() + "estimation: {joints: {use_velocity: true}}\n")
    messages = []
    for received, topic, payload in _swinging(_moving):
        s = (received - T0) / 1e9
        rates = [factor * 1.6 * math.cos(2.0 * s), factor * 1.8 * math.cos(3.0 * s)]
        messages.append((received, topic, json.dumps({**json.loads(payload), "velocity": rates}).encode()))
    found = _events(pendulum.replay(write(tmp_path / "a.mcap", messages)))
    assert [name for name, _ in found] == expected
    assert all(at_s < 5.0 for _, at_s in found)


@pytest.mark.parametrize("step_s", [-3600.0, 3600.0])
def test_a_clock_that_is_set_stands_in_the_summary_and_is_followed(pendulum: Bench, tmp_path: Path, step_s: float) -> None:
    done = pendulum.replay(write(tmp_path / "a.mcap", _swinging(_moving, stamp_step_s=step_s)), horizon_ms=0.0)
    ((name, at_s),) = _events(done)
    assert name == "clock_step"
    assert 4.0 < at_s < 6.0
    assert done.joints[-1]["status"] == "ok"
    for row in done.joints:
        s = (int(row["target_ns"]) - T0) / 1e9
        if row["joint"] == "Joint1" and s > 6.0:
            assert float(row["position"]) == pytest.approx(_moving(s)[0], abs=0.02)


def test_a_twist_that_lies_stands_in_the_summary_at_its_own_stream(crate: Bench, tmp_path: Path) -> None:
    flight = _flight(3.0)
    lies = [
        (stamp, "cell/crate/twist", json.dumps({"stamp": stamp - 3 * MS, "linear": backwards, "angular": still}).encode())
        for backwards, still in [({"x": -0.4, "y": 0, "z": 0}, {"x": 0, "y": 0, "z": 0})]
        for stamp, _, _ in flight
    ]
    done = crate.replay(write(tmp_path / "a.mcap", [*flight, *lies]))
    found = {stream["topic"]: [event["event"] for event in stream["events"]] for stream in done.summary["streams"]}
    assert found == {"cell/crate/pose": [], "cell/crate/twist": ["channel_disabled"]}
