"""What the twin calls fresh, what it speaks about, and what it shows where nothing was measured."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from twind.model.estimates import Status
from twind.model.state import Update
from twind.model.time import NO_STAMP, NS_PER_MS, NS_PER_S
from twind.model.topology import Joint, JointKind, Link, Mimic, Pose, RigidObject, Robot, Topology
from twind.twin.state import Twin, warm_up

T0 = 1_700_000_000 * NS_PER_S
FRESH, COAST, LOST = 150 * NS_PER_MS, 500 * NS_PER_MS, 5 * NS_PER_S


def arm(name: str) -> Robot:
    links = tuple(Link(f"l{index}", f"/{name}/l{index}") for index in range(4))
    joints = (
        Joint("slide", f"/{name}/slide", JointKind.PRISMATIC, 0, 0, 1, lower=-1.0, upper=1.0, rest=0.25),
        Joint("flange", f"/{name}/flange", JointKind.FIXED, 0, 1, 2),
        Joint("finger", f"/{name}/finger", JointKind.PRISMATIC, 1, 2, 3, mimic=Mimic(0, -0.5, 0.1), rest=0.03),
    )
    return Robot(name, f"/{name}", links, joints)


CART = Robot("cart", "/cart", (Link("base", "/cart/base", Pose((7.0, 0.0, 0.0))),), (), floating=True)
BOX = RigidObject("box", "/box", Pose((0.0, 3.0, 0.0)))
CELL = Topology("", (arm("left"), arm("right"), CART), (BOX,))
LEFT, RIGHT, CARTS, BOXES = range(4)


class Feed:
    """A twin with the estimates it is given, every entity never sampled at first."""

    def __init__(self) -> None:
        self.twin = Twin(CELL, fresh_ns=FRESH, coast_ns=COAST, lost_ns=LOST)
        entities, joints = len(CELL.entities), CELL.n_joints
        self.inputs: dict[str, Any] = {
            "target_ns": np.full(entities, T0),
            "sample_ns": np.full(entities, NO_STAMP),
            "joint_position": np.full(joints, 9.0),
            "joint_velocity": np.full(joints, 9.0),
            "joint_std": np.full(joints, 0.5),
            "joint_sample_ns": np.full(joints, NO_STAMP),
            "body_position": np.zeros((entities, 3)),
            "body_orientation": np.zeros((entities, 4)),
            "body_position_std": np.ones(entities),
            "body_rotation_std": np.ones(entities),
            "posed": np.zeros(entities, np.uint8),
        }

    def sample(self, entity: int, stamp_ns: int, *, position: float = 0.5, velocity: float = 0.2) -> None:
        self.inputs["sample_ns"][entity] = self.inputs["target_ns"][entity] = stamp_ns
        if entity < len(CELL.robots):
            rows = slice(CELL.first_joint[entity], CELL.first_joint[entity + 1])
            self.inputs["joint_sample_ns"][rows] = stamp_ns
            self.inputs["joint_position"][rows] = position
            self.inputs["joint_velocity"][rows] = velocity

    def pose(self, entity: int, stamp_ns: int, x: float) -> None:
        self.sample(entity, stamp_ns)
        self.inputs["posed"][entity] = 1
        self.inputs["body_position"][entity] = [x, 0.0, 0.0]
        self.inputs["body_orientation"][entity] = [0.0, 0.0, 0.0, -2.0]

    def advance(self, now_ns: int) -> Update | None:
        return self.twin.advance(now_ns=now_ns, **self.inputs)

    def changed(self, now_ns: int) -> list[int]:
        update = self.advance(now_ns)
        return [] if update is None else update.changed.tolist()


def test_the_first_update_shows_everything_at_rest_and_lost() -> None:
    update = Feed().advance(T0)
    assert update is not None
    assert (update.seq, update.changed.tolist(), update.status.tolist()) == (1, [0, 1, 2, 3], [Status.LOST] * 4)
    assert update.stamp_ns.tolist() == [0] * 4
    assert update.joint_position.tolist() == [0.25, 0.0, 0.03] * 2
    assert update.joint_velocity.tolist() == [0.0] * 6
    assert update.joint_std.tolist() == [math.inf, 0.0, math.inf] * 2
    assert update.position[-2:].tolist() == [[7.0, 0.0, 0.0], [0.0, 3.0, 0.0]]
    assert update.position_std.tolist() == [0.0] * 4


@pytest.mark.parametrize(
    ("age_ns", "status"),
    [
        (-NS_PER_MS, Status.OK),
        (FRESH - 1, Status.OK),
        (FRESH, Status.COASTING),
        (COAST - 1, Status.COASTING),
        (COAST, Status.STALE),
        (LOST - 1, Status.STALE),
        (LOST, Status.LOST),
    ],
)
def test_status_goes_by_the_age_of_the_newest_sample(age_ns: int, status: Status) -> None:
    feed = Feed()
    feed.sample(LEFT, T0)
    update = feed.advance(T0 + age_ns)
    assert update is not None
    assert update.status.tolist() == [status, Status.LOST, Status.LOST, Status.LOST]
    assert update.joint_status.tolist() == [status] * 3 + [Status.LOST] * 3


def test_each_joint_is_graded_by_its_own_age_and_a_mimic_joint_by_the_one_it_follows() -> None:
    feed = Feed()
    feed.sample(LEFT, T0)
    feed.inputs["joint_sample_ns"][0] = T0 - FRESH
    update = feed.advance(T0)
    assert update is not None
    assert update.joint_status[:3].tolist() == [Status.COASTING, Status.OK, Status.COASTING]


def test_a_mimic_joint_takes_position_velocity_and_sigma_from_the_limited_joint_it_follows() -> None:
    feed = Feed()
    feed.sample(LEFT, T0, position=4.0, velocity=2.0)
    update = feed.advance(T0)
    assert update is not None
    assert update.joint_position[:3].tolist() == [1.0, 0.0, -0.4]
    assert update.joint_velocity[:3].tolist() == [2.0, 0.0, -1.0]
    assert update.joint_std[:3].tolist() == [0.5, 0.0, 0.25]


def test_a_joint_that_nobody_measures_is_led_back_from_the_mimic_joint_that_somebody_does() -> None:
    feed = Feed()
    feed.sample(LEFT, T0, position=0.35, velocity=0.2)
    feed.inputs["joint_sample_ns"][0] = NO_STAMP
    update = feed.advance(T0)
    assert update is not None
    assert update.joint_position[:3] == pytest.approx([-0.5, 0.0, 0.35])
    assert update.joint_velocity[:3] == pytest.approx([-0.4, 0.0, 0.2])
    assert update.joint_std[:3] == pytest.approx([1.0, 0.0, 0.5])
    assert update.joint_status[:3].tolist() == [Status.OK] * 3


def test_only_entities_with_news_change_and_nothing_new_makes_no_update() -> None:
    feed = Feed()
    assert feed.changed(T0) == [LEFT, RIGHT, CARTS, BOXES]
    assert feed.changed(T0 + NS_PER_MS) == []
    feed.sample(RIGHT, T0 + 2 * NS_PER_MS)
    assert feed.changed(T0 + 2 * NS_PER_MS) == [RIGHT]
    assert feed.changed(T0 + 3 * NS_PER_MS) == []
    feed.sample(LEFT, T0 + 4 * NS_PER_MS)
    feed.pose(BOXES, T0 + 4 * NS_PER_MS, 1.0)
    assert feed.changed(T0 + 4 * NS_PER_MS) == [LEFT, BOXES]
    assert feed.twin.seq == 3
    assert feed.twin.latest is not None
    assert feed.twin.latest.entity_seq.tolist() == [3, 2, 1, 3]


def test_a_coasting_entity_changes_with_the_instant_that_its_state_is_for() -> None:
    feed = Feed()
    feed.sample(LEFT, T0)
    feed.changed(T0)
    feed.inputs["target_ns"][LEFT] = T0 + FRESH - 50 * NS_PER_MS
    assert feed.changed(T0 + FRESH) == [LEFT]
    assert feed.twin.latest is not None
    assert feed.twin.latest.stamp_ns[LEFT] == T0 + FRESH - 50 * NS_PER_MS


def test_a_held_entity_is_shown_once_a_second_and_one_never_sampled_not_at_all() -> None:
    feed = Feed()
    feed.sample(LEFT, T0)
    feed.changed(T0)
    seen = []
    for tick in range(1, 101):
        now_ns = T0 + tick * 100 * NS_PER_MS
        feed.inputs["target_ns"][:] = now_ns
        if tick >= 5 and feed.changed(now_ns):
            seen.append(tick)
    assert seen == [5, 15, 25, 35, 45, 50, 60, 70, 80, 90, 100]


def test_a_wall_clock_that_is_set_back_does_not_silence_a_held_entity() -> None:
    feed = Feed()
    feed.sample(LEFT, T0 - 10 * LOST)
    assert feed.changed(T0) == [LEFT, RIGHT, CARTS, BOXES]
    assert feed.changed(T0 - NS_PER_S) == [LEFT]


def test_rows_of_entities_that_did_not_change_stay_as_they_were_shown() -> None:
    feed = Feed()
    feed.sample(LEFT, T0, position=0.5)
    feed.advance(T0)
    feed.inputs["joint_position"][:] = -0.5
    feed.sample(RIGHT, T0 + NS_PER_MS, position=0.75)
    update = feed.advance(T0 + NS_PER_MS)
    assert update is not None
    assert update.changed.tolist() == [RIGHT]
    assert update.joint_position[[0, 3]].tolist() == [0.5, 0.75]


def test_an_update_is_never_written_again() -> None:
    feed = Feed()
    feed.sample(LEFT, T0, position=0.5)
    first = feed.advance(T0)
    assert first is not None
    before = {field: np.copy(getattr(first, field)) for field in Update.__slots__}
    feed.pose(BOXES, T0 + NS_PER_MS, 4.0)
    feed.sample(LEFT, T0 + NS_PER_MS, position=-0.5)
    assert feed.advance(T0 + NS_PER_MS) is feed.twin.latest
    for field, value in before.items():
        np.testing.assert_array_equal(getattr(first, field), value)


def test_measured_poses_place_objects_and_floating_bases_but_not_fixed_robots() -> None:
    feed = Feed()
    for entity in (LEFT, CARTS, BOXES):
        feed.pose(entity, T0, 5.0)
    update = feed.advance(T0)
    assert update is not None
    cart, box = CELL.first_frame[CARTS], CELL.first_frame[-1]
    assert update.position[[0, cart, box], 0].tolist() == [0.0, 5.0, 5.0]
    assert update.orientation[box].tolist() == [0.0, 0.0, 0.0, -1.0]
    assert update.position_std[[CARTS, BOXES]].tolist() == [1.0, 1.0]


def test_estimates_of_any_layout_are_taken_without_compiling_again() -> None:
    from twind.twin import kinematics, settle

    warm_up()
    kernels = kinematics.move, settle.settle_joints
    compiled = [len(kernel.signatures) for kernel in kernels]
    feed = Feed()
    feed.sample(LEFT, T0)
    feed.inputs["body_position"] = np.asfortranarray(feed.inputs["body_position"])
    feed.inputs["joint_position"] = np.zeros((CELL.n_joints, 2))[:, 0]
    feed.inputs["joint_velocity"].flags.writeable = False
    assert feed.advance(T0) is not None
    assert [len(kernel.signatures) for kernel in kernels] == compiled


def test_the_repr_shows_how_many_entities_are_in_which_state() -> None:
    feed = Feed()
    assert repr(feed.twin) == "<Twin update 0: 4 not shown>"
    feed.sample(LEFT, T0)
    feed.advance(T0)
    assert repr(feed.twin) == "<Twin update 1: 1 ok, 3 lost>"


def test_a_stage_without_entities_never_has_news() -> None:
    twin = Twin(Topology(""), fresh_ns=FRESH, coast_ns=COAST, lost_ns=LOST)
    inputs = {name: values[:0] for name, values in Feed().inputs.items()}
    assert twin.advance(now_ns=T0, **inputs) is None


def test_a_joint_shown_at_its_limit_because_its_estimate_lies_beyond_is_flagged_until_it_comes_back() -> None:
    feed = Feed()
    for tick, (position, flags) in enumerate(((4.0, [1, 0, 0]), (1.0 + 1e-9, [0, 0, 0]), (-1.01, [1, 0, 0]), (0.5, [0, 0, 0]))):
        feed.sample(LEFT, T0 + tick, position=position)
        update = feed.advance(T0 + tick)
        assert update is not None
        assert update.limited[:3].tolist() == flags
