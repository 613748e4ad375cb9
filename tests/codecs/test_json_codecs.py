import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twind.codecs.joint_state import JointStateCodec
from twind.codecs.pose import PoseCodec
from twind.model.errors import RefusedInput
from twind.model.refusals import Refusal
from twind.model.time import NO_STAMP

JOINTS = JointStateCodec()
POSES = PoseCodec()
STAMP = {"stamp": {"sec": 1_700_000_000, "nanosec": 123_456_789}, "frame_id": "base"}
POINT = {"x": 1, "y": 2.5, "z": -3}
TURN = {"x": 0.0, "y": 0.0, "z": 0.0, "w": -2.0}


def joints(**fields: object) -> bytes:
    return json.dumps({"position": [0.5, -1], **fields}).encode()


def pose(inner: dict[str, object], **fields: object) -> bytes:
    return json.dumps({"pose": inner, **fields}).encode()


def refusal(codec: JointStateCodec | PoseCodec, payload: bytes) -> Refusal:
    with pytest.raises(RefusedInput) as caught:
        codec.decode(payload)
    return caught.value.reason


def test_a_ros_joint_state_is_decoded_to_the_nanosecond() -> None:
    sample = JOINTS.decode(joints(header=STAMP, name=["a", "b"], velocity=[1, 2], effort=[]))
    assert sample.stamp_ns == 1_700_000_000_123_456_789
    assert sample.names == ("a", "b")
    assert sample.position == [0.5, -1.0]
    assert sample.velocity == [1.0, 2.0]


@pytest.mark.parametrize("field", ["stamp", "timestamp"])
@pytest.mark.parametrize(
    ("value", "nanoseconds"),
    [
        (1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
        (1_700_000_000.5, 1_700_000_000_500_000_000),
        ("2023-11-14T22:13:20.123456789Z", 1_700_000_000_123_456_789),
        ("2023-11-15T00:13:20.5+02:00", 1_700_000_000_500_000_000),
        ("2023-11-14T22:13:20", 1_700_000_000_000_000_000),
        (0, NO_STAMP),
        (None, NO_STAMP),
    ],
)
def test_top_level_stamps_may_be_nanoseconds_seconds_or_iso_8601(field: str, value: object, nanoseconds: int) -> None:
    assert JOINTS.decode(joints(**{field: value})).stamp_ns == nanoseconds


@pytest.mark.parametrize(("seconds", "nanoseconds"), [("sec", "nanosec"), ("secs", "nsecs"), ("sec", "nsec")])
def test_the_header_may_be_that_of_ros_2_or_ros_1_or_gazebo(seconds: str, nanoseconds: str) -> None:
    header = {"seq": 7, "stamp": {seconds: 1_700_000_000, nanoseconds: 123_456_789}, "frame_id": ""}
    assert JOINTS.decode(joints(header=header)).stamp_ns == 1_700_000_000_123_456_789


def test_a_header_stamp_without_seconds_is_refused() -> None:
    assert refusal(JOINTS, joints(header={"stamp": {"nanosec": 5}})) is Refusal.MISSING_FIELD


@pytest.mark.parametrize("hole", ["NaN", "null", "-Infinity"])
def test_joints_without_velocity_or_effort_leave_holes_and_the_positions_count(hole: str) -> None:
    text = f'{{"name": ["a", "NaN, b"], "position": [0.5, -1], "velocity": [{hole}, 2], "effort": [{hole},{hole}]}}'
    sample = JOINTS.decode(text.encode())
    assert (sample.names, sample.position) == (("a", "NaN, b"), [0.5, -1.0])
    assert math.isnan(sample.velocity[0])
    assert sample.velocity[1] == 2.0
    assert len(sample.effort) == 2


def test_velocities_may_be_null_as_a_whole() -> None:
    sample = JOINTS.decode(b'{"position": [0.5], "velocity": null, "effort": null}')
    assert (sample.position, sample.velocity, sample.effort) == ([0.5], [], [])


def test_a_hole_among_the_positions_refuses_the_message() -> None:
    assert refusal(JOINTS, b'{"position": [NaN, 1], "velocity": [NaN, 1]}') is Refusal.NOT_FINITE


def test_an_all_zero_header_stamp_counts_as_missing() -> None:
    assert JOINTS.decode(joints(header={"stamp": {"sec": 0, "nanosec": 0}})).stamp_ns == NO_STAMP


def test_names_may_be_left_out_or_empty() -> None:
    assert JOINTS.decode(joints()).names is None
    assert JOINTS.decode(joints(name=[])).names is None


def test_unknown_fields_are_allowed() -> None:
    assert JOINTS.decode(joints(vendor={"x": [1, {"y": None}]})).position == [0.5, -1.0]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff\xfe\x00", Refusal.UNDECODABLE),
        (b"", Refusal.UNDECODABLE),
        (b'{"position": [1, 2', Refusal.UNDECODABLE),
        (b"[" * 100_000, Refusal.WRONG_TYPE),
        (b'{"x": ' + b"[" * 100_000, Refusal.UNDECODABLE),
        (b'{"position": [1, NaN]}', Refusal.NOT_FINITE),
        (b'{"position": [1, -Infinity]}', Refusal.NOT_FINITE),
        (b'{"position": [1e400]}', Refusal.NOT_FINITE),
        (b"[1, 2]", Refusal.WRONG_TYPE),
        (b'{"position": ["1"]}', Refusal.WRONG_TYPE),
        (b'{"position": 1}', Refusal.WRONG_TYPE),
        (b'{"position": [true]}', Refusal.WRONG_TYPE),
        (b'{"name": ["a"]}', Refusal.MISSING_FIELD),
        (b'{"position": []}', Refusal.WRONG_LENGTH),
        (b'{"position": [1, 2], "name": ["a"]}', Refusal.WRONG_LENGTH),
        (b'{"position": [1, 2], "velocity": [1]}', Refusal.WRONG_LENGTH),
        (b'{"position": [1, 2], "effort": [1]}', Refusal.WRONG_LENGTH),
        (b'{"position": [1], "stamp": -5}', Refusal.BAD_STAMP),
        (b'{"position": [1], "stamp": 1e300}', Refusal.BAD_STAMP),
        (b'{"position": [1], "stamp": 99999999999999999999}', Refusal.BAD_STAMP),
        (b'{"position": [1], "stamp": "yesterday"}', Refusal.BAD_STAMP),
        (b'{"position": [1], "stamp": "9999-01-01T00:00:00Z"}', Refusal.BAD_STAMP),
        (b'{"position": [1], "header": {"stamp": {"sec": 1, "nanosec": 1000000000}}}', Refusal.BAD_STAMP),
        (b'{"position": [1], "header": {"stamp": {"sec": 1.5}}}', Refusal.WRONG_TYPE),
    ],
)
def test_a_joint_state_that_cannot_be_used_is_refused_for_its_reason(payload: bytes, reason: Refusal) -> None:
    assert refusal(JOINTS, payload) is reason


@pytest.mark.parametrize(
    ("fields", "stamp"), [({}, NO_STAMP), ({"stamp": 1.5}, 1_500_000_000), ({"header": STAMP}, 1_700_000_000_123_456_789)]
)
def test_a_plain_pose_is_decoded_with_or_without_a_stamp(fields: dict[str, object], stamp: int) -> None:
    sample = POSES.decode(json.dumps({"position": POINT, "orientation": TURN, **fields}).encode())
    stamped = POSES.decode(pose({"position": POINT, "orientation": TURN}, header=STAMP))
    assert (sample.position, sample.orientation) == (stamped.position, stamped.orientation)
    assert sample.stamp_ns == stamp


@pytest.mark.parametrize("message", [{}, {"position": POINT}, {"orientation": TURN}, {"pose": None}])
def test_a_message_without_a_whole_pose_is_refused(message: dict[str, object]) -> None:
    assert refusal(POSES, json.dumps(message).encode()) is Refusal.MISSING_FIELD


def test_poses_with_and_without_covariance_are_decoded() -> None:
    plain = POSES.decode(pose({"position": POINT, "orientation": TURN}, header=STAMP))
    assert plain.position == (1.0, 2.5, -3.0)
    assert plain.orientation == (-2.0, 0.0, 0.0, 0.0)
    assert plain.position_var is None
    covariance = [0.0] * 36
    for axis, variance in enumerate([1, 2, 3, 4, 5, 6]):
        covariance[7 * axis] = variance
    full = POSES.decode(pose({"pose": {"position": POINT, "orientation": TURN}, "covariance": covariance}, header=STAMP))
    assert full.stamp_ns == plain.stamp_ns == 1_700_000_000_123_456_789
    assert full.position_var == (1.0, 2.0, 3.0)
    assert full.rotation_var == (4.0, 5.0, 6.0)


def test_a_covariance_of_zeros_means_unknown() -> None:
    sample = POSES.decode(pose({"pose": {"position": POINT, "orientation": TURN}, "covariance": [0] * 36}))
    assert sample.position_var is None
    assert sample.rotation_var is None


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        ({"position": POINT}, Refusal.MISSING_FIELD),
        ({"position": POINT, "orientation": {"x": 0, "y": 0, "z": 0}}, Refusal.MISSING_FIELD),
        ({"position": POINT, "orientation": {"x": 0, "y": 0, "z": 0, "w": 0}}, Refusal.BAD_QUATERNION),
        ({"position": [1, 2, 3], "orientation": TURN}, Refusal.WRONG_TYPE),
        ({"pose": {"position": POINT, "orientation": TURN}, "covariance": [1]}, Refusal.WRONG_LENGTH),
    ],
)
def test_a_pose_that_cannot_be_used_is_refused_for_its_reason(inner: dict[str, object], reason: Refusal) -> None:
    assert refusal(POSES, pose(inner)) is reason


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_random_bytes_are_only_ever_refused(payload: bytes) -> None:
    for codec in (JOINTS, POSES):
        with pytest.raises(RefusedInput):
            codec.decode(payload)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("position", "name", "stamp", "header", "pose", "velocity"), _JSON)))
def test_any_json_is_either_decoded_to_finite_numbers_or_refused(message: dict[str, object]) -> None:
    payload = json.dumps(message).encode()
    for codec in (JOINTS, POSES):
        try:
            sample = codec.decode(payload)
        except RefusedInput:
            continue
        assert all(math.isfinite(number) for number in sample.position)


@given(st.integers(min_value=1, max_value=2**63 - 1))
def test_integer_stamps_survive_exactly(nanoseconds: int) -> None:
    assert JOINTS.decode(joints(stamp=nanoseconds)).stamp_ns == nanoseconds
    seconds, rest = divmod(nanoseconds, 10**9)
    assert JOINTS.decode(joints(header={"stamp": {"sec": seconds, "nanosec": rest}})).stamp_ns == nanoseconds
