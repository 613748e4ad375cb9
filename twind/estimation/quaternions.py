"""Quaternion arithmetic for kernels: Hamilton, (w, x, y, z), body to world; tuples only, so nothing is allocated.

J. Sola, "Quaternion kinematics for the error-state Kalman filter", arXiv 1711.02508, eqs. 12, 101 and 103 to 106.
"""

from __future__ import annotations

import math

from twind.estimation.compile import kernel

Quaternion = tuple[float, float, float, float]
Vector = tuple[float, float, float]

_SMALL = 1e-4  # angle [rad] below which two terms of the series are exact to float64
_SHORT = 0.0625  # half angle squared below which six terms are, and cheaper than the functions


@kernel
def multiply(a: Quaternion, b: Quaternion) -> Quaternion:
    """Compose two rotations: `b` first, then `a`."""
    return (
        a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3],
        a[0] * b[1] + a[1] * b[0] + a[2] * b[3] - a[3] * b[2],
        a[0] * b[2] - a[1] * b[3] + a[2] * b[0] + a[3] * b[1],
        a[0] * b[3] + a[1] * b[2] - a[2] * b[1] + a[3] * b[0],
    )


@kernel
def conjugate(a: Quaternion) -> Quaternion:
    """Invert a unit quaternion."""
    return (a[0], -a[1], -a[2], -a[3])


@kernel
def normalised(a: Quaternion) -> Quaternion:
    """Scale to unit length; the length must not be zero."""
    scale = 1.0 / math.sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2] + a[3] * a[3])
    return (a[0] * scale, a[1] * scale, a[2] * scale, a[3] * scale)


@kernel
def rotate(a: Quaternion, v: Vector) -> Vector:
    """Turn a vector by a unit quaternion."""
    x, y, z = a[2] * v[2] - a[3] * v[1], a[3] * v[0] - a[1] * v[2], a[1] * v[1] - a[2] * v[0]
    return (
        v[0] + 2.0 * (a[0] * x + a[2] * z - a[3] * y),
        v[1] + 2.0 * (a[0] * y + a[3] * x - a[1] * z),
        v[2] + 2.0 * (a[0] * z + a[1] * y - a[2] * x),
    )


@kernel
def exponential(x: float, y: float, z: float) -> Quaternion:
    """Turn a rotation vector [rad] into a unit quaternion."""
    square = 0.25 * (x * x + y * y + z * z)  # of half the angle
    if square < _SHORT:
        scale = 1.0 - square / 110.0
        for n in (72.0, 42.0, 20.0, 6.0):
            scale = 1.0 - square / n * scale
        cosine = 1.0 - square / 90.0
        for n in (56.0, 30.0, 12.0, 2.0):
            cosine = 1.0 - square / n * cosine
        return (cosine, 0.5 * scale * x, 0.5 * scale * y, 0.5 * scale * z)
    half = math.sqrt(square)
    scale = 0.5 * math.sin(half) / half
    return (math.cos(half), scale * x, scale * y, scale * z)


@kernel
def logarithm(a: Quaternion) -> Vector:
    """Turn a unit quaternion into the shorter of its two rotation vectors [rad]."""
    sign = -1.0 if a[0] < 0.0 else 1.0
    sine = math.sqrt(a[1] * a[1] + a[2] * a[2] + a[3] * a[3])
    cosine = sign * a[0]
    # angle / sine = 2 atan(sine / cosine) / sine
    scale = sign * (
        2.0 / cosine * (1.0 - sine * sine / (3.0 * cosine * cosine)) if sine < _SMALL else 2.0 * math.atan2(sine, cosine) / sine
    )
    return (scale * a[1], scale * a[2], scale * a[3])
