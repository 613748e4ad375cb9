"""Which joints of a robot the values of a message belong to: by their names, or by the discovered order."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from twind.model.errors import RefusedInput
from twind.model.refusals import Refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.model.messages import ClockSample
    from twind.model.topology import Robot

_MAX_LAYOUTS = 16
"""Different orders of joint names remembered per topic; a sender that keeps shuffling them is slower, never unbounded."""


class RowAllocator(Protocol):
    """Hands out the rows that estimation keeps per stream and per order of joints."""

    def new_stream(
        self, topic: str, *, source: str = "", entity: int = -1, latency_floor_ns: int = 0, period_ns: int = 0
    ) -> int:
        """Return the row of a new stream's clock; raises RefusedInput when all are taken."""

    def measured_both_ways(self, stream: int, sample: ClockSample) -> None:
        """Take in what one stream says of the clock of its entity; raises RefusedInput when it cannot be."""

    def new_layout(self, joints: Sequence[int]) -> int:
        """Return the id of an order of joint rows."""


class JointLayouts:
    """The orders of joints that one topic was seen to use."""

    __slots__ = ("_joints", "_labels", "_layouts", "_robot_id", "_rows", "_unnamed")

    def __init__(self, robot: Robot, first_joint: int, *, rows: RowAllocator) -> None:
        self._robot_id = robot.id
        self._rows = rows
        self._layouts: dict[tuple[str, ...] | int, int] = {}
        self._joints = {joint.name: first_joint + i for i, joint in enumerate(robot.joints) if joint.movable}
        self._labels: dict[str, int] = {}
        counts = Counter(joint.label for joint in robot.joints)
        for i, joint in enumerate(robot.joints):
            if joint.movable and joint.label and joint.label not in self._joints and counts[joint.label] == 1:
                self._labels[joint.label] = first_joint + i
        ordered = [robot.joints[i] for i in robot.message_order or range(len(robot.joints))]
        movable = [joint.name for joint in ordered if joint.movable]
        driven = [joint.name for joint in ordered if joint.movable and joint.mimic is None]
        self._unnamed = {len(driven): tuple(driven), len(movable): tuple(movable)}

    def find(self, names: tuple[str, ...] | None, length: int) -> int:
        """Return the layout of these names, or of the discovered order where there are none.

        Raises:
            RefusedInput: A name is not in the stage or stands twice, or unnamed values do not match the joint order.
        """
        key = length if names is None else names
        layout = self._layouts.get(key)
        if layout is None:
            joints = [self._joints[name] for name in self.unnamed(length)] if names is None else self._named(names)
            layout = self._layouts[key] = self._rows.new_layout(joints)
        return layout

    def unnamed(self, length: int) -> tuple[str, ...]:
        """Return the names that so many unnamed values stand for.

        Raises:
            RefusedInput: It is neither the number of driven joints nor that of all movable ones.
        """
        names = self._unnamed.get(length)
        if names is None:
            expected = " or ".join(str(count) for count in sorted(self._unnamed))
            raise RefusedInput(
                Refusal.WRONG_LENGTH,
                f"{length} unnamed positions, but {self._robot_id!r} has {expected} joints: send `name` as well",
            )
        return names

    def _named(self, names: tuple[str, ...]) -> list[int]:
        known = self._labels | self._joints
        unknown = [name for name in names if name not in known]
        if unknown:
            raise RefusedInput(
                Refusal.UNKNOWN_JOINT,
                f"{unknown[0][:80]!r} is not a joint of {self._robot_id!r}; it has {', '.join(self._joints)}",
            )
        rows = [known[name] for name in names]
        if len(set(rows)) != len(rows):
            raise RefusedInput(Refusal.UNKNOWN_JOINT, "a joint name stands twice")
        if len(self._layouts) >= _MAX_LAYOUTS:
            raise RefusedInput(Refusal.UNKNOWN_JOINT, f"more than {_MAX_LAYOUTS} different orders of joint names on one topic")
        return rows
