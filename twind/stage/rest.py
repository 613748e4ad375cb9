"""Where the axes of a joint stand in the asset as authored.

A joint's motion is a translation, then rotations about X, Y and Z in this order, each about the axis that the earlier ones
have turned: `R = Rx(a) Ry(b) Rz(c)`. So are the D6 joints of PhysX and Newton.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from twind.model.topology import JointKind, Pose
from twind.stage.poses import IDENTITY, compose, distance, motion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.stage.axes import Axis

TOLERANCE_M = 1e-3
TOLERANCE_RAD = 1e-3
"""How far authored link poses may miss what their joint allows before it is worth a note."""
_X, _Y, _Z = range(3)


def positions_between(axes: Sequence[Axis], across: Pose) -> list[float]:
    """Return the positions [rad or m] that best explain the child's joint frame seen from the parent's."""
    turns = _angles({axis.index for axis in axes if axis.kind is not JointKind.PRISMATIC}, across)
    return [
        across.position[axis.index] if axis.kind is JointKind.PRISMATIC else _into_limits(turns[axis.index], axis)
        for axis in axes
    ]


def _angles(free: set[int], across: Pose) -> dict[int, float]:
    """Return the angle about each free axis; where two or three are free, from the rotation matrix."""
    w, x, y, z = across.orientation
    if len(free) <= 1:
        return {index: math.remainder(2 * math.atan2((x, y, z)[index], w), math.tau) for index in free}
    r00, r01, r02 = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
    r10, r11 = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z)
    r12, r21, r22 = 2 * (y * z - w * x), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)
    if free == {_X, _Y}:
        return {_X: math.atan2(r21, r11), _Y: math.atan2(r02, r00)}
    if free == {_Y, _Z}:
        return {_Y: math.atan2(r02, r22), _Z: math.atan2(r10, r11)}
    level = math.hypot(r00, r01)
    if level < 1e-9:  # noqa: PLR2004  (gimbal lock: only the sum of X and Z is known)
        return {_X: math.atan2(r21, r11), _Y: math.atan2(r02, level), _Z: 0.0}
    return {_X: math.atan2(-r12, r22), _Y: math.atan2(r02, level), _Z: math.atan2(-r01, r00)}


def _into_limits(angle: float, axis: Axis) -> float:
    """Return the angle, a whole turn away when only that lies within the limits."""
    slack = TOLERANCE_RAD
    for turns in (0.0, math.tau, -math.tau):
        if axis.lower - slack <= angle + turns <= axis.upper + slack:
            return angle + turns
    return angle


def moved(axes: Sequence[Axis], positions: Sequence[float]) -> Pose:
    """Return the child's joint frame seen from the parent's, with the axes at these positions [rad or m]."""
    pose = IDENTITY
    for axis, position in zip(axes, positions, strict=True):
        slides = axis.kind is JointKind.PRISMATIC
        pose = compose(pose, motion(axis.index, 0.0 if slides else position, position if slides else 0.0))
    return pose


def misfit(axes: Sequence[Axis], across: Pose, positions: Sequence[float]) -> tuple[float, float]:
    """Return how far the authored frames are from what the joint at these positions demands: [m] and [rad]."""
    return distance(moved(axes, positions), across)
