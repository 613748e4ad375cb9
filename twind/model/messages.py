"""What sources hand over: raw bytes with where and when they arrived; and what codecs make of them."""

from __future__ import annotations

import msgspec


class RawMessage(msgspec.Struct, frozen=True, gc=False):
    """One message as it arrived, before anything was believed about it."""

    topic: str
    payload: bytes
    receive_ns: int
    """Daemon wall clock at arrival [ns since the epoch]."""
    token: int = 0
    """The source's own handle for its acknowledgement; 0 when there is nothing to acknowledge."""


class JointSample(msgspec.Struct, gc=False):
    """One decoded joint message: positions [rad or m] of one robot at one instant."""

    stamp_ns: int
    """Device stamp [ns]; `NO_STAMP` when the message carries none."""
    names: tuple[str, ...] | None
    """Joint names in the order of the arrays; None means the discovered joint order."""
    position: list[float]
    velocity: list[float]
    """Joint velocities [rad/s or m/s]; empty when not given."""
    effort: list[float]
    """Joint efforts [N m or N]; empty when not given."""


class PoseSample(msgspec.Struct, gc=False):
    """One decoded pose message: a body in the world at one instant."""

    stamp_ns: int
    """Device stamp [ns]; `NO_STAMP` when the message carries none."""
    position: tuple[float, float, float]
    """World position [m]."""
    orientation: tuple[float, float, float, float]
    """Body-to-world Hamilton quaternion (w, x, y, z), as sent: not normalised, its sign free."""
    position_var: tuple[float, float, float] | None = None
    """Variances of the position [m^2], None when the message states none."""
    rotation_var: tuple[float, float, float] | None = None
    """Variances of the rotation vector [rad^2], None when the message states none."""
