"""Synthetic motion: continuous, within limits, the same everywhere; and sensors that fall short as told."""

from __future__ import annotations

import math

import numpy as np
import pytest

from twind.model.topology import Joint, JointKind, Link, Mimic, Pose, RigidObject, Robot, Topology
from twind.sources.imperfections import PERFECT, Imperfections, Sensor
from twind.sources.paths import Ellipse, Shuttle
from twind.sources.synthetic import SyntheticMotion

STEP_S = 1e-4
TIMES = np.arange(0.0, 20.0, STEP_S)
RADIUS, HALF_TRACK = 0.1, 0.25
ABOUT_Y = (math.sqrt(0.5), 0.0, 0.0, math.sqrt(0.5))
"""Turns a joint frame's X to the base's Y."""


def links(name: str, count: int) -> tuple[Link, ...]:
    return tuple(Link(f"l{index}", f"/{name}/l{index}") for index in range(count))


ARM = Robot(
    "arm",
    "/arm",
    links("arm", 7),
    (
        Joint("free", "/arm/free", JointKind.REVOLUTE, 2, 0, 1),
        Joint("narrow", "/arm/narrow", JointKind.REVOLUTE, 2, 1, 2, lower=0.3, upper=0.4, velocity_limit=0.05),
        Joint("slow", "/arm/slow", JointKind.CONTINUOUS, 0, 2, 3, velocity_limit=0.1),
        Joint("weld", "/arm/weld", JointKind.FIXED, 0, 3, 4),
        Joint("finger", "/arm/finger", JointKind.PRISMATIC, 1, 4, 5, lower=0.0, upper=0.04, velocity_limit=0.2),
        Joint("other", "/arm/other", JointKind.PRISMATIC, 1, 4, 6, lower=-0.04, upper=0.0, mimic=Mimic(4, -1.0)),
    ),
)
CART = Robot(
    "cart",
    "/cart",
    links("cart", 3),
    (
        Joint("left", "/cart/left", JointKind.CONTINUOUS, 1, 0, 1, Pose((0.0, HALF_TRACK, RADIUS))),
        Joint("right", "/cart/right", JointKind.CONTINUOUS, 0, 0, 2, Pose((0.0, -HALF_TRACK, RADIUS), ABOUT_Y)),
    ),
    floating=True,
)
CELL = Topology("", (ARM, CART), (RigidObject("box", "/box", Pose((1.0, 2.0, 3.0))),))
ROUND = Ellipse((0.5, -0.5, 0.0), (3.0, 2.2), period_s=25.0, phase=0.7)


def motion(seed: int = 5) -> SyntheticMotion:
    return SyntheticMotion(CELL, seed=seed, paths={"cart": ROUND})


def test_joints_keep_their_limits_and_velocity_limits() -> None:
    position, velocity = motion().joints(0, TIMES)
    for index, joint in enumerate(ARM.joints):
        assert position[:, index].min() >= joint.lower
        assert position[:, index].max() <= joint.upper
        assert abs(velocity[:, index]).max() <= joint.velocity_limit


def test_every_movable_joint_moves_and_fixed_ones_do_not() -> None:
    position, _ = motion().joints(0, TIMES)
    assert [bool(spread > 1e-3) for spread in np.ptp(position, axis=0)] == [joint.movable for joint in ARM.joints]


@pytest.mark.parametrize("robot", [0, 1])
def test_velocities_are_the_derivatives_of_positions(robot: int) -> None:
    position, velocity = motion().joints(robot, TIMES)
    middle = (position[2:] - position[:-2]) / (2.0 * STEP_S)
    np.testing.assert_allclose(velocity[1:-1], middle, atol=1e-6)


def test_a_mimic_joint_follows_exactly() -> None:
    position, velocity = motion().joints(0, TIMES)
    np.testing.assert_array_equal(position[:, 5], -position[:, 4])
    np.testing.assert_array_equal(velocity[:, 5], -velocity[:, 4])


def test_wheels_roll_without_slip_whatever_way_their_axis_is_declared() -> None:
    angle, _ = motion().joints(1, TIMES)
    position, heading = ROUND.at(TIMES)
    # The joint frame of the right wheel has its X along the base's Y: both turn forward with a positive rate.
    for column, side in ((0, HALF_TRACK), (1, -HALF_TRACK)):
        hub = position[:, :2] + side * np.stack([-np.sin(heading), np.cos(heading)], axis=1)
        travelled = np.concatenate([[0.0], np.linalg.norm(np.diff(hub, axis=0), axis=1).cumsum()])
        np.testing.assert_allclose(RADIUS * angle[:, column], travelled, atol=1e-6)


def test_a_wheel_declared_the_other_way_round_turns_backward() -> None:
    flipped = Pose((0.0, HALF_TRACK, RADIUS), (0.0, 1.0, 0.0, 0.0))
    cart = Robot("cart", "/cart", CART.links, (Joint("left", "/l", JointKind.CONTINUOUS, 1, 0, 1, flipped),), floating=True)
    other = SyntheticMotion(Topology("", (cart,)), seed=5, paths={"cart": ROUND})
    np.testing.assert_allclose(other.joints(0, TIMES)[0][:, 0], -motion().joints(1, TIMES)[0][:, 0])


@pytest.mark.parametrize("path", [ROUND, Ellipse((0.0, 0.0, 0.0), (1.0, 5.0), 20.0), Shuttle((0.0, 0.0, 0.0), 0.5, 10.0)])
def test_paths_are_continuous_in_position_and_unwrapped_heading(path: Ellipse | Shuttle) -> None:
    position, heading = path.at(TIMES)
    assert np.linalg.norm(np.diff(position, axis=0), axis=1).max() < 2.0 * STEP_S
    assert abs(np.diff(heading)).max() < 2.0 * STEP_S


def test_an_ellipse_looks_where_it_goes_and_knows_its_way_travelled() -> None:
    position, heading = ROUND.at(TIMES)
    ahead = np.diff(position[:, :2], axis=0)
    steps = np.linalg.norm(ahead, axis=1)
    middle = 0.5 * (heading[1:] + heading[:-1])
    np.testing.assert_allclose(ahead / steps[:, None], np.stack([np.cos(middle), np.sin(middle)], axis=1), atol=1e-6)
    np.testing.assert_allclose(ROUND.distance(TIMES)[1:], steps.cumsum(), atol=1e-7)


def test_a_shuttle_travels_at_nearly_constant_speed_between_its_turns() -> None:
    shuttle = Shuttle((1.0, 2.0, 3.0), half_length=0.5, period_s=10.0)
    x = shuttle.at(TIMES)[0][:, 0]
    assert (x.min(), x.max()) == (pytest.approx(0.5), pytest.approx(1.5))
    speed = abs(np.diff(x)) / STEP_S
    between = abs(x[1:] - 1.0) < 0.35
    assert speed[between].max() < 1.35 * speed[between].min()


def test_the_truth_at_one_instant_agrees_with_the_columns_that_sensors_use() -> None:
    here = motion()
    truth = here.truth(12.25)
    at = np.array([3.0, 12.25, 17.0])
    joints = np.concatenate([here.joints(robot, at)[0][1] for robot in range(2)])
    np.testing.assert_allclose(truth.joint_position, joints, rtol=0, atol=1e-12)
    assert np.isnan(truth.body_position[0]).all()
    for entity in (1, 2):
        position, orientation = here.body(entity, at)
        np.testing.assert_allclose(truth.body_position[entity], position[1], rtol=0, atol=1e-12)
        np.testing.assert_allclose(truth.body_orientation[entity], orientation[1], rtol=0, atol=1e-12)


def test_a_seed_gives_the_same_motion_again_and_another_seed_another() -> None:
    np.testing.assert_array_equal(motion(3).truth(7.0).joint_position, motion(3).truth(7.0).joint_position)
    assert not np.allclose(motion(3).truth(7.0).joint_position[:2], motion(4).truth(7.0).joint_position[:2])


def test_an_entity_moves_the_same_whoever_else_is_in_the_stage() -> None:
    alone = SyntheticMotion(Topology("", (ARM,)), seed=5)
    np.testing.assert_array_equal(alone.truth(7.0).joint_position, motion().truth(7.0).joint_position[:6])


def sensor(imperfections: Imperfections, *, entity: int = 0, tracks_body: bool = False) -> Sensor:
    return Sensor(motion(), entity, tracks_body=tracks_body, rate_hz=100.0, imperfections=imperfections, seed=9)


def test_a_perfect_sensor_tells_the_truth() -> None:
    block = sensor(PERFECT).block(3)
    np.testing.assert_array_equal(block.joint_position, motion().joints(0, block.meant_s)[0])
    np.testing.assert_array_equal(block.stamp_ns, np.rint(block.meant_s * 1e9))
    np.testing.assert_array_equal(block.send_s, block.meant_s)
    np.testing.assert_allclose(np.diff(block.meant_s), 0.01)
    assert not block.lost.any()
    assert not block.late.any()


def test_blocks_follow_each_other_without_a_gap_and_are_the_same_when_computed_again() -> None:
    encoder = sensor(PERFECT)
    first, second = encoder.block(7), encoder.block(8)
    assert second.meant_s[0] - first.meant_s[-1] == pytest.approx(0.01)
    assert encoder.block_at(first.meant_s[0] + 1e-6) == 7
    assert encoder.block_at(second.meant_s[0] + 1e-6) == 8
    noisy = sensor(Imperfections())
    np.testing.assert_array_equal(noisy.block(8).joint_position, sensor(Imperfections()).block(8).joint_position)


def test_faults_come_in_the_stated_sizes_and_shares() -> None:
    faults = Imperfections(clock_offset_s=-2.5, clock_skew_ppm=40.0, loss=0.1, late=0.2)
    encoder = sensor(faults)
    blocks = [encoder.block(number) for number in range(400)]
    assert np.mean([block.lost for block in blocks]) == pytest.approx(0.1, rel=0.1)
    assert np.mean([block.late for block in blocks]) == pytest.approx(0.2 * 0.9, rel=0.1)
    delay = np.concatenate([(block.send_s - block.meant_s)[block.late] for block in blocks])
    assert 0.004 < delay.min() < 0.01
    assert 0.035 < delay.max() < 0.041
    error = np.concatenate([block.joint_position - encoder._motion.joints(0, block.meant_s)[0] for block in blocks])
    steps = faults.encoder_step_rad
    expected = math.hypot(faults.encoder_std_rad, steps / math.sqrt(12.0))
    assert error[:, 3].std() == pytest.approx(expected, rel=0.05)
    end = blocks[-1]
    ahead_s = end.stamp_ns * 1e-9 - end.meant_s
    np.testing.assert_allclose(ahead_s, -2.5 + 40e-6 * end.meant_s, atol=1e-9)


def test_a_tracker_measures_bodies_with_unit_quaternions_and_the_stated_noise() -> None:
    faults = Imperfections(stamp_std_s=0.0)
    tracker = sensor(faults, entity=2, tracks_body=True)
    blocks = [tracker.block(number) for number in range(200)]
    truth = [tracker._motion.body(2, block.meant_s) for block in blocks]
    error = np.concatenate([block.position - true for block, (true, _) in zip(blocks, truth, strict=True)])
    assert error.std() == pytest.approx(faults.position_std_m, rel=0.05)
    cosines = np.concatenate([(block.orientation * true).sum(axis=1) for block, (_, true) in zip(blocks, truth, strict=True)])
    angle = 2.0 * np.arccos(np.minimum(cosines, 1.0))
    assert math.sqrt(np.mean(angle**2) / 3.0) == pytest.approx(faults.rotation_std_rad, rel=0.05)
    np.testing.assert_allclose(np.linalg.norm(blocks[0].orientation, axis=1), 1.0, atol=1e-12)
