"""A joint looked at: measured beside estimated, and nothing kept of joints that nobody looks at."""

from __future__ import annotations

import pytest

from tests.runtime.cell import MS, START, Cell
from twind.runtime.http.views import NotNowError
from twind.runtime.traces import FORGET_AFTER_S, KEPT, MAX_JOINTS, Traces


class Looked:
    def __init__(self, **estimation: object) -> None:
        self.cell = Cell(**estimation)
        self.now_s = 0.0
        self.traces = Traces(self.cell.topology, self.cell.estimators, now_s=lambda: self.now_s)

    def move(self, at: int, *positions: float) -> None:
        stamp = START + at * 10 * MS
        self.cell.joints(stamp, list(positions))
        self.cell.show(stamp + 2 * MS, "arm")
        assert self.cell.update is not None
        self.traces.show(self.cell.update)

    def ask(self, joint: str = "elbow", after: int = 0) -> dict:
        document = self.traces.document("arm", joint, after)
        assert document is not None
        return document


def test_from_the_first_look_on_measured_and_estimated_values_are_kept() -> None:
    looked = Looked()
    looked.move(0, 0.1, 0.2)
    assert looked.cell.estimators.on_joints is None  # nobody looks: nothing is told
    assert looked.ask()["measured"]["position"] == []
    for at in range(1, 4):
        looked.move(at, 0.1, 0.2 + at * 0.01)
    document = looked.ask()
    assert document["measured"]["position"] == pytest.approx([0.21, 0.22, 0.23])
    assert len(set(document["measured"]["stamp_ns"])) == 3
    assert set(document["measured"]["verdict"]) == {"accepted"}
    assert len(document["estimated"]["position"]) == 3
    assert all(std > 0 for std in document["estimated"]["position_std"])
    looked.move(4, 0.1, 0.24)
    later = looked.ask(after=document["next"])
    assert later["measured"]["position"] == pytest.approx([0.24])
    assert looked.ask(after=10**9)["measured"]["position"] == pytest.approx([0.21, 0.22, 0.23, 0.24])


def test_messages_that_leave_the_joint_out_or_are_garbage_leave_no_trace() -> None:
    looked = Looked()
    looked.ask()
    looked.cell.joints(START, [0.5], name=["shoulder"])
    looked.cell.joints(START + 10 * MS, [0.1, 0.2], name=["elbow", "shoulder"])
    looked.cell.joints(START + 20 * MS, [1e300, 1e300])
    document = looked.ask()
    assert document["measured"]["position"][0] == pytest.approx(0.1)
    assert "accepted" not in document["measured"]["verdict"][1:]


def test_a_joint_that_nobody_asks_about_is_forgotten_and_so_is_what_is_long_ago() -> None:
    looked = Looked()
    looked.ask()
    for at in range(KEPT + 10):
        looked.cell.joints(START + at * 10 * MS, [0.1, 0.2])
    assert len(looked.ask()["measured"]["position"]) == KEPT
    looked.now_s += FORGET_AFTER_S + 1
    looked.move(KEPT + 20, 0.1, 0.2)
    assert len(looked.traces) == 0
    assert looked.cell.estimators.on_joints is None


def test_only_joints_that_are_there_and_not_too_many_of_them() -> None:
    looked = Looked()
    for entity, joint in (("arm", "wrist"), ("crate", "elbow"), ("nobody", "elbow"), ("", "")):
        assert looked.traces.document(entity, joint, 0) is None
    looked.ask()
    for row in range(100, 100 + MAX_JOINTS - 1):
        looked.traces._traces[row] = looked.traces._traces[1]
    with pytest.raises(NotNowError, match="16 joints"):
        looked.ask("shoulder")
