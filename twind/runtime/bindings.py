"""What a topic stands for: found once per topic by matching routes against the stage, then a dictionary look-up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind.model.errors import RefusedInput
from twind.model.refusals import Refusal
from twind.model.time import ms_to_ns
from twind.runtime.body_bindings import BodyBinding, body_binding
from twind.runtime.clock_binding import ClockBinding
from twind.runtime.joint_layouts import JointLayouts
from twind.runtime.journal import EventBinding, Journal
from twind.runtime.packed_binding import PackedBinding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from twind.codecs.protocol import Codec, EventCodec
    from twind.config.base import RouteSettings, SourceSettings
    from twind.config.registry import Registry
    from twind.model.messages import JointSample
    from twind.model.topology import Topology
    from twind.runtime.joint_layouts import RowAllocator

_MAX_EVENT_TOPICS = 65_536
"""Topics with events that are remembered; they come from outside."""
_MAX_UNKNOWN_TOPICS = 4096
"""Refusals are remembered per topic, so that a flood of them stays cheap; the memory is emptied at this size."""


class JointBinding:
    """One topic that carries joint states of one robot."""

    __slots__ = ("_layouts", "decode", "entity", "last_layout", "last_length", "last_names", "max_bytes", "stream")

    def __init__(
        self, entity: int, layouts: JointLayouts, *, stream: int, max_bytes: int, decode: Callable[[bytes], JointSample]
    ) -> None:
        self.entity = entity
        self.stream = stream
        self.max_bytes = max_bytes
        self.decode = decode
        self.last_names: tuple[str, ...] | None = None
        self.last_layout = -1
        self.last_length = -1
        self._layouts = layouts

    @property
    def entities(self) -> tuple[int, ...]:
        """Entities that the topic was about so far."""
        return (self.entity,)

    def layout_for(self, names: tuple[str, ...] | None, length: int) -> int:
        """Return the layout of a message, and remember it as the one to expect next.

        Raises:
            RefusedInput: A name is not in the stage or stands twice, or unnamed positions do not match the joint order.
        """
        layout = self._layouts.find(names, length)
        self.last_names, self.last_layout, self.last_length = names, layout, length
        return layout


Binding = JointBinding | BodyBinding | PackedBinding | ClockBinding | EventBinding


def bindings_of(
    name: str,
    source: SourceSettings,
    registry: Registry,
    topology: Topology,
    rows: RowAllocator,
    *,
    journal: Journal | None = None,
) -> Bindings:
    """Return the bindings of one source as its settings say; the daemon and replay make them alike.

    Raises:
        PermanentError: A codec cannot be loaded.
    """
    codecs = {route.codec: registry.codecs.load(route.codec)() for route in source.routes}
    return Bindings(
        source.routes, codecs, topology, rows, source=name, latency_floor_ms=source.latency_floor_ms, journal=journal
    )


class Bindings:
    """All topics of one source that were seen so far."""

    def __init__(
        self,
        routes: Sequence[RouteSettings],
        codecs: Mapping[str, Codec],
        topology: Topology,
        rows: RowAllocator,
        *,
        source: str = "",
        latency_floor_ms: float = 0.0,
        journal: Journal | None = None,
    ) -> None:
        self._routes = routes
        self._source = source
        self._latency_floor_ms = latency_floor_ms
        self._codecs = codecs
        self._topology = topology
        self._rows = rows
        self._journal = journal or Journal()
        self._event_topics = 0
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
            if entity_id in self._topology.elsewhere:
                raise RefusedInput(Refusal.OTHER_SHARD, f"{entity_id[:80]!r} belongs to another shard")
            raise RefusedInput(Refusal.UNKNOWN_ENTITY, f"{entity_id[:80]!r} is not an entity of the stage")
        codec = self._codecs[route.codec]
        is_robot = index < len(self._topology.robots)
        if codec.kind == "joints":
            if not is_robot:
                raise RefusedInput(Refusal.UNKNOWN_ENTITY, f"{entity_id!r} is an object: it has no joints")
            return JointBinding(
                index,
                self._joint_layouts(index),
                stream=self._stream(topic, index, route),
                max_bytes=route.max_bytes,
                decode=codec.decode,
            )
        if codec.kind == "packed":
            return PackedBinding(
                index,
                self._joint_layouts(index) if is_robot else None,
                self._topology.entity_index,
                stream=self._stream(topic, index, route),
                max_bytes=route.max_bytes,
                decode=codec.decode,
            )
        if codec.kind == "clock":
            stream = self._stream(topic, index, route)
            return ClockBinding(index, codec, stream=stream, max_bytes=route.max_bytes, rows=self._rows)
        if codec.kind == "event":
            return self._event_binding(index, entity_id, codec, route, found.get("event", ""))
        return body_binding(index, codec, stream=self._stream(topic, index, route), max_bytes=route.max_bytes)

    def _event_binding(self, index: int, entity: str, codec: EventCodec, route: RouteSettings, name: str) -> EventBinding:
        if self._event_topics >= _MAX_EVENT_TOPICS:
            raise RefusedInput(Refusal.TOO_MANY_TOPICS, f"more than {_MAX_EVENT_TOPICS} topics carry events")
        self._event_topics += 1
        return EventBinding(
            index, entity, codec, name=name, source=self._source, max_bytes=route.max_bytes, journal=self._journal
        )

    def _joint_layouts(self, robot: int) -> JointLayouts:
        return JointLayouts(self._topology.robots[robot], self._topology.first_joint[robot], rows=self._rows)

    def _stream(self, topic: str, entity: int, route: RouteSettings) -> int:
        floor_ms = self._latency_floor_ms if route.latency_floor_ms is None else route.latency_floor_ms
        return self._rows.new_stream(
            topic,
            source=self._source,
            entity=entity,
            latency_floor_ns=ms_to_ns(floor_ms),
            period_ns=ms_to_ns(route.period_ms),
        )
