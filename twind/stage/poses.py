"""Rigid transforms on plain tuples: what discovery needs, a few hundred times per stage. Formulas: Hamilton, (w, x, y, z)."""

from __future__ import annotations

import math

from twind.model.topology import Pose, Quat, Vec3

IDENTITY = Pose()


def product(a: Quat, b: Quat) -> Quat:
    """Multiply two quaternions."""
    aw, ax, ay, az = a
    bw, bx, by, bz = b
    return (
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    )


def conjugate(q: Quat) -> Quat:
    """Invert a unit quaternion."""
    w, x, y, z = q
    return (w, -x, -y, -z)


def normalised(q: Quat) -> Quat:
    """Scale a quaternion to unit length; one without direction becomes the identity, as USD reads it."""
    w, x, y, z = q
    norm = math.sqrt(w * w + x * x + y * y + z * z)
    if not norm > 1e-12:  # noqa: PLR2004  (below this there is no direction left)
        return (1.0, 0.0, 0.0, 0.0)
    return (w / norm, x / norm, y / norm, z / norm)


def rotate(q: Quat, v: Vec3) -> Vec3:
    """Rotate a vector by a unit quaternion."""
    w, x, y, z = q
    a, b, c = v
    i, j, k = 2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)
    return (a + w * i + y * k - z * j, b + w * j + z * i - x * k, c + w * k + x * j - y * i)


def compose(outer: Pose, inner: Pose) -> Pose:
    """Return `outer * inner`: the pose of `inner`'s frame in the frame that `outer` is given in."""
    x, y, z = rotate(outer.orientation, inner.position)
    px, py, pz = outer.position
    return Pose((px + x, py + y, pz + z), product(outer.orientation, inner.orientation))


def inverse(pose: Pose) -> Pose:
    """Return the pose of the parent in the child's frame."""
    back = conjugate(pose.orientation)
    x, y, z = rotate(back, pose.position)
    return Pose((-x, -y, -z), back)


def relative(base: Pose, pose: Pose) -> Pose:
    """Express `pose` in `base`'s frame; both are given in the same frame."""
    return compose(inverse(base), pose)


def motion(axis: int, angle: float, distance: float) -> Pose:
    """Return a rotation [rad] about, and a translation [m] along, one axis."""
    unit = [0.0, 0.0, 0.0]
    unit[axis] = 1.0
    x, y, z = unit
    s = math.sin(angle / 2)
    return Pose((x * distance, y * distance, z * distance), (math.cos(angle / 2), x * s, y * s, z * s))


def distance(a: Pose, b: Pose) -> tuple[float, float]:
    """Return how far two poses are apart: [m] and [rad]."""
    between = relative(a, b)
    w, *imaginary = between.orientation
    return math.hypot(*between.position), 2 * math.atan2(math.hypot(*imaginary), abs(w))
