"""Forward kinematics against plain 4x4 matrices, on random trees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twind.model.errors import StageError
from twind.model.topology import Joint, JointKind, Link, Mimic, Mount, Pose, RigidObject, Robot, Topology
from twind.twin.state import Twin
from twind.twin.tables import flatten

if TYPE_CHECKING:
    from twind.model.state import Update

NOW_NS = 1_700_000_000_000_000_000
TOLERANCE = 1e-9


def matrix(pose: Pose) -> np.ndarray:
    """Return the 4x4 matrix of a pose, column vectors, by the textbook formula."""
    w, x, y, z = np.array(pose.orientation) / np.linalg.norm(pose.orientation)
    result = np.eye(4)
    result[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    result[:3, 3] = pose.position
    return result


def motion(joint: Joint, q: float) -> np.ndarray:
    position, orientation = [0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]
    if joint.kind is JointKind.PRISMATIC:
        position[joint.axis] = q
    elif joint.movable:
        orientation[0], orientation[1 + joint.axis] = math.cos(q / 2), math.sin(q / 2)
    return matrix(Pose(tuple(position), tuple(orientation)))


def oracle_positions(robot: Robot, q: np.ndarray) -> list[float]:
    """Resolve limits and mimic joints by the definition."""

    def value(index: int) -> float:
        joint = robot.joints[index]
        if not joint.movable:
            return 0.0
        raw = q[index] if joint.mimic is None else joint.mimic.multiplier * value(joint.mimic.joint) + joint.mimic.offset
        return min(max(raw, joint.lower), joint.upper)

    return [value(index) for index in range(len(robot.joints))]


def oracle_world(robot: Robot, q: list[float], base: Pose | None) -> list[np.ndarray]:
    world = [matrix(link.rest) for link in robot.links]
    if base is not None:
        world[robot.base] = matrix(base)
    for joint, value in zip(robot.joints, q, strict=True):
        parent = world[joint.parent] if joint.parent >= 0 else np.eye(4)
        world[joint.child] = (
            parent @ matrix(joint.parent_frame) @ motion(joint, value) @ np.linalg.inv(matrix(joint.child_frame))
        )
    return world


def random_pose(rng: np.random.Generator) -> Pose:
    return Pose(tuple(rng.uniform(-2, 2, 3)), tuple(rng.normal(size=4)))


def random_robot(rng: np.random.Generator, name: str) -> Robot:
    """A random tree, with random frames, limits, mimic chains in any order, mounts, and a base that may float."""
    links = int(rng.integers(1, 9))
    order = rng.permutation(links)
    floating = bool(rng.integers(2))
    reached, joints = [int(order[0])], []
    if not floating and rng.integers(2):
        reached = [-1]
    for child in order[0 if reached == [-1] else 1 :]:
        lower = rng.uniform(-2, 0) if rng.integers(2) else -math.inf
        joints.append(
            Joint(
                f"j{len(joints)}",
                f"/{name}/j{len(joints)}",
                JointKind(int(rng.integers(4))),
                axis=int(rng.integers(3)),
                parent=int(rng.choice(reached)),
                child=int(child),
                parent_frame=random_pose(rng),
                child_frame=random_pose(rng),
                lower=lower,
                upper=rng.uniform(0, 2) if rng.integers(2) else math.inf,
            )
        )
        reached.append(int(child))
    ranks = rng.permutation(len(joints))
    for index, joint in enumerate(joints):
        followed = [other for other in range(len(joints)) if ranks[other] < ranks[index]]
        if followed and joint.movable and rng.integers(2):
            mimic = Mimic(int(rng.choice(followed)), rng.uniform(-2, 2), rng.uniform(-1, 1))
            fields = {field: getattr(joint, field) for field in Joint.__slots__}
            joints[index] = Joint(**{**fields, "mimic": mimic})
    heights = rng.permutation(links)
    carriers = [[-1, *(other for other in range(links) if heights[other] < heights[index])] for index in range(links)]
    made = tuple(
        Link(
            f"l{index}",
            f"/{name}/l{index}",
            rest=random_pose(rng),
            mount=Mount(int(rng.choice(carriers[index])), random_pose(rng), float(rng.choice([1.0, 100.0, 39.37]))),
        )
        for index in range(links)
    )
    return Robot(name, f"/{name}", made, tuple(joints), base=int(order[0]), floating=floating)


def random_topology(rng: np.random.Generator) -> Topology:
    robots = tuple(random_robot(rng, f"r{index}") for index in range(int(rng.integers(0, 4))))
    objects = tuple(
        RigidObject(f"o{index}", f"/o{index}", random_pose(rng), Mount(-1, random_pose(rng), 100.0))
        for index in range(int(rng.integers(0, 3)))
    )
    return Topology("", robots, objects)


def state_of(topology: Topology, q: np.ndarray, bodies: list[Pose], posed: np.ndarray) -> Update:
    entities = len(topology.entities)
    twin = Twin(topology, fresh_ns=10, coast_ns=20, lost_ns=30)
    return twin.advance(
        now_ns=NOW_NS,
        target_ns=np.full(entities, NOW_NS),
        sample_ns=np.full(entities, NOW_NS),
        joint_position=q,
        joint_velocity=np.zeros(len(q)),
        joint_std=np.zeros(len(q)),
        joint_sample_ns=np.full(len(q), NOW_NS),
        body_position=np.array([body.position for body in bodies]).reshape(-1, 3),
        body_orientation=np.array([body.orientation for body in bodies]).reshape(-1, 4),
        body_position_std=np.zeros(entities),
        body_rotation_std=np.zeros(entities),
        posed=posed,
    )


def pose_of(positions: np.ndarray, orientations: np.ndarray, row: int) -> Pose:
    return Pose(tuple(positions[row]), tuple(orientations[row]))


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_trees_agree_with_plain_matrices_in_the_world_and_under_their_usd_parents(seed: int) -> None:
    rng = np.random.default_rng(seed)
    topology = random_topology(rng)
    if not topology.entities:
        return
    q = rng.uniform(-7, 7, topology.n_joints)
    bodies = [random_pose(rng) for _ in topology.entities]
    posed = rng.integers(0, 2, len(topology.entities)).astype(np.uint8)
    update = state_of(topology, q, bodies, posed)

    for index, robot in enumerate(topology.robots):
        j0, f0 = topology.first_joint[index], topology.first_frame[index]
        values = oracle_positions(robot, q[j0 : j0 + len(robot.joints)])
        np.testing.assert_allclose(update.joint_position[j0 : j0 + len(robot.joints)], values, atol=1e-12)
        world = oracle_world(robot, values, bodies[index] if robot.floating and posed[index] else None)
        for row, link in enumerate(robot.links):
            got = matrix(pose_of(update.position, update.orientation, f0 + row))
            np.testing.assert_allclose(got, world[row], atol=TOLERANCE)
            hangs_on = world[link.mount.frame] if link.mount.frame >= 0 else np.eye(4)
            local = np.linalg.inv(hangs_on @ matrix(link.mount.pose)) @ world[row]
            local[:3, 3] *= link.mount.units_per_metre
            got = matrix(pose_of(update.local_translate, update.local_orient, f0 + row))
            np.testing.assert_allclose(got, local, atol=TOLERANCE * link.mount.units_per_metre)
    for index, thing in enumerate(topology.objects):
        entity, frame = len(topology.robots) + index, topology.first_frame[-1] + index
        expected = matrix(bodies[entity] if posed[entity] else thing.rest)
        np.testing.assert_allclose(matrix(pose_of(update.position, update.orientation, frame)), expected, atol=TOLERANCE)
    np.testing.assert_allclose(np.linalg.norm(update.orientation, axis=1), 1.0, atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(update.local_orient, axis=1), 1.0, atol=1e-12)


def chain(*joints: Joint, **options: object) -> Topology:
    links = tuple(Link(f"l{index}", f"/r/l{index}") for index in range(len(joints) + 1))
    return Topology("", (Robot("r", "/r", links, joints, **options),))


def hinge(index: int, *, mimic: Mimic | None = None, **options: object) -> Joint:
    return Joint(f"j{index}", f"/r/j{index}", JointKind.REVOLUTE, 2, index, index + 1, mimic=mimic, **options)


def test_a_mimic_chain_resolves_in_any_order_with_limits_of_the_followed_joint_applied_first() -> None:
    topology = chain(
        hinge(0, mimic=Mimic(1, 2.0, 0.5)),
        hinge(1, mimic=Mimic(2, -1.0, 0.0), lower=-0.25),
        hinge(2),
    )
    update = state_of(topology, np.array([9.0, 9.0, 0.3]), [Pose()], np.zeros(1, np.uint8))
    np.testing.assert_allclose(update.joint_position, [2.0 * -0.25 + 0.5, -0.25, 0.3], atol=1e-15)


@pytest.mark.parametrize(
    ("joints", "complaint"),
    [
        ((hinge(0, mimic=Mimic(1)), hinge(1, mimic=Mimic(0))), "circle"),
        ((hinge(0, mimic=Mimic(0)),), "circle"),
        ((hinge(0, mimic=Mimic(7)),), "does not have"),
        ((hinge(1), hinge(0)), "kinematic order"),
        ((hinge(0), Joint("j", "/r/j", JointKind.FIXED, 0, 0, 1)), "already has a parent"),
        ((hinge(0), Joint("j", "/r/j", JointKind.FIXED, 0, 1, 5)), "connects links 1 and 5 of 3"),
        ((hinge(0, parent_frame=Pose(orientation=(0.0, 0.0, 0.0, 0.0))),), "no direction"),
    ],
)
def test_a_topology_that_cannot_be_walked_is_refused_when_the_tables_are_built(
    joints: tuple[Joint, ...], complaint: str
) -> None:
    with pytest.raises(StageError, match=complaint):
        flatten(chain(*joints))


def test_links_that_hang_on_each_other_in_a_circle_are_refused() -> None:
    links = tuple(Link(f"l{index}", f"/r/l{index}", mount=Mount(1 - index)) for index in range(2))
    with pytest.raises(StageError, match="hang on each other"):
        flatten(Topology("", (Robot("r", "/r", links, (hinge(0),)),)))


def test_joints_turn_many_times_without_losing_the_pose() -> None:
    topology = chain(Joint("j", "/r/j", JointKind.CONTINUOUS, 0, 0, 1, child_frame=Pose((0.0, 1.0, 0.0))))
    poses = [state_of(topology, np.array([q]), [Pose()], np.zeros(1, np.uint8)) for q in (0.5, 0.5 + 2 * math.pi * 10_000)]
    once, often = (matrix(pose_of(update.position, update.orientation, 1)) for update in poses)
    np.testing.assert_allclose(often, once, atol=1e-9)


def test_an_angle_of_any_size_and_sign_turns_its_link_by_the_sine_and_cosine_of_its_half() -> None:
    angles = np.concatenate([np.linspace(-13.0, 13.0, 201), [-3e5, 3e5, 1e7, -2e9], np.arange(-4, 5) * math.pi])
    joints = [Joint(f"j{index}", f"/r/j{index}", JointKind.CONTINUOUS, 2, -1, index) for index in range(len(angles))]
    links = tuple(Link(f"l{index}", f"/r/l{index}") for index in range(len(angles)))
    update = state_of(Topology("", (Robot("r", "/r", links, tuple(joints)),)), angles, [Pose()], np.zeros(1, np.uint8))
    np.testing.assert_allclose(update.orientation[:, 0], np.cos(angles / 2), rtol=0.0, atol=5e-16)
    np.testing.assert_allclose(update.orientation[:, 3], np.sin(angles / 2), rtol=0.0, atol=5e-16)


def test_a_chain_of_a_thousand_links_keeps_unit_quaternions() -> None:
    topology = chain(*(hinge(index, parent_frame=random_pose(np.random.default_rng(index))) for index in range(1000)))
    update = state_of(topology, np.random.default_rng(0).uniform(-3, 3, 1000), [Pose()], np.zeros(1, np.uint8))
    np.testing.assert_allclose(np.linalg.norm(update.orientation, axis=1), 1.0, rtol=0.0, atol=1e-12)


def test_further_axes_move_on_from_where_the_axes_before_them_have_put_the_child() -> None:
    joints = tuple(
        Joint(f"ball:{axis}", "/r/ball", JointKind.REVOLUTE, axis, parent=0 if axis == 0 else 1, child=1) for axis in range(3)
    )
    robot = Robot("r", "/r", (Link("base", "/r/base"), Link("tip", "/r/tip")), joints)
    flatten(Topology("", robots=(robot,)))
    shuffled = Robot("r", "/r", robot.links, (joints[1], joints[0], joints[2]))
    with pytest.raises(StageError, match="further axis"):
        flatten(Topology("", robots=(shuffled,)))
