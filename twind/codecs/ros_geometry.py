"""`geometry_msgs` as JSON, and what ROS messages say about how exact they are."""

from __future__ import annotations

import math

import msgspec

from twind.model.errors import RefusedInput
from twind.model.refusals import Refusal

_SMALLEST_NORM = 1e-6
_ROW = 7
"""Distance between two elements of the diagonal of a row-major 6 x 6 matrix."""


class Vector3(msgspec.Struct, gc=False):
    """`Vector3` and `Point`."""

    x: float
    y: float
    z: float

    def numbers(self) -> tuple[float, float, float]:
        """Return x, y, z."""
        return self.x, self.y, self.z


class Quaternion(msgspec.Struct, gc=False):
    """`Quaternion`; w stands last, as in ROS."""

    x: float
    y: float
    z: float
    w: float

    @property
    def has_direction(self) -> bool:
        """Whether it is far enough from zero to say anything."""
        return math.hypot(self.w, self.x, self.y, self.z) > _SMALLEST_NORM

    def numbers(self) -> tuple[float, float, float, float]:
        """Return w, x, y, z: the order of twind."""
        return self.w, self.x, self.y, self.z


class Pose(msgspec.Struct, gc=False):
    """`Pose`."""

    position: Vector3
    orientation: Quaternion


class Twist(msgspec.Struct, gc=False):
    """`Twist`."""

    linear: Vector3
    angular: Vector3


Variances = tuple[float, float, float] | None
"""Of three axes, NaN for one that is not stated; None where the message states none."""


def variances_of_six(covariance: list[float] | None) -> tuple[Variances, Variances]:
    """Take the diagonal of a 6 x 6 covariance where it is stated; ROS drivers leave zeros where they do not know.

    Raises:
        RefusedInput: It has not 36 numbers.
    """
    if covariance is None:
        return None, None
    if len(covariance) != 36:  # noqa: PLR2004  (6 x 6)
        raise RefusedInput(Refusal.WRONG_LENGTH, f"covariance has {len(covariance)} numbers, not 36")
    x, y, z, roll, pitch, yaw = covariance[::_ROW]
    return _stated(x, y, z), _stated(roll, pitch, yaw)


def variances_of_pose(covariance: list[float] | None, orientation: Quaternion) -> tuple[Variances, Variances]:
    """Take the variances of a position along the axes of the world, and those of its rotation along the axes of the body.

    ROS states the rotation's about the fixed axes, so their block C becomes R' C R, of which the diagonal is taken.
    Correlations that no covariance can have are left out. Where an axis is not stated, as of a robot in the plane, the body is
    taken to be level.

    Raises:
        RefusedInput: The covariance has not 36 numbers.
    """
    position, rotation = variances_of_six(covariance)
    if covariance is None or rotation is None or any(math.isnan(value) for value in rotation):
        return position, rotation
    c = [list(covariance[6 * row + 3 : 6 * row + 6]) for row in (3, 4, 5)]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        if not c[i][j] ** 2 < c[i][i] * c[j][j]:
            c[i][j] = c[j][i] = 0.0
    body = [sum(a * sum(c[i][j] * b for j, b in enumerate(axis)) for i, a in enumerate(axis)) for axis in _axes(orientation)]
    return position, (_known(body[0]), _known(body[1]), _known(body[2]))


def _axes(turn: Quaternion) -> tuple[tuple[float, float, float], ...]:
    """Return the axes of the body in the world: the columns of its rotation matrix."""
    norm = math.hypot(turn.w, turn.x, turn.y, turn.z)
    w, x, y, z = turn.w / norm, turn.x / norm, turn.y / norm, turn.z / norm
    return (
        (1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)),
        (2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x)),
        (2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)),
    )


def variances_of_three(covariance: list[float] | None, name: str) -> Variances:
    """Take the diagonal of a 3 x 3 covariance where it is stated.

    Raises:
        RefusedInput: It has not 9 numbers.
    """
    if covariance is None:
        return None
    if len(covariance) != 9:  # noqa: PLR2004  (3 x 3)
        raise RefusedInput(Refusal.WRONG_LENGTH, f"{name} has {len(covariance)} numbers, not 9")
    return _stated(covariance[0], covariance[4], covariance[8])


def _stated(x: float, y: float, z: float) -> Variances:
    return (_known(x), _known(y), _known(z)) if max(x, y, z) > 0 else None


def _known(variance: float) -> float:
    return variance if variance > 0.0 else math.nan
