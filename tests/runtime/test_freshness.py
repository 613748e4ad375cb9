"""What looks fresh is fresh: frozen sources and poses that stopped are shown stale."""

from __future__ import annotations

import math

import pytest

from tests.runtime.cell import MS, START, Cell


def test_a_source_that_freezes_in_motion_is_shown_stale_within_a_second_and_comes_back() -> None:
    cell = Cell()
    now, angle, stale_after = START, 0.0, math.inf
    for index in range(750):
        now = START + index * 4 * MS
        angle = 0.5 * math.sin(2.0 * min(index, 250) * 0.004)
        cell.joints(now, [angle, 0.3 * angle])
        shown = cell.show(now + 2 * MS, "arm")
        if index < 250:
            assert shown["status"] == "ok"
        elif shown["status"] == "stale":
            stale_after = min(stale_after, (index - 250) * 0.004)
    assert stale_after < 1.0
    assert {joint["status"] for joint in shown["joints"].values()} == {"stale"}
    assert shown["age_ms"] == pytest.approx(2000, abs=10)
    assert shown["joints"]["shoulder"]["position"] == pytest.approx(angle, abs=5e-3)
    for index in range(250):
        now += 4 * MS
        cell.joints(now, [angle + 0.5 * math.sin(0.008 * index), 0.3 * angle])
    assert cell.show(now + 2 * MS, "arm")["status"] == "ok"


@pytest.mark.parametrize("inertial", [False, True])
def test_a_body_whose_poses_stop_while_its_imu_goes_on_is_stale_and_its_sigma_is_as_of_now(*, inertial: bool) -> None:
    cell = Cell(poses={"inertial": inertial})
    now = START
    for index in range(600):
        now = START + index * 5 * MS
        cell.imu(now)
        if index % 5 == 0 and index < 300:
            cell.pose(now + MS, 0.0)
        if index == 299:
            assert cell.show(now + 2 * MS, "crate")["status"] == "ok"
    shown = cell.show(now + 2 * MS, "crate")
    assert shown["status"] == "stale"
    assert shown["age_ms"] == pytest.approx(1520, abs=30)
    assert shown["stamp_ns"] == now
    cell.pose(now + 5 * MS, 0.0)
    assert cell.show(now + 7 * MS, "crate")["status"] == "ok"


def test_an_attitude_without_any_pose_goes_by_its_imu() -> None:
    cell = Cell()
    for index in range(100):
        cell.imu(START + index * 5 * MS)
    assert cell.estimators.poses.live_ns[1] == START + 99 * 5 * MS
    assert cell.estimators.predict(START + 500 * MS, 0).posed.tolist() == [0, 0]


@pytest.mark.parametrize("stops", ["base", "joints"])
def test_a_robot_with_a_floating_base_is_stale_when_either_its_base_or_its_joints_stop(stops: str) -> None:
    cell = Cell()
    now = START
    for index in range(600):
        now = START + index * 5 * MS
        if index < 300 or stops != "joints":
            cell.joints(now, [0.1 * math.sin(0.01 * index), 0.0])
        if index < 300 or stops != "base":
            cell.pose(now, 0.001 * index, entity="arm")
        if index == 299:
            assert cell.show(now + 2 * MS, "arm")["status"] == "ok"
    shown = cell.show(now + 2 * MS, "arm")
    assert shown["status"] == "stale"
    assert shown["age_ms"] == pytest.approx(1500, abs=30)
    assert shown["stamp_ns"] == now
