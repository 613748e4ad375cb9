"""Which joints the values of a message belong to."""

from __future__ import annotations

from typing import Any

import pytest

from twind.model.errors import RefusedInput
from twind.model.topology import Joint, JointKind, Link, Mimic, Robot
from twind.runtime.joint_layouts import JointLayouts


class Rows:
    """Remembers the layouts that were asked for."""

    def __init__(self) -> None:
        self.layouts: list[list[int]] = []

    def new_stream(self, *_: Any, **__: Any) -> int:
        return 0

    def new_layout(self, joints: Any) -> int:
        self.layouts.append(list(joints))
        return len(self.layouts) - 1


def layouts(*, message_order: tuple[int, ...] = (), **labels: str) -> tuple[JointLayouts, Rows]:
    joints = tuple(
        Joint(
            name,
            f"/r/{name}",
            JointKind.REVOLUTE,
            axis=0,
            parent=at,
            child=at + 1,
            label=labels.get(name, ""),
            mimic=Mimic(0) if name == "d" else None,
        )
        for at, name in enumerate("abcd")
    )
    links = tuple(Link(str(at), f"/r/{at}") for at in range(5))
    rows = Rows()
    return JointLayouts(Robot("r", "/r", links, joints, message_order=message_order), 10, rows=rows), rows


def found(names: tuple[str, ...] | None, length: int, **options: Any) -> list[int]:
    made, rows = layouts(**options)
    return rows.layouts[made.find(names, length)]


def test_values_without_names_are_in_kinematic_order_with_or_without_the_followers() -> None:
    assert found(None, 3) == [10, 11, 12]
    assert found(None, 4) == [10, 11, 12, 13]


def test_values_without_names_are_in_the_order_that_the_asset_states() -> None:
    assert found(None, 3, message_order=(2, 3, 0, 1)) == [12, 10, 11]
    assert found(None, 4, message_order=(2, 3, 0, 1)) == [12, 13, 10, 11]


def test_label_is_another_name() -> None:
    assert found(("b", "left-knee"), 2, a="left-knee") == [11, 10]


@pytest.mark.parametrize("labels", [{"a": "x", "b": "x"}, {"a": "y"}])
def test_label_that_two_joints_share_or_that_nobody_has_is_no_name(labels: dict[str, str]) -> None:
    with pytest.raises(RefusedInput, match="'x' is not a joint"):
        found(("x",), 1, **labels)


def test_name_of_a_joint_goes_before_the_label_of_another() -> None:
    assert found(("b",), 1, a="b") == [11]


def test_joint_named_twice_in_two_ways_is_refused() -> None:
    with pytest.raises(RefusedInput, match="twice"):
        found(("a", "left-knee"), 2, a="left-knee")
