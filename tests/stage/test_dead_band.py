"""What is too small to be written, and that nothing is ever lost by it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twind.config.settings import DeadBandSettings
from twind.model.estimates import Status
from twind.model.time import NS_PER_S
from twind.model.topology import Pose
from twind.stage.live import LiveStage
from twind.stage.structure import LiveOptions
from twind.stage.synthetic import serial_robots
from twind.twin.state import Twin

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind.model.state import Update

START_NS = 1_800_000_000 * NS_PER_S
TICK_NS = NS_PER_S // 30
JOINT = "robot_0/joint_2"


def live_stage(*, robots: int = 1, objects: int = 0, **dead_band: float) -> LiveStage:
    options = LiveOptions(dead_band=DeadBandSettings(**dead_band))
    return LiveStage.over(serial_robots(robots, objects=objects), instance="t", options=options)


@pytest.fixture
def at(update_at: Callable[..., Update]) -> Callable[..., Update]:
    """Make the update of a tick."""

    def make(live: LiveStage, tick: int, positions: dict[str, float] | None = None, **fields: Any) -> Update:
        update = update_at(live.topology, positions, fields.pop("bases", None), seq=tick + 1)
        return replace(update, made_ns=START_NS + tick * TICK_NS, **fields)

    return make


def shown(live: LiveStage, name: str = JOINT) -> float:
    entity, joint = name.split("/")
    return live.read_back(entity).positions[joint]


def test_what_moves_less_than_the_dead_band_is_not_written_and_costs_no_notice(at: Callable[..., Update]) -> None:
    live = live_stage(rotation_rad=1e-3, position_m=1e-3)
    live.write(at(live, 0, {JOINT: 0.5}))
    assert live.write(at(live, 1, {JOINT: 0.5009})) == 0
    assert live.read_back("robot_0").seq == 1
    assert live.write(at(live, 2, {JOINT: 0.5011})) > 0
    assert shown(live) == pytest.approx(0.5011, abs=1e-6)
    live.close()


def test_small_steps_are_compared_with_what_was_written_so_they_never_add_up(at: Callable[..., Update]) -> None:
    live = live_stage(rotation_rad=1e-3, position_m=1.0, refresh_s=1e6)
    position, writes = 0.0, 0
    for tick in range(2000):
        position += 1e-5
        writes += live.write(at(live, tick, {JOINT: position})) > 0
        assert abs(shown(live) - position) <= 1e-3 + 1e-6
    assert writes == pytest.approx(2000 * 1e-5 / 1e-3, abs=3)
    live.close()


def test_an_entity_is_written_whole_so_that_its_values_belong_to_one_estimate(at: Callable[..., Update]) -> None:
    live = live_stage(rotation_rad=1e-3, position_m=1e-3)
    live.write(at(live, 0, {JOINT: 0.5, "robot_0/joint_3": 0.5}))
    live.write(at(live, 1, {JOINT: 0.7, "robot_0/joint_3": 0.5005}))
    assert shown(live) == pytest.approx(0.7, abs=1e-6)
    assert shown(live, "robot_0/joint_3") == pytest.approx(0.5005, abs=1e-6)
    live.close()


def test_one_entity_within_its_dead_band_does_not_hold_another_one_up(at: Callable[..., Update]) -> None:
    live = live_stage(robots=2, rotation_rad=1e-3, position_m=1e-3)
    live.write(at(live, 0))
    live.write(at(live, 1, {"robot_0/joint_1": 1e-4, "robot_1/joint_1": 0.2}))
    assert [live.read_back(f"robot_{number}").seq for number in range(2)] == [1, 2]
    live.close()


def test_what_comes_to_rest_within_the_dead_band_ends_at_its_exact_value_within_the_refresh_time(
    at: Callable[..., Update],
) -> None:
    live = live_stage(rotation_rad=1e-2, position_m=1e-2, refresh_s=0.5)
    live.write(at(live, 0, {JOINT: 0.5}))
    for tick in range(1, 17):
        live.write(at(live, tick, {JOINT: 0.5075}))
    assert shown(live) == pytest.approx(0.5075, abs=1e-7)
    live.close()


def test_a_change_of_quality_is_always_written_and_takes_the_exact_values_along(at: Callable[..., Update]) -> None:
    live = live_stage(rotation_rad=1.0, position_m=1.0)
    live.write(at(live, 0, {JOINT: 0.5}))
    live.write(at(live, 1, {JOINT: 0.6}, status=np.array([Status.STALE], np.uint8)))
    reading = live.read_back("robot_0")
    assert reading.quality == "stale"
    assert reading.positions["joint_2"] == pytest.approx(0.6, abs=1e-6)
    live.close()


@pytest.mark.parametrize(
    ("band", "pose", "far"),
    [
        ("position_m", Pose((0.0, 1.0009, 0.0)), Pose((0.0, 1.0011, 0.0))),
        ("rotation_rad", Pose((0.0, 1.0, 0.0), (1, 0, 0, 0.00045)), Pose((0.0, 1.0, 0.0), (-1, 0, 0, -0.00055))),
    ],
)
def test_objects_have_a_dead_band_in_metres_and_one_in_radians(
    at: Callable[..., Update], band: str, pose: Pose, far: Pose
) -> None:
    live = live_stage(robots=0, objects=1, **{"position_m": 1.0, "rotation_rad": 1.0, band: 1e-3})
    live.write(at(live, 0, bases={"part_0": Pose((0.0, 1.0, 0.0))}))
    assert live.write(at(live, 1, bases={"part_0": pose})) == 0
    assert live.write(at(live, 2, bases={"part_0": far})) > 0
    live.close()


def test_velocities_have_a_dead_band_of_their_own(at: Callable[..., Update]) -> None:
    live = live_stage(velocity_rad_s=0.1, velocity_m_s=0.1)
    update = at(live, 0)
    live.write(update)
    assert live.write(at(live, 1, joint_velocity=update.joint_velocity + 0.09)) == 0
    assert live.write(at(live, 2, joint_velocity=update.joint_velocity + 0.11)) > 0
    live.close()


def test_without_a_dead_band_every_change_is_written(at: Callable[..., Update]) -> None:
    live = live_stage(position_m=0, rotation_rad=0, velocity_m_s=0, velocity_rad_s=0)
    for tick in range(1, 5):
        assert live.write(at(live, tick, {JOINT: tick * 1e-6})) > 0
    live.close()


def test_a_clock_that_was_set_back_does_not_keep_anything_from_being_written(at: Callable[..., Update]) -> None:
    live = live_stage(rotation_rad=1e-2, position_m=1e-2)
    live.write(at(live, 300, {JOINT: 0.5}))
    live.write(at(live, 0, {JOINT: 0.501}))
    assert shown(live) == pytest.approx(0.501, abs=1e-6)
    live.close()


def test_of_a_moving_robot_only_the_values_that_differ_are_set() -> None:
    live = LiveStage.over(serial_robots(1, joints=7), instance="t")
    twin = Twin(live.topology, fresh_ns=NS_PER_S, coast_ns=2 * NS_PER_S, lost_ns=3 * NS_PER_S)
    values = []
    for tick in range(1, 40):
        q = np.zeros(live.topology.n_joints)
        q[-1] = 0.01 * tick
        now_ns = START_NS + tick * TICK_NS
        update = twin.advance(
            now_ns=now_ns,
            target_ns=np.array([now_ns]),
            sample_ns=np.array([now_ns - 1]),
            joint_position=q,
            joint_velocity=np.zeros_like(q),
            joint_std=np.zeros_like(q),
            joint_sample_ns=np.full(len(q), now_ns - 1),
            body_position=np.zeros((1, 3)),
            body_orientation=np.ones((1, 4)),
            body_position_std=np.zeros(1),
            body_rotation_std=np.zeros(1),
            posed=np.zeros(1, np.uint8),
        )
        assert update is not None
        values.append(live.write(update))
    # the last joint's position, its link's orientation, time and seq
    assert set(values[1:]) == {4}
    live.close()
