"""Where a joint stands in the asset as authored."""

from __future__ import annotations

import math

from twind.model.topology import JointKind, Pose
from twind.stage.poses import compose, distance, inverse, motion

TOLERANCE_M = 1e-3
TOLERANCE_RAD = 1e-3
"""How far authored link poses may miss what their joint allows before it is worth a note."""


def position_between(kind: JointKind, axis: int, across: Pose, *, lower: float, upper: float) -> float:
    """Return the joint position [rad or m] that best explains the child's joint frame seen from the parent's."""
    if kind is JointKind.FIXED:
        return 0.0
    if kind is JointKind.PRISMATIC:
        return across.position[axis]
    w, imaginary = across.orientation[0], across.orientation[1 + axis]
    angle = math.remainder(2 * math.atan2(imaginary, w), math.tau)
    return _into_limits(angle, lower, upper)


def _into_limits(angle: float, lower: float, upper: float) -> float:
    """Return the angle, a whole turn away when only that lies within the limits."""
    slack = TOLERANCE_RAD
    for turns in (0.0, math.tau, -math.tau):
        if lower - slack <= angle + turns <= upper + slack:
            return angle + turns
    return angle


def misfit(kind: JointKind, axis: int, across: Pose, position: float) -> tuple[float, float]:
    """Return how far the authored frames are from what the joint at this position demands: [m] and [rad]."""
    turn = position if kind in (JointKind.REVOLUTE, JointKind.CONTINUOUS) else 0.0
    slide = position if kind is JointKind.PRISMATIC else 0.0
    return distance(motion(axis, turn, slide), across)


def flipped(frame: Pose, axis: int) -> Pose:
    """Turn a joint frame by half a turn about another axis, so that the joint's positive direction is reversed."""
    return compose(frame, motion((axis + 1) % 3, math.pi, 0.0))


def across(parent: Pose, parent_frame: Pose, child: Pose, child_frame: Pose) -> Pose:
    """Return the child's joint frame as seen from the parent's, for authored world poses of both bodies."""
    return compose(inverse(compose(parent, parent_frame)), compose(child, child_frame))
