"""Entities as the API shows them."""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from twind.model.estimates import Status
from twind.model.state import Update
from twind.model.time import NO_STAMP
from twind.model.topology import Joint, JointKind, Link, Pose, RigidObject, Robot, Topology
from twind.runtime.documents import entity_document, entity_list

NOW_NS = 1_700_000_000_000_000_000

TOPOLOGY = Topology(
    "cell.usda",
    robots=(
        Robot(
            "arm",
            "/World/arm",
            links=(Link("base", "/World/arm/base"), Link("tool", "/World/arm/base/tool")),
            joints=(
                Joint("mount", "/World/arm/mount", JointKind.FIXED, 2, -1, 0, Pose(), Pose()),
                Joint("slide", "/World/arm/slide", JointKind.PRISMATIC, 0, 0, 1, Pose(), Pose(), lower=-0.5, upper=0.25),
            ),
        ),
        Robot(
            "turn",
            "/World/turn",
            links=(Link("base", "/World/turn/base"), Link("disc", "/World/turn/disc")),
            joints=(Joint("spin", "/World/turn/spin", JointKind.CONTINUOUS, 2, 0, 1, Pose(), Pose()),),
        ),
    ),
    objects=(RigidObject("part", "/World/part"),),
)


@pytest.fixture
def update() -> Update:
    rows = np.arange(5.0)
    return Update(
        seq=9,
        made_ns=NOW_NS,
        changed=np.array([0, 2]),
        entity_seq=np.array([9, 0, 8]),
        stamp_ns=np.array([NOW_NS - 20_000_000, 0, NOW_NS]),
        sample_ns=np.array([NOW_NS - 25_000_000, NO_STAMP, NOW_NS - 1_500_000]),
        status=np.array([Status.OK, Status.LOST, Status.COASTING], np.uint8),
        joint_position=np.array([0.0, 0.25, 7.0]),
        joint_velocity=np.array([0.0, -1.0, math.nan]),
        joint_std=np.array([0.0, 1e-4, math.inf]),
        joint_status=np.array([Status.LOST, Status.OK, Status.STALE], np.uint8),
        limited=np.array([0, 1, 0], np.uint8),
        position=np.stack([rows, rows + 0.1, rows + 0.2], axis=1),
        orientation=np.tile([1.0, 0.0, 0.0, 0.0], (5, 1)),
        local_translate=np.zeros((5, 3)),
        local_orient=np.zeros((5, 4)),
        position_std=np.array([0.0, 0.0, 0.002]),
        rotation_std=np.array([0.0, 0.0, 0.01]),
    )


def document(update: Update, entity_id: str) -> object:
    return msgspec.json.decode(msgspec.json.encode(entity_document(TOPOLOGY, update, NOW_NS, entity_id)))


def test_a_robot_shows_its_movable_joints_and_its_links_in_world(update: Update) -> None:
    assert document(update, "arm") == {
        "id": "arm",
        "kind": "robot",
        "prim": "/World/arm",
        "status": "ok",
        "age_ms": 25.0,
        "stamp_ns": NOW_NS - 20_000_000,
        "seq": 9,
        "joints": {
            "slide": {
                "position": 0.25,
                "velocity": -1.0,
                "position_std": 1e-4,
                "unit": "m",
                "lower": -0.5,
                "upper": 0.25,
                "status": "ok",
                "limited": True,
            }
        },
        "links": {
            "/World/arm/base": {"position": [0.0, 0.1, 0.2], "orientation": [1.0, 0.0, 0.0, 0.0]},
            "/World/arm/base/tool": {"position": [1.0, 1.1, 1.2], "orientation": [1.0, 0.0, 0.0, 0.0]},
        },
    }


def test_before_the_first_sample_age_and_stamp_are_null_and_so_is_what_no_json_number_can_hold(update: Update) -> None:
    turn = document(update, "turn")
    assert isinstance(turn, dict)
    assert (turn["age_ms"], turn["stamp_ns"], turn["status"]) == (None, None, "lost")
    assert turn["joints"] == {
        "spin": {
            "position": 7.0,
            "velocity": None,
            "position_std": None,
            "unit": "rad",
            "lower": None,
            "upper": None,
            "status": "stale",
        }
    }
    assert list(turn["links"]) == ["/World/turn/base", "/World/turn/disc"]
    assert turn["links"]["/World/turn/disc"]["position"] == pytest.approx([3.0, 3.1, 3.2])


def test_an_object_shows_its_pose_instead(update: Update) -> None:
    part = document(update, "part")
    assert isinstance(part, dict)
    assert part["pose"] == {
        "position": pytest.approx([4.0, 4.1, 4.2]),
        "orientation": [1.0, 0.0, 0.0, 0.0],
        "position_std": 0.002,
        "rotation_std": 0.01,
    }
    assert (part["kind"], part["status"], part["age_ms"]) == ("object", "coasting", 1.5)
    assert "joints" not in part
    assert "links" not in part


def test_an_unknown_id_has_no_document(update: Update) -> None:
    assert entity_document(TOPOLOGY, update, NOW_NS, "nobody") is None


def test_the_list_has_the_head_of_every_entity_in_discovery_order(update: Update) -> None:
    assert [(head["id"], head["status"]) for head in entity_list(TOPOLOGY, update, NOW_NS)] == [
        ("arm", "ok"),
        ("turn", "lost"),
        ("part", "coasting"),
    ]
    assert set(entity_list(TOPOLOGY, update, NOW_NS)[0]) == {"id", "kind", "prim", "status", "age_ms"}
