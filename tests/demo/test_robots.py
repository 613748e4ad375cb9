"""The synthetic robots of the demo: what they send, when, and when they stop."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest

from twind.codecs.joint_state import JointStateCodec
from twind.codecs.pose import PoseCodec
from twind.demo.motion import cell_motion, cell_sensors
from twind.demo.robots import Tally, play
from twind.demo.schedule import Schedule
from twind.model.time import NS_PER_S
from twind.model.topology import Joint, JointKind, Link, Mimic, Pose, RigidObject, Robot, Topology
from twind.sources.imperfections import Imperfections, Sensor

START_NS = 1_700_000_000 * NS_PER_S
ARM = Robot(
    "arm",
    "/arm",
    tuple(Link(f"l{index}", f"/arm/l{index}") for index in range(5)),
    (
        Joint("root", "/arm/root", JointKind.FIXED, 0, -1, 0),
        Joint("turn", "/arm/turn", JointKind.REVOLUTE, 2, 0, 1, lower=-1.0, upper=1.0),
        Joint("bend", "/arm/bend", JointKind.REVOLUTE, 0, 1, 2, lower=-1.0, upper=1.0),
        Joint("finger", "/arm/finger", JointKind.PRISMATIC, 0, 2, 3, lower=0.0, upper=0.04),
        Joint("finger_mimic", "/arm/finger_mimic", JointKind.PRISMATIC, 0, 2, 4, lower=0.0, upper=0.04, mimic=Mimic(3)),
    ),
)
AGV = Robot("agv", "/agv", (Link("base", "/agv/base", Pose((2.6, 0.0, 0.2))),), (), floating=True)
CELL = Topology("", (ARM, AGV), tuple(RigidObject(f"part_{number}", f"/part_{number}") for number in range(1, 7)))
JOINTS, AGV_POSE, PART_POSE = "cell/arm/joint_state", "cell/agv/pose", "cell/part_3/pose"


class Time:
    """A clock that only waiting moves, and that always oversleeps a little."""

    def __init__(self, *, now_s: float = 0.0, oversleep_s: float = 0.0, stop_s: float = math.inf) -> None:
        self.now = now_s
        self.oversleep_s = oversleep_s
        self.stop_s = stop_s

    def now_s(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += max(seconds, 0.0) + self.oversleep_s
        return self.now >= self.stop_s


class Wire:
    """Keeps what is published, and when."""

    def __init__(self, clock: Time) -> None:
        self.clock = clock
        self.sent: list[tuple[float, str, bytes, int]] = []

    def publish(self, topic: str, payload: bytes, qos: int) -> None:
        self.sent.append((self.clock.now, topic, payload, qos))

    def payloads(self, topic: str) -> list[bytes]:
        return [payload for _, at, payload, _ in self.sent if at == topic]


def schedule(*, perfect: bool = False, from_s: float = 0.0, seed: int = 3) -> Schedule:
    motion = cell_motion(CELL, seed=seed)
    sensors = cell_sensors(motion, seed=seed, rate_hz=100.0, pose_rate_hz=40.0, perfect=perfect)
    return Schedule(motion, sensors, start_ns=START_NS, from_s=from_s, prefix="cell")


def run(made: Schedule, *, clock: Time | None = None, until_s: float = 10.0, qos: int = 1) -> tuple[Wire, Tally]:
    clock = clock or Time()
    wire = Wire(clock)
    return wire, play(made, wire, qos=qos, until_s=until_s, now_s=clock.now_s, wait=clock.wait)


def stamp_s(payload: bytes) -> float:
    stamp = json.loads(payload)["header"]["stamp"]
    return float(stamp["sec"] - START_NS // NS_PER_S) + stamp["nanosec"] * 1e-9


def test_every_robot_and_part_publishes_at_its_rate() -> None:
    wire, tally = run(schedule(perfect=True))
    assert len(wire.payloads(JOINTS)) == 1000
    poses = {f"cell/{entity}/pose" for entity in ("agv", *(f"part_{number}" for number in range(1, 7)))}
    assert {topic for _, topic, _, _ in wire.sent} == {JOINTS, *poses}
    assert all(len(wire.payloads(topic)) == 400 for topic in poses)
    assert {qos for *_, qos in wire.sent} == {1}
    assert tally.topics()[JOINTS] == {
        "sent": 1000,
        "withheld": 0,
        "late": 0,
        "raw_rmse_rad": 0.0,
        "raw_rmse_m": 0.0,
    }


def test_joint_messages_hold_the_truth_of_the_joints_that_have_an_encoder() -> None:
    wire, _ = run(schedule(perfect=True), until_s=2.0)
    motion = cell_motion(CELL, seed=3)
    for payload in wire.payloads(JOINTS):
        sample = JointStateCodec().decode(payload)
        truth = motion.truth((sample.stamp_ns - START_NS) / NS_PER_S)
        assert sample.names == ("turn", "bend", "finger")
        np.testing.assert_allclose(sample.position, truth.joint_position[1:4], rtol=0, atol=1e-8)
        np.testing.assert_allclose(sample.velocity, truth.joint_velocity[1:4], rtol=0, atol=1e-8)


def test_pose_messages_hold_the_truth_of_parts_and_of_the_mobile_robot() -> None:
    wire, _ = run(schedule(perfect=True), until_s=2.0)
    motion = cell_motion(CELL, seed=3)
    for topic, entity in ((AGV_POSE, 1), (PART_POSE, 4)):
        for payload in wire.payloads(topic):
            sample = PoseCodec().decode(payload)
            truth = motion.truth((sample.stamp_ns - START_NS) / NS_PER_S)
            np.testing.assert_allclose(sample.position, truth.body_position[entity], rtol=0, atol=1e-8)
            np.testing.assert_allclose(sample.orientation, truth.body_orientation[entity], rtol=0, atol=1e-8)


def test_parts_stay_on_the_belt_and_apart() -> None:
    motion = cell_motion(CELL, seed=3)
    at = np.arange(0.0, 20.0, 0.01)
    x = np.stack([motion.body(entity, at)[0][:, 0] for entity in range(2, 8)])
    assert abs(x).max() < 1.6 - 0.06
    assert np.diff(x, axis=0).min() > 0.2


def test_messages_are_sent_on_an_absolute_grid_however_long_waits_take() -> None:
    prompt, _ = run(schedule(perfect=True))
    slow, tally = run(schedule(perfect=True), clock=Time(oversleep_s=0.004))
    assert [message[1:] for message in slow.sent] == [message[1:] for message in prompt.sent]
    delays = [late[0] - early[0] for late, early in zip(slow.sent, prompt.sent, strict=True)]
    assert max(delays) < 0.005
    assert 0.0 < tally.behind_s < 0.005


def test_lost_messages_are_not_sent_and_late_ones_arrive_out_of_order() -> None:
    wire, tally = run(schedule(), until_s=40.0)
    row = tally.topics()[JOINTS]
    stamps = [stamp_s(payload) for payload in wire.payloads(JOINTS)]
    assert row["sent"] == len(stamps)
    assert row["sent"] + row["withheld"] == pytest.approx(4000, abs=3)
    assert row["withheld"] == pytest.approx(40, abs=25)
    assert row["late"] == pytest.approx(80, abs=35)
    out_of_order = sum(second < first for first, second in pairwise(stamps))
    assert row["late"] * 0.5 < out_of_order <= row["late"]


def test_the_tally_knows_how_far_the_raw_measurements_are_from_the_truth() -> None:
    _, tally = run(schedule(), until_s=40.0)
    topics = tally.topics()
    faults = Imperfections()
    encoder = math.hypot(faults.encoder_std_rad, faults.encoder_step_rad / math.sqrt(12.0))
    assert topics[JOINTS]["raw_rmse_rad"] == pytest.approx(encoder, rel=0.2)
    assert topics[PART_POSE]["raw_rmse_m"] == pytest.approx(math.sqrt(3.0) * faults.position_std_m, rel=0.1)
    assert topics[PART_POSE]["raw_rmse_rad"] == pytest.approx(math.sqrt(3.0) * faults.rotation_std_rad, rel=0.1)


def test_a_schedule_that_begins_later_sends_what_an_earlier_one_sends_from_then_on() -> None:
    early, _ = run(schedule(), until_s=10.0)
    late, _ = run(schedule(from_s=7.3), clock=Time(now_s=7.3), until_s=10.0)
    assert [message[1:] for message in early.sent if message[0] >= 7.3] == [message[1:] for message in late.sent]


def test_it_stops_when_told() -> None:
    wire, _ = run(schedule(perfect=True), clock=Time(stop_s=1.0), until_s=math.inf)
    assert wire.sent[-1][0] <= 1.0


def test_robots_of_the_demo_disagree_about_the_time() -> None:
    robots = tuple(Robot(name, f"/{name}", ARM.links, ARM.joints) for name in ("arm_a", "arm_b", "somebody_elses"))
    motion = cell_motion(Topology("", robots), seed=1)
    sensors: list[Sensor] = cell_sensors(motion, seed=1, rate_hz=100.0, pose_rate_hz=40.0)
    offsets = [sensor.imperfections.clock_offset_s for sensor in sensors]
    assert abs(offsets[0]) < 0.001
    assert offsets[1] > 1.0
    assert offsets[2] == 0.0
