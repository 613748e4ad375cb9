"""Topics that carry poses, velocities or inertial readings of one entity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind.codecs.protocol import ImuCodec, OdometryCodec, PoseCodec, TwistCodec
    from twind.runtime.columns import BodyColumns, JointColumns


class BodyBinding:
    """One such topic. What it carries, the function that appends its samples knows."""

    __slots__ = ("_append", "_decode", "entity", "max_bytes", "stream")

    def __init__(
        self,
        entity: int,
        *,
        stream: int,
        max_bytes: int,
        decode: Callable[[bytes], Any],
        append: Callable[[BodyColumns, int, int, int, Any], None],
    ) -> None:
        self.entity = entity
        self.stream = stream
        self.max_bytes = max_bytes
        self._decode = decode
        self._append = append

    @property
    def entities(self) -> tuple[int, ...]:
        """Entities that the topic was about so far."""
        return (self.entity,)

    def take(self, payload: bytes, receive_ns: int, _joints: JointColumns, bodies: BodyColumns) -> None:
        """Decode a payload, and append what it holds.

        Raises:
            RefusedInput: It cannot be used; nothing was appended.
        """
        self._append(bodies, self.stream, receive_ns, self.entity, self._decode(payload))
        bodies.messages.append(self.stream)


def body_binding(
    entity: int, codec: PoseCodec | TwistCodec | OdometryCodec | ImuCodec, *, stream: int, max_bytes: int
) -> BodyBinding:
    """Bind a topic of one of these codecs."""
    return BodyBinding(entity, stream=stream, max_bytes=max_bytes, decode=codec.decode, append=_APPEND[codec.kind])


def _append_pose(bodies: BodyColumns, stream: int, receive_ns: int, entity: int, sample: Any) -> None:
    bodies.add_pose(stream, receive_ns, entity, sample)


def _append_twist(bodies: BodyColumns, stream: int, receive_ns: int, entity: int, sample: Any) -> None:
    bodies.add_twist(stream, receive_ns, entity, sample)


def _append_odometry(bodies: BodyColumns, stream: int, receive_ns: int, entity: int, sample: Any) -> None:
    bodies.add_pose(stream, receive_ns, entity, sample.pose)
    bodies.add_twist(stream, receive_ns, entity, sample.twist)


def _append_imu(bodies: BodyColumns, stream: int, receive_ns: int, entity: int, sample: Any) -> None:
    bodies.add_imu(stream, receive_ns, entity, sample)


_APPEND = {"pose": _append_pose, "twist": _append_twist, "odometry": _append_odometry, "imu": _append_imu}
