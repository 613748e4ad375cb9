import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from twind.codecs.imu import ImuCodec
from twind.codecs.joint_state import JointStateCodec
from twind.codecs.odometry import OdometryCodec
from twind.codecs.twist import TwistCodec
from twind.model.errors import RefusedInput
from twind.model.messages import NO_SEQUENCE
from twind.model.refusals import Refusal
from twind.model.time import NO_STAMP

TWISTS, ODOMETRY, IMU = TwistCodec(), OdometryCodec(), ImuCodec()
NS = 1_700_000_000_005_000_000
HEADER = {"stamp": {"sec": 1_700_000_000, "nanosec": 5_000_000}}
A, B = {"x": 1, "y": 2, "z": 3}, {"x": 0.1, "y": -0.2, "z": 0.3}
TURN: dict[str, float] = {"x": 0.0, "y": 0.0, "z": 0.0, "w": -2.0}
TWIST = {"linear": A, "angular": B}
POSE = {"position": A, "orientation": TURN}
NOWHERE = {"position": A, "orientation": {"x": 0, "y": 0, "z": 0, "w": 0}}


def encoded(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def refusal(codec: TwistCodec | OdometryCodec | ImuCodec, payload: bytes) -> Refusal:
    with pytest.raises(RefusedInput) as caught:
        codec.decode(payload)
    return caught.value.reason


def six(*diagonal: float) -> list[float]:
    covariance = [0.5] * 36
    covariance[::7] = diagonal
    return covariance


def three(*diagonal: float) -> list[float]:
    covariance = [0.0] * 9
    covariance[::4] = diagonal
    return covariance


@pytest.mark.parametrize(
    "payload",
    [
        encoded(header=HEADER, twist=TWIST),
        encoded(header=HEADER, **TWIST),
        encoded(stamp=NS, **TWIST),
        encoded(header=HEADER, twist={"twist": TWIST}),
    ],
)
def test_a_twist_may_be_stamped_plain_or_with_covariance(payload: bytes) -> None:
    sample = TWISTS.decode(payload)
    assert (sample.stamp_ns, sample.linear, sample.angular) == (NS, (1, 2, 3), (0.1, -0.2, 0.3))
    assert (sample.linear_var, sample.angular_var, sample.in_world) == (None, None, False)


def test_the_covariance_of_a_twist_is_taken_where_it_is_stated() -> None:
    full = TWISTS.decode(encoded(twist={"twist": TWIST, "covariance": six(1, 2, 3, 4, 5, 6)}))
    assert (full.linear_var, full.angular_var) == ((1, 2, 3), (4, 5, 6))
    half = TWISTS.decode(encoded(twist={"twist": TWIST, "covariance": six(0, 2, 3, 4, 5, 6)}))
    assert half.linear_var is not None
    assert math.isnan(half.linear_var[0])
    assert (half.linear_var[1:], half.angular_var) == ((2, 3), (4, 5, 6))
    assert half.stamp_ns == NO_STAMP


def test_the_covariance_of_a_rotation_is_turned_from_fixed_axes_into_the_body() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        turn = Rotation.random(random_state=rng)
        root = rng.normal(0.0, 0.05, (3, 3))
        about_fixed = root @ root.T + 1e-4 * np.eye(3)
        covariance = np.eye(6)
        covariance[3:, 3:] = about_fixed
        orientation = dict(zip("xyzw", (-3.0 * turn.as_quat()).tolist(), strict=True))
        pose = {"pose": {"position": A, "orientation": orientation}, "covariance": covariance.ravel().tolist()}
        sample = ODOMETRY.decode(encoded(pose=pose, twist={"twist": TWIST})).pose
        expected = np.diag(turn.as_matrix().T @ about_fixed @ turn.as_matrix())
        assert sample.rotation_var == pytest.approx(tuple(expected))
        assert sample.position_var == (1, 1, 1)


def test_a_robot_in_the_plane_states_what_it_can() -> None:
    covariance = [0.0] * 36
    covariance[0], covariance[7], covariance[35] = 0.01, 0.02, 0.05
    sample = ODOMETRY.decode(encoded(pose={"pose": POSE, "covariance": covariance}, twist={"twist": TWIST})).pose
    assert sample.position_var == pytest.approx((0.01, 0.02, math.nan), nan_ok=True)
    assert sample.rotation_var == pytest.approx((math.nan, math.nan, 0.05), nan_ok=True)


def test_correlations_that_cannot_be_are_left_out() -> None:
    covariance = six(1, 2, 3, 4, 5, 6)
    covariance[3 * 6 + 4] = 1e9
    turned = {"x": 0.5, "y": 0.5, "z": 0.5, "w": 0.5}  # the axes of the body are y, z and x
    covariance = [0.0 if value == 0.5 else value for value in covariance]
    pose = {"pose": {"position": A, "orientation": turned}, "covariance": covariance}
    sample = ODOMETRY.decode(encoded(pose=pose, twist={"twist": TWIST})).pose
    assert sample.rotation_var == pytest.approx((5, 6, 4))


@pytest.mark.parametrize(("frame", "in_world"), [("map", True), ("/odom", True), ("world", True), ("base_link", False)])
def test_the_frame_says_whose_axes_a_twist_is_along(frame: str, in_world: bool) -> None:  # noqa: FBT001  (a parameter)
    assert TWISTS.decode(encoded(header={**HEADER, "frame_id": frame}, twist=TWIST)).in_world is in_world


def test_an_odometry_is_a_pose_and_a_twist_of_one_instant() -> None:
    sample = ODOMETRY.decode(
        encoded(
            header={**HEADER, "seq": 7, "frame_id": "odom"},
            child_frame_id="base_link",
            pose={"pose": POSE, "covariance": six(1, 2, 3, 4, 5, 6)},
            twist={"twist": TWIST, "covariance": six(7, 8, 9, 0, 0, 0)},
        )
    )
    assert sample.pose.stamp_ns == sample.twist.stamp_ns == NS
    assert sample.pose.sequence == sample.twist.sequence == 7
    assert (sample.pose.position, sample.pose.orientation) == ((1, 2, 3), (-2, 0, 0, 0))
    assert (sample.pose.position_var, sample.pose.rotation_var) == ((1, 2, 3), (4, 5, 6))
    assert (sample.twist.linear, sample.twist.linear_var, sample.twist.angular_var) == ((1, 2, 3), (7, 8, 9), None)
    assert not sample.twist.in_world


@pytest.mark.parametrize(
    ("orientation", "covariance", "expected"),
    [
        (TURN, three(1, 1, 1), (-2.0, 0.0, 0.0, 0.0)),
        (TURN, [0] * 9, (-2.0, 0.0, 0.0, 0.0)),
        (TURN, [-1, *[0] * 8], None),
        ({"x": 0, "y": 0, "z": 0, "w": 0}, None, None),
        (None, None, None),
    ],
)
def test_an_imu_may_leave_its_orientation_out(orientation: object, covariance: object, expected: object) -> None:
    sample = IMU.decode(
        encoded(
            header=HEADER, orientation=orientation, orientation_covariance=covariance, angular_velocity=B,
            angular_velocity_covariance=three(1e-4, 2e-4, 3e-4), linear_acceleration=A,
        )
    )  # fmt: skip
    assert sample.orientation == expected
    assert (sample.angular_velocity, sample.angular_velocity_var) == ((0.1, -0.2, 0.3), (1e-4, 2e-4, 3e-4))
    assert sample.linear_acceleration == (1, 2, 3)


IMU_FIELDS = {"angular_velocity": B, "linear_acceleration": A}


@pytest.mark.parametrize(
    ("codec", "payload", "reason"),
    [
        (TWISTS, encoded(), Refusal.MISSING_FIELD),
        (TWISTS, encoded(twist={"linear": A}), Refusal.MISSING_FIELD),
        (TWISTS, encoded(twist={"linear": A, "angular": {"x": 1}}), Refusal.MISSING_FIELD),
        (TWISTS, encoded(twist={"linear": [1, 2, 3], "angular": B}), Refusal.WRONG_TYPE),
        (TWISTS, encoded(twist={"twist": TWIST, "covariance": [1]}), Refusal.WRONG_LENGTH),
        (TWISTS, encoded(linear={"x": math.nan, "y": 0, "z": 0}, angular=B), Refusal.NOT_FINITE),
        (TWISTS, encoded(stamp=-1, **TWIST), Refusal.BAD_STAMP),
        (ODOMETRY, encoded(pose={"pose": POSE}), Refusal.MISSING_FIELD),
        (ODOMETRY, encoded(pose={"pose": NOWHERE}, twist={"twist": TWIST}), Refusal.BAD_QUATERNION),
        (ODOMETRY, encoded(pose={"pose": POSE, "covariance": []}, twist={"twist": TWIST}), Refusal.WRONG_LENGTH),
        (IMU, encoded(angular_velocity=B), Refusal.MISSING_FIELD),
        (IMU, encoded(**IMU_FIELDS, angular_velocity_covariance=[-1, *[0] * 8]), Refusal.MISSING_FIELD),
        (IMU, encoded(**IMU_FIELDS, linear_acceleration_covariance=[-1, *[0] * 8]), Refusal.MISSING_FIELD),
        (IMU, encoded(**IMU_FIELDS, orientation_covariance=[0] * 8), Refusal.WRONG_LENGTH),
        (IMU, encoded(**IMU_FIELDS, linear_acceleration_covariance=[]), Refusal.WRONG_LENGTH),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_for_its_reason(
    codec: TwistCodec | OdometryCodec | ImuCodec, payload: bytes, reason: Refusal
) -> None:
    assert refusal(codec, payload) is reason


@pytest.mark.parametrize(
    ("seq", "expected"), [(5, 5), (0, 0), (2**63 - 1, 2**63 - 1), (2**63, NO_SEQUENCE), (-1, NO_SEQUENCE), (None, NO_SEQUENCE)]
)
def test_the_number_of_a_ros_1_header_is_kept_where_a_column_can_hold_it(seq: object, expected: int) -> None:
    assert JointStateCodec().decode(encoded(position=[1], header={**HEADER, "seq": seq})).sequence == expected


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_random_bytes_are_only_ever_refused(payload: bytes) -> None:
    for codec in (TWISTS, ODOMETRY, IMU):
        with pytest.raises(RefusedInput):
            codec.decode(payload)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from([A, B, TURN, TWIST, POSE, [0.0] * 9, [1.0] * 36]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["twist", "pose", "linear", "stamp"]), inner),
    max_leaves=6,
)
_FIELDS = (
    "twist", "pose", "linear", "angular", "header", "stamp", "orientation", "angular_velocity", "linear_acceleration",
    "orientation_covariance",
)  # fmt: skip


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(_FIELDS, _JSON)))
def test_any_json_is_either_decoded_or_refused(message: dict[str, object]) -> None:
    for codec in (TWISTS, ODOMETRY, IMU):
        try:
            outcome: object = codec.decode(json.dumps(message).encode())
        except RefusedInput as refused:
            outcome = refused.reason
        assert outcome is not None
