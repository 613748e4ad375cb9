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
"""Of three axes; None where the message states none."""


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
    return (x, y, z) if min(x, y, z) > 0 else None
