"""What a topic stands for: found once per topic by matching routes against the stage, then a dictionary look-up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from twind.model.errors import RefusedInput
from twind.model.refusals import Refusal
from twind.model.time import ms_to_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from twind.codecs.protocol import Codec
    from twind.config.base import RouteSettings
    from twind.model.messages import JointSample, PoseSample
    from twind.model.topology import Robot, Topology

_MAX_UNKNOWN_TOPICS = 4096
"""Refusals are remembered per topic, so that a flood of them stays cheap; the memory is emptied at this size."""
_MAX_LAYOUTS = 16
"""Different orders of joint names remembered per topic; a sender that keeps shuffling them is slower, never unbounded."""


class RowAllocator(Protocol):
    """Hands out the rows that estimation keeps per stream and per order of joints."""

    def new_stream(self, topic: str, *, latency_floor_ns: int = 0, period_ns: int = 0) -> int:
        """Return the row of a new stream's clock; raises RefusedInput when all are taken."""

    def new_layout(self, joints: Sequence[int]) -> int:
        """Return the id of an order of joint rows."""


class JointBinding:
    """One topic that carries joint states of one robot."""

    __slots__ = (
        "_joints",
        "_layouts",
        "_rows",
        "_unnamed",
        "decode",
        "last_layout",
        "last_length",
        "last_names",
        "max_bytes",
        "robot_id",
        "stream",
    )

    def __init__(
        self,
        robot: Robot,
        first_joint: int,
        *,
        stream: int,
        max_bytes: int,
        decode: Callable[[bytes], JointSample],
        rows: RowAllocator,
    ) -> None:
        self.robot_id = robot.id
        self.stream = stream
        self.max_bytes = max_bytes
        self.decode = decode
        self.last_names: tuple[str, ...] | None = None
        self.last_layout = -1
        self.last_length = -1
        self._rows = rows
        self._layouts: dict[tuple[str, ...] | int, int] = {}
        self._joints = {joint.name: first_joint + i for i, joint in enumerate(robot.joints) if joint.movable}
        driven = [first_joint + i for i, joint in enumerate(robot.joints) if joint.movable and joint.mimic is None]
        self._unnamed = {len(driven): driven, len(self._joints): list(self._joints.values())}

    def layout_for(self, names: tuple[str, ...] | None, length: int) -> int:
        """Return the layout of a message, and remember it as the one to expect next.

        Raises:
            RefusedInput: A name is not in the stage or stands twice, or unnamed positions do not match the joint order.
        """
        key = length if names is None else names
        layout = self._layouts.get(key)
        if layout is None:
            joints = self._unnamed_joints(length) if names is None else self._named_joints(names)
            layout = self._layouts[key] = self._rows.new_layout(joints)
        self.last_names, self.last_layout, self.last_length = names, layout, length
        return layout

    def _unnamed_joints(self, length: int) -> list[int]:
        joints = self._unnamed.get(length)
        if joints is None:
            expected = " or ".join(str(count) for count in sorted(self._unnamed))
            raise RefusedInput(
                Refusal.WRONG_LENGTH,
                f"{length} unnamed positions, but {self.robot_id!r} has {expected} joints: send `name` as well",
            )
        return joints

    def _named_joints(self, names: tuple[str, ...]) -> list[int]:
        unknown = [name for name in names if name not in self._joints]
        if unknown:
            raise RefusedInput(
                Refusal.UNKNOWN_JOINT,
                f"{unknown[0][:80]!r} is not a joint of {self.robot_id!r}; it has {', '.join(self._joints)}",
            )
        if len(set(names)) != len(names):
            raise RefusedInput(Refusal.UNKNOWN_JOINT, "a joint name stands twice")
        if len(self._layouts) >= _MAX_LAYOUTS:
            raise RefusedInput(Refusal.UNKNOWN_JOINT, f"more than {_MAX_LAYOUTS} different orders of joint names on one topic")
        return [self._joints[name] for name in names]


class PoseBinding:
    """One topic that carries poses of one entity."""

    __slots__ = ("decode", "entity", "max_bytes", "stream")

    def __init__(self, entity: int, *, stream: int, max_bytes: int, decode: Callable[[bytes], PoseSample]) -> None:
        self.entity = entity
        self.stream = stream
        self.max_bytes = max_bytes
        self.decode = decode


Binding = JointBinding | PoseBinding


class Bindings:
    """All topics of one source that were seen so far."""

    def __init__(
        self,
        routes: Sequence[RouteSettings],
        codecs: Mapping[str, Codec],
        topology: Topology,
        rows: RowAllocator,
        *,
        latency_floor_ms: float = 0.0,
    ) -> None:
        self._routes = routes
        self._latency_floor_ms = latency_floor_ms
        self._codecs = codecs
        self._topology = topology
        self._rows = rows
        self.known: dict[str, Binding] = {}
        """Topic to binding; the hot path reads this directly."""
        self._refused: dict[str, tuple[Refusal, str]] = {}

    def find(self, topic: str) -> Binding:
        """Bind a topic that is not in `known` yet.

        Raises:
            RefusedInput: No route matches, or what the route names is not in the stage.
        """
        refusal = self._refused.get(topic)
        if refusal is not None:
            raise RefusedInput(*refusal)
        try:
            binding = self._bind(topic)
        except RefusedInput as error:
            if len(self._refused) >= _MAX_UNKNOWN_TOPICS:
                self._refused.clear()
            self._refused[topic] = (error.reason, str(error))
            raise
        self.known[topic] = binding
        return binding

    def _bind(self, topic: str) -> Binding:
        for route in self._routes:
            found = route.topic.match(topic)
            if found is not None:
                break
        else:
            raise RefusedInput(Refusal.NO_ROUTE, f"no route matches the topic {topic[:120]!r}")
        entity_id = route.entity if route.entity is not None else found["entity"]
        index = self._topology.entity_index.get(entity_id)
        if index is None:
            raise RefusedInput(Refusal.UNKNOWN_ENTITY, f"{entity_id[:80]!r} is not an entity of the stage")
        codec = self._codecs[route.codec]
        if codec.kind == "pose":
            return PoseBinding(index, stream=self._stream(topic, route), max_bytes=route.max_bytes, decode=codec.decode)
        if index >= len(self._topology.robots):
            raise RefusedInput(Refusal.UNKNOWN_ENTITY, f"{entity_id!r} is an object: it has no joints")
        return JointBinding(
            self._topology.robots[index],
            self._topology.first_joint[index],
            stream=self._stream(topic, route),
            max_bytes=route.max_bytes,
            decode=codec.decode,
            rows=self._rows,
        )

    def _stream(self, topic: str, route: RouteSettings) -> int:
        floor_ms = self._latency_floor_ms if route.latency_floor_ms is None else route.latency_floor_ms
        return self._rows.new_stream(topic, latency_floor_ns=ms_to_ns(floor_ms), period_ns=ms_to_ns(route.period_ms))
