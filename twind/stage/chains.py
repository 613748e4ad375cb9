"""From the joint prims of a branch to rows of joints, one per free axis, in the direction away from the base.

A prim with several free axes (a ball, a D6 joint), and joints that are stacked between the same two bodies (as MuJoCo's are),
become several rows that end at the same link: the first starts at the parent link, each other one at the child itself, where
the rows before it have put it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from twind.stage.poses import IDENTITY, compose, distance, inverse, motion, relative
from twind.stage.rest import TOLERANCE_M, TOLERANCE_RAD, moved, positions_between

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.model.topology import Pose
    from twind.stage.axes import Axis
    from twind.stage.joints import JointPrim
    from twind.stage.notes import Notes

_ANCHOR_M = 1e-6
_ANCHOR_RAD = 1e-6
"""How far a fixed base may miss its world joint before the authored pose is believed in the joint's place."""
_ZERO = 1e-9
"""A rest position smaller than this is what single precision left of zero [rad or m]."""


@dataclass(frozen=True, slots=True)
class Row:
    """`outer * motion(axis, position) * inverse(inner)` leads from the parent link, or from where the child is so far, on."""

    joint: JointPrim
    axis: Axis | None
    """None where the joint is fixed."""
    outer: Pose
    inner: Pose
    rest: float
    """Position as authored [rad or m]."""


def rows_of(
    joints: Sequence[JointPrim], *, against: bool, parent: Pose, child: Pose, to_world: bool, notes: Notes
) -> list[Row]:
    """Return the rows of a branch.

    Args:
        joints: The joint prims between the two bodies, one or a stack of them, which act in this order from body0 on.
        against: Whether the branch leads from body1 to body0.
        parent: Authored world pose of the body on the base's side; the identity for the world.
        child: Authored world pose of the other body.
        to_world: Whether the parent is the world.
        notes: Where assumptions are written down.
    """
    body0, body1 = (child, parent) if against else (parent, child)
    between = relative(body0, body1)
    fit = _fit(joints, between)
    rest = [
        [_near_zero(at if axis.state is None else axis.state) for axis, at in zip(joint.axes, seen, strict=True)]
        for joint, seen in zip(joints, fit, strict=True)
    ]
    first = joints[0]
    off_m, off_rad = distance(_stack(joints, fit), between)
    slack_m, slack_rad = (_ANCHOR_M, _ANCHOR_RAD) if first.fixed else (TOLERANCE_M, TOLERANCE_RAD)
    if to_world and len(joints) == 1 and (off_m > slack_m or off_rad > slack_rad):
        # A referenced robot stands where its Xform was placed; what its root joint says of the world stayed behind.
        rest = [[axis.state or 0.0 for axis in first.axes]]
        joints = [_anchored(first, rest[0], between, against=against)]
        notes.add(first.prim, "its frames are not where the base stands; the base stays where it is authored")
        return _rows(joints, rest, against=against)
    if off_m > TOLERANCE_M or off_rad > TOLERANCE_RAD:
        notes.add(
            first.prim,
            f"the authored link poses miss it by {off_m * 1e3:.3g} mm and {off_rad * 1e3:.3g} mrad; the joint is believed",
        )
    stated = any(axis.state is not None for joint in joints for axis in joint.axes)
    apart_m, apart_rad = distance(_stack(joints, rest), between) if stated else (0.0, 0.0)
    if apart_m > off_m + TOLERANCE_M or apart_rad > off_rad + TOLERANCE_RAD:
        for joint, says, seen in zip(joints, rest, fit, strict=True):
            if says != seen:
                notes.add(joint.prim, f"its authored state {_listed(says)} is not where the links stand ({_listed(seen)})")
    return _rows(joints, rest, against=against)


def _fit(joints: Sequence[JointPrim], between: Pose) -> list[list[float]]:
    """Return the position of each axis of each joint that best explains body1's pose in body0."""
    if len(joints) > 1:  # nothing says how the stack shares the way between its bodies; converters author it at zero
        return [[axis.state or 0.0 for axis in joint.axes] for joint in joints]
    (joint,) = joints
    return [positions_between(joint.axes, relative(joint.frame0, compose(between, joint.frame1)))]


def _near_zero(position: float) -> float:
    return 0.0 if abs(position) < _ZERO else position


def _listed(positions: Sequence[float]) -> str:
    return ", ".join(f"{position:.4g}" for position in positions)


def _stack(joints: Sequence[JointPrim], positions: Sequence[Sequence[float]]) -> Pose:
    """Return body1's pose in body0, all joints at the given positions."""
    pose = joints[0].frame0
    for joint, at in zip(joints, positions, strict=True):
        if joint is not joints[0]:
            pose = compose(pose, joint.frame1)
        pose = compose(compose(pose, moved(joint.axes, at)), inverse(joint.frame1))
    return pose


def _anchored(joint: JointPrim, rest: Sequence[float], between: Pose, *, against: bool) -> JointPrim:
    """Return the joint with its frame in the world moved such that at rest body1 stands at `between` in body0."""
    motion_at_rest = moved(joint.axes, rest)
    if against:  # body1 is the world
        return replace(joint, frame1=compose(inverse(between), compose(joint.frame0, motion_at_rest)))
    return replace(joint, frame0=compose(compose(between, joint.frame1), inverse(motion_at_rest)))


def _rows(joints: Sequence[JointPrim], rest: Sequence[Sequence[float]], *, against: bool) -> list[Row]:
    rows = []
    for joint, at in zip(joints, rest, strict=True):
        start = joint.frame0 if joint is joints[0] else joint.frame1
        last = max(len(joint.axes) - 1, 0)
        for number, (axis, position) in enumerate(zip(joint.axes or (None,), at or (0.0,), strict=True)):
            outer = start if number == 0 else IDENTITY
            inner = joint.frame1 if number == last else IDENTITY
            rows.append(Row(joint, axis, outer, inner, position))
    return [_backwards(row) for row in reversed(rows)] if against else rows


def _backwards(row: Row) -> Row:
    """Return the row that leads from where this one leads to; its frames are turned so that its positions keep their sign."""
    outer, inner = row.inner, row.outer
    if row.axis is not None:
        half_turn = motion((row.axis.index + 1) % 3, math.pi, 0.0)
        outer, inner = compose(outer, half_turn), compose(inner, half_turn)
    return replace(row, outer=outer, inner=inner)
