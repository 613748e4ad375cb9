"""Which columns reach the banks, from every codec."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from twind.codecs import packed
from twind.codecs.imu import ImuCodec
from twind.codecs.joint_state import JointStateCodec
from twind.codecs.odometry import OdometryCodec
from twind.codecs.packed import PackedCodec
from twind.codecs.pose import PoseCodec
from twind.codecs.twist import TwistCodec
from twind.config.base import RouteSettings
from twind.config.settings import EstimationSettings
from twind.model.estimates import Verdict
from twind.model.messages import NO_SEQUENCE, Channel, RawMessage
from twind.model.refusals import Refusal
from twind.model.time import NO_STAMP
from twind.model.topology import Joint, JointKind, Link, RigidObject, Robot, Topology
from twind.runtime.bindings import Bindings
from twind.runtime.estimators import Estimators, Outcome
from twind.runtime.pipeline import Feed

if TYPE_CHECKING:
    from twind.runtime.columns import BodyColumns, JointArrays, JointColumns

START = 1_700_000_000_000_000_000
MS = 1_000_000
CODECS: dict[str, Any] = {
    codec.name: codec for codec in (JointStateCodec(), PoseCodec(), TwistCodec(), OdometryCodec(), ImuCodec(), PackedCodec())
}
LINKS = tuple(Link(name=f"l{i}", prim=f"/r/l{i}") for i in range(4))
ARM = Robot(
    id="arm",
    prim="/r",
    links=LINKS,
    joints=tuple(
        Joint(name=name, prim=f"/r/{name}", kind=JointKind.REVOLUTE, axis=2, parent=i, child=i + 1)
        for i, name in enumerate("abc")
    ),
)
TOPOLOGY = Topology(root="x", robots=(ARM,), objects=(RigidObject(id="box", prim="/box"), RigidObject(id="can", prim="/can")))
TWICE = ["can", "can"]
XYZ = {"x": 1, "y": 2, "z": 3}
TWIST = {"linear": XYZ, "angular": {"x": 4, "y": 5, "z": 6}}
POSE = {"position": XYZ, "orientation": {"x": 0, "y": 0, "z": 0, "w": 1}}


class Seen(Estimators):
    """Real estimators that keep what they were given."""

    def __init__(self) -> None:
        super().__init__(TOPOLOGY, EstimationSettings())
        self.uses_velocity = True
        self.joint_columns: list[JointArrays] = []
        self.body_columns: list[BodyColumns] = []

    def ingest_joints(self, columns: JointColumns) -> Outcome:
        self.joint_columns.append(columns.arrays())
        return super().ingest_joints(columns)

    def ingest_bodies(self, columns: BodyColumns) -> Outcome:
        self.body_columns.append(columns)
        return super().ingest_bodies(columns)


class Way:
    """A feed with one topic for each codec and entity."""

    def __init__(self) -> None:
        self.estimators = Seen()
        routes = [RouteSettings.model_validate({"topic": f"{name}/{{entity}}", "codec": name}) for name in CODECS]
        bindings = Bindings(routes, CODECS, TOPOLOGY, self.estimators)
        self.refused: list[Refusal] = []
        self.feed = Feed(bindings, self.estimators, on_refused=lambda _, refusal: self.refused.append(refusal.reason))

    def send(self, *messages: tuple[str, bytes | dict[str, Any]], at_ns: int = START + MS) -> np.ndarray:
        """Process one batch; return its counts of verdicts."""
        raw = [
            RawMessage(topic, payload if isinstance(payload, bytes) else json.dumps(payload).encode(), at_ns)
            for topic, payload in messages
        ]
        return self.feed.process(raw).verdicts


def test_velocities_that_nobody_uses_are_collected_as_they_tell_a_frozen_source() -> None:
    way = Way()
    way.estimators.uses_velocity = False
    way.send(("joint_state/arm", {"stamp": START, "position": [4, 5], "name": ["b", "a"], "velocity": [6, 7]}))
    assert way.estimators.joint_columns[0].velocity.tolist() == [6, 7]


def test_velocities_stay_beside_their_positions() -> None:
    way = Way()
    way.send(
        ("joint_state/arm", {"stamp": START, "position": [1, 2, 3]}),
        ("joint_state/arm", {"stamp": START + 1, "position": [4, 5], "name": ["b", "a"], "velocity": [6, 7]}),
        ("joint_state/arm", {"stamp": START + 2, "position": [1, 2, 3], "effort": [8, 9, 10]}),
        ("joint_state/arm", {"stamp": START + 3, "position": [1], "name": ["c"]}),
    )
    columns = way.estimators.joint_columns[0]
    nan = math.nan
    assert columns.offset.tolist() == [0, 3, 5, 8, 9]
    assert np.array_equal(columns.velocity, [nan, nan, nan, 6, 7, nan, nan, nan, nan], equal_nan=True)
    assert columns.number is None


def test_a_batch_without_velocities_has_no_such_column() -> None:
    way = Way()
    way.send(("joint_state/arm", {"stamp": START, "position": [1, 2, 3]}))
    assert way.estimators.joint_columns[0].velocity.size == 0


def test_sequence_numbers_stay_beside_their_messages() -> None:
    way = Way()
    header = {"stamp": {"sec": 1_700_000_000}, "seq": 12}
    way.send(
        ("joint_state/arm", {"stamp": START, "position": [1, 2, 3]}),
        ("joint_state/arm", {"header": header, "position": [1, 2, 3]}),
        ("joint_state/arm", {"stamp": START, "position": [1, 2, 3]}),
    )
    number = way.estimators.joint_columns[0].number
    assert number is not None
    assert number.tolist() == [NO_SEQUENCE, 12, NO_SEQUENCE]


def test_every_instant_of_a_packed_message_becomes_a_message() -> None:
    way = Way()
    stamps = START + np.arange(4) * MS
    position = np.arange(12.0).reshape(4, 3)
    velocity = -position[:, :2]
    way.send(
        ("joint_state/arm", {"stamp": START - MS, "position": [7, 8, 9]}),
        ("packed/arm", packed.encode(stamp_ns=stamps, position=position, sequence=5)),
        ("packed/arm", packed.encode(stamp_ns=stamps, position=position[:, :2], velocity=velocity, names=["c", "a"])),
        at_ns=START + 5 * MS,
    )
    columns = way.estimators.joint_columns[0]
    assert columns.device_ns.tolist() == [START - MS, *stamps, *stamps]
    assert columns.receive_ns.tolist() == [START + 5 * MS] * 9
    assert columns.offset.tolist() == [0, 3, 6, 9, 12, 15, 17, 19, 21, 23]
    assert columns.position.tolist() == [7, 8, 9, *position.ravel(), *position[:, :2].ravel()]
    assert np.isnan(columns.velocity[:15]).all()
    assert columns.velocity[15:].tolist() == velocity.ravel().tolist()
    assert columns.number is not None
    assert columns.number.tolist() == [NO_SEQUENCE, 5, 6, 7, 8, *[NO_SEQUENCE] * 4]
    assert len(set(columns.stream.tolist())) == 2
    assert len(set(columns.layout[:5].tolist())) == 2  # each topic knows its own
    assert not way.refused


def test_packed_joints_move_the_estimate_as_single_messages_do() -> None:
    stamps = START + np.arange(50) * MS
    position = np.sin(np.arange(150).reshape(50, 3) * 1e-3)
    packed_way, single = Way(), Way()
    verdicts = packed_way.send(("packed/arm", packed.encode(stamp_ns=stamps, position=position)), at_ns=START + 50 * MS)
    for at, values in zip(stamps.tolist(), position.tolist(), strict=True):
        single.send(("joint_state/arm", {"stamp": at, "position": values}), at_ns=at + MS)
    assert verdicts[Verdict.ACCEPTED] == 150
    ours, theirs = (way.estimators.predict(START + 50 * MS, 0) for way in (packed_way, single))
    assert np.allclose(ours.joint_position, theirs.joint_position, atol=1e-12)
    assert np.array_equal(packed_way.estimators.live_ns, single.estimators.live_ns)


def test_packed_joints_without_stamps_are_placed_by_their_numbers() -> None:
    way = Way()
    for k in range(300):  # ten instants of 1 kHz in each
        payload = packed.encode(stamp_ns=0, position=np.ones((10, 3)), sequence=10 * k)
        way.send(("packed/arm", payload), at_ns=START + (k + 1) * 10 * MS)
    counts = way.estimators.clocks.counts()
    assert counts["missing"][0] == 3000
    assert counts["gaps"][0] == 0
    assert abs(int(way.estimators.joints.last_ns.max()) - (START + 3000 * MS)) < 3 * MS


def test_packed_poses_go_to_the_bodies_that_they_name() -> None:
    way = Way()
    position = np.tile(np.arange(6.0).reshape(2, 3), (2, 1, 1))
    orientation = np.tile([1.0, 0, 0, 0], (2, 2, 1))
    stamps = START + np.arange(2) * MS
    payload = packed.encode(stamp_ns=stamps, position=position, orientation=orientation, names=["can", "box"], sequence=3)
    verdicts = way.send(("packed/arm", payload), at_ns=START + 5 * MS)
    columns = way.estimators.body_columns[0]
    index = TOPOLOGY.entity_index
    assert columns.entity == [index["can"], index["box"]] * 2
    assert columns.device_ns == [START, START, START + MS, START + MS]
    assert columns.number == [3, 3, 4, 4]
    assert columns.linear == position.reshape(4, 3).tolist()
    assert set(columns.channel) == {Channel.POSE}
    assert verdicts[Verdict.ACCEPTED] == 4
    assert way.estimators.poses.last_ns[index["can"]] == START + MS


def test_one_packed_pose_without_a_name_is_of_the_topics_entity() -> None:
    way = Way()
    way.send(("packed/box", packed.encode(stamp_ns=START, position=[[1, 2, 3]], orientation=[[1, 0, 0, 0]])))
    assert way.estimators.body_columns[0].entity == [TOPOLOGY.entity_index["box"]]


@pytest.mark.parametrize(
    ("topic", "arguments", "reason"),
    [
        ("packed/box", {"position": [1.0, 2.0, 3.0]}, Refusal.UNKNOWN_ENTITY),
        ("packed/arm", {"position": [1.0, 2.0]}, Refusal.WRONG_LENGTH),
        ("packed/arm", {"position": [1.0, 2.0], "names": ["a", "z"]}, Refusal.UNKNOWN_JOINT),
        ("packed/arm", {"position": [1.0, 2.0], "names": ["a", "a"]}, Refusal.UNKNOWN_JOINT),
        ("packed/arm", {"position": [1.0, 2.0, 3.0], "names": ["a", "c", "b"], "hash_only": True}, Refusal.UNKNOWN_JOINT),
        ("packed/arm", {"position": [[1.0, 2, 3]], "orientation": [[1.0, 0, 0, 0]], "names": ["cup"]}, Refusal.UNKNOWN_ENTITY),
        ("packed/arm", {"position": np.ones((2, 3)), "orientation": np.ones((2, 4)), "names": TWICE}, Refusal.UNKNOWN_ENTITY),
    ],
)  # fmt: skip
def test_packed_messages_for_what_is_not_there_are_refused(topic: str, arguments: dict[str, Any], reason: Refusal) -> None:
    way = Way()
    way.send((topic, packed.encode(stamp_ns=START, **arguments)))
    assert way.refused == [reason]


def test_a_names_hash_of_the_discovered_order_is_welcome() -> None:
    way = Way()
    payload = packed.encode(stamp_ns=START, position=[1.0, 2.0, 3.0], names=["a", "b", "c"], hash_only=True)
    assert way.send(("packed/arm", payload), ("packed/arm", payload)).sum() == 6
    assert not way.refused


def test_a_message_counts_once_however_many_samples_it_holds() -> None:
    way = Way()
    odometry = {"stamp": START, "pose": {"pose": POSE}, "twist": {"twist": TWIST}}
    many = packed.encode(
        stamp_ns=[START, START + MS], position=np.zeros((2, 2, 3)), orientation=np.tile([1.0, 0, 0, 0], (2, 2, 1)),
        names=["box", "can"],
    )  # fmt: skip
    instants = packed.encode(stamp_ns=[START, START + MS], position=np.zeros((2, 3)))
    joints = {"stamp": START, "position": [1, 2, 3]}
    verdicts = way.send(("odometry/arm", odometry), ("packed/box", many), ("packed/arm", instants), ("joint_state/arm", joints))
    tally, streams = way.estimators.tally, way.estimators.streams
    found = {stream.topic: tally.messages[row] for row, stream in enumerate(streams)}
    assert found == {"odometry/arm": 1, "packed/box": 1, "packed/arm": 1, "joint_state/arm": 1}
    assert [int(tally.verdicts(channel, slice(None)).sum()) for channel in range(5)] == [9, 5, 1, 0, 0]
    assert verdicts.sum() == 15


def test_a_pose_after_a_silence_that_the_next_shows_to_be_wrong_counts_as_refused() -> None:
    rng = np.random.default_rng(5)
    way = Way()
    total = np.zeros(len(Verdict), np.int64)
    for k in range(200):
        at = START + k * 33 * MS
        if 100 <= k < 150:
            continue
        x = 0.4 * k * 0.033 + rng.normal(0.0, 0.004) + (0.5 if k == 150 else 0.0)
        pose = {"position": {"x": x, "y": 0, "z": 0}, "orientation": POSE["orientation"]}
        verdicts = way.send(("pose/can", {"stamp": at, "pose": pose}), at_ns=at + MS)
        assert (verdicts >= 0).all()
        total += verdicts
    assert (total[Verdict.GATED], total[Verdict.ACCEPTED]) == (1, 149)
    assert np.array_equal(way.estimators.tally.verdicts(1, slice(None)), total)
    assert way.estimators.poses.resets.sum() == 0


def test_odometry_twist_and_imu_reach_the_bodies_by_their_channels() -> None:
    way = Way()
    covariance = [0.0] * 36
    covariance[::7] = [1, 2, 3, 4, 5, 6]
    odometry = {"stamp": START, "pose": {"pose": POSE}, "twist": {"twist": TWIST, "covariance": covariance}}
    imu = {"angular_velocity": TWIST["angular"], "linear_acceleration": XYZ, "orientation": POSE["orientation"]}
    way.send(
        ("odometry/arm", odometry),
        ("twist/box", {"header": {"frame_id": "map"}, "twist": TWIST}),
        ("imu/can", imu),
        ("pose/can", {"stamp": START, "pose": POSE}),
    )
    columns = way.estimators.body_columns[0]
    assert columns.channel == [Channel.POSE, Channel.TWIST_BODY, Channel.TWIST_WORLD, Channel.IMU, Channel.POSE]
    assert columns.entity == [0, 0, 1, 2, 2]
    assert columns.device_ns == [START, START, NO_STAMP, NO_STAMP, START]
    assert columns.linear == [(1, 2, 3)] * 5
    assert columns.angular[1:4] == [(4, 5, 6, 0)] * 3
    assert columns.linear_var[1] == (1, 2, 3)
    assert columns.angular_var[1] == (4, 5, 6)
    assert np.isnan(columns.linear_var[2]).all()
    assert len(set(columns.stream)) == 4
    assert way.estimators.poses.last_ns[0] == START
    assert way.estimators.poses.last_ns[2] == columns.receive_ns[3]  # the reading without a stamp counts from its arrival
    assert way.estimators.poses.posed.tolist() == [True, False, True]
    assert not way.refused
