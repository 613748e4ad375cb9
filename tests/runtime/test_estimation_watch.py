"""Events of the banks, and the figures that metrics and API show."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.runtime.cell import CELL, MS, START, Cell
from twind.runtime.figures import LiveFigures, other_stream_figures, stream_figures, stream_list
from twind.telemetry import events


def _of(found: list[Any], kind: type[events.Event]) -> list[Any]:
    return [event for event in found if type(event) is kind]


def test_a_reset_says_which_joint_moved_how_far() -> None:
    cell = Cell()
    for index in range(300):
        cell.joints(START + index * 10 * MS, [0.0, 0.5 if index < 250 else -0.25])
    (event,) = _of(cell.watch.new_events(), events.EstimateReset)
    assert (event.kind, event.entity, event.joint, event.count) == ("joint", "arm", "elbow", 1)
    assert event.distance == pytest.approx(0.75, abs=0.02)
    assert cell.watch.new_events() == []


def test_a_reset_of_a_pose_says_how_far_and_by_how_much_it_turned() -> None:
    cell = Cell()
    half = math.sqrt(0.5)
    for index in range(200):
        turned = index >= 150
        z, w = (half, half) if turned else (0.0, 1.0)
        pose = {"position": {"x": 2.0 * turned, "y": 0, "z": 0}, "orientation": {"x": 0, "y": 0, "z": z, "w": w}}
        cell.send("pose/crate", START + index * 20 * MS, pose=pose)
    (event,) = _of(cell.watch.new_events(), events.EstimateReset)
    assert (event.kind, event.entity, event.joint) == ("pose", "crate", "")
    assert event.distance == pytest.approx(2.0, abs=0.05)
    assert event.angle_rad == pytest.approx(math.pi / 2, abs=0.05)


@pytest.mark.parametrize("factor", [-1.0, 10.0])
def test_a_lying_velocity_channel_is_disabled_within_5_s_of_motion_and_told(factor: float) -> None:
    cell = Cell(joints={"use_velocity": True})
    found: list[Any] = []
    for index in range(1250):
        s = index * 0.004
        angle, rate = 0.4 * math.sin(1.3 * s) + 0.2 * math.sin(3.1 * s), 0.52 * math.cos(1.3 * s) + 0.62 * math.cos(3.1 * s)
        cell.joints(START + index * 4 * MS, [angle, angle], velocity=[factor * rate, rate])
        found += cell.watch.new_events()
    (event,) = _of(found, events.ChannelDisabled)
    assert (event.channel, event.entity, event.joint, event.count) == ("velocity", "arm", "shoulder", 1)
    assert cell.estimators.joints.channels.tolist() == [3, 2]


def test_velocities_that_are_not_to_be_used_have_no_channel() -> None:
    cell = Cell()
    for index in range(100):
        cell.joints(START + index * 4 * MS, [0.01 * index, 0.0], velocity=[-2.5, 0.0])
    assert cell.estimators.joints.channels.tolist() == [0, 0]


def test_a_lying_twist_is_told_when_it_is_left_out_and_when_it_is_used_again() -> None:
    cell = Cell()
    found: list[Any] = []
    for index in range(1200):
        s, stamp = index * 0.01, START + index * 10 * MS
        cell.pose(stamp, math.sin(s))
        sign = -1.0 if 200 <= index < 700 else 1.0
        twist = {"linear": {"x": sign * math.cos(s), "y": 0, "z": 0}, "angular": {"x": 0, "y": 0, "z": 0}}
        cell.send("twist/crate", stamp + 5 * MS, twist=twist)
        found += cell.watch.new_events()
    told = [event for event in found if isinstance(event, events.ChannelDisabled | events.ChannelRestored)]
    assert {event.channel for event in told} == {"twist"}
    assert {event.entity for event in told} == {"crate"}
    assert isinstance(told[0], events.ChannelDisabled)
    assert isinstance(told[-1], events.ChannelRestored)


def test_freezing_and_moving_again_are_told_once_for_all_joints() -> None:
    cell = Cell()
    found: list[Any] = []
    for index in range(900):
        angle = 0.5 * math.sin(0.008 * (index if index < 250 else max(250, index - 400)))
        cell.joints(START + index * 4 * MS, [angle, -angle])
        found += cell.watch.new_events()
    assert _of(found, events.SourceFrozen) == [events.SourceFrozen(entity="arm", joints=2)]
    assert _of(found, events.SourceMoving) == [events.SourceMoving(entity="arm", joints=2)]


def test_a_pose_that_freezes_is_told_and_so_is_that_it_goes_on() -> None:
    cell = Cell()
    found: list[Any] = []
    for index in range(450):
        cell.pose(START + index * 20 * MS, math.sin(0.02 * (index if index < 200 else max(200, index - 100))))
        found += cell.watch.new_events()
    assert _of(found, events.SourceFrozen) == [events.SourceFrozen(entity="crate", joints=0)]
    assert _of(found, events.SourceMoving) == [events.SourceMoving(entity="crate", joints=0)]


def test_velocities_of_joints_are_counted_where_they_are_listened_to() -> None:
    cell = Cell(joints={"use_velocity": True})
    for index in range(1500):
        s = index * 0.004
        cell.joints(START + index * 4 * MS, [math.sin(s), 0.0], velocity=[math.cos(s), 0.0])
    (joints,) = stream_figures(cell.estimators, 0, 10)
    assert joints.channels["velocity"].samples == joints.channels["position"].samples == 3000
    assert joints.channels["velocity"].verdicts["accepted"] > 1000
    assert joints.channels["velocity"].nis_expected == 1
    assert 0.0 <= joints.channels["velocity"].mean_nis < 2.0


def test_streams_show_what_became_of_their_samples_and_an_honest_one_is_within_its_band_of_expectation() -> None:
    cell = Cell()
    rng = np.random.default_rng(1)
    for index in range(400):
        cell.joints(START + index * 4 * MS, (1e-3 * rng.standard_normal(2)).tolist())
        cell.pose(START + index * 4 * MS, 0.0)
        cell.imu(START + index * 4 * MS)
    joints, pose, imu = stream_figures(cell.estimators, 0, 10)
    assert (joints.source, joints.topic, joints.entity, joints.messages) == ("floor", "joint_state/arm", "arm", 400)
    assert list(joints.channels) == ["position"]
    assert joints.channels["position"].samples == 800
    assert joints.channels["position"].verdicts["accepted"] > 790
    assert 0.3 < joints.channels["position"].mean_nis < 1.5
    assert joints.clock is not None
    assert joints.clock.shares_the_daemons_clock
    assert (list(pose.channels), list(imu.channels)) == (["pose"], ["imu"])
    assert imu.channels["imu"].nis_expected == 3
    assert imu.channels["imu"].noise_found is joints.channels["position"].noise_found is None
    assert pose.channels["pose"].noise_found == {"position": 1.0, "rotation": 1.0}
    others = other_stream_figures(cell.estimators, 1)
    assert others is not None
    assert (others.topic, others.messages, sorted(others.channels)) == ("other", 800, ["imu", "pose"])
    assert other_stream_figures(cell.estimators, 3) is None
    listed = stream_list(cell.estimators, 1)
    assert (listed["total"], listed["next"]) == (3, None)


def test_entities_show_age_sigma_limits_and_resets() -> None:
    cell = Cell()
    for index in range(50):
        cell.joints(START + index * 4 * MS, [0.1, 1.2])
    now = START + 300 * MS
    shown = cell.show(now, "arm")
    assert shown["joints"]["elbow"]["position"] == 1.0
    assert shown["joints"]["elbow"]["limited"] is True
    assert "limited" not in shown["joints"]["shoulder"]
    figures = LiveFigures(CELL, cell.estimators, update=lambda: cell.update, now_ns=lambda: now)
    arm, crate = figures.entities(0, 10)
    assert arm.age_s == pytest.approx(0.104)
    assert arm.joints_limited == 1
    assert 0.0 < arm.std["joint_rad"] < 0.1
    assert (math.isnan(crate.age_s), crate.std, crate.resets) == (True, {}, 0)
    both = figures.other_entities(0)
    assert both is not None
    assert (both.entity, both.joints_limited) == ("other", 1)
    assert figures.other_entities(2) is None
