"""What happened to entities, as they or their hub reported it: the newest of each, for the API, and one log line for each."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from twind.model.errors import RefusedInput
from twind.model.refusals import Refusal
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind.codecs.protocol import EventCodec
    from twind.runtime.columns import BodyColumns, JointColumns

_KEPT = 20
"""Events that are kept of an entity."""
_LONGEST_NAME, _LONGEST_DETAIL = 64, 4096


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to an entity."""

    entity: str
    name: str
    """What: a word such as `deviceConnected`."""
    stamp_ns: int
    """When, by who reported it, else when that arrived [ns]."""
    source: str
    detail: bytes
    """What was reported, as JSON."""

    def document(self) -> dict[str, object]:
        """Return what the API shows."""
        return {
            "event": self.name,
            "stamp_ns": self.stamp_ns,
            "source": self.source,
            "detail": msgspec.json.decode(self.detail) if len(self.detail) <= _LONGEST_DETAIL else None,
        }


class Journal:
    """The newest events of every entity.

    Args:
        on_event: Told of each.
    """

    def __init__(self, on_event: Callable[[Happening], None] | None = None) -> None:
        self._on_event = on_event
        self._events: dict[str, deque[Happening]] = {}

    def add(self, happening: Happening) -> None:
        """Remember one, and tell of it."""
        self._events.setdefault(happening.entity, deque(maxlen=_KEPT)).append(happening)
        if self._on_event is not None:
            self._on_event(happening)

    def of(self, entity: str) -> list[dict[str, object]]:
        """Return the events of an entity as documents, oldest first."""
        return [happening.document() for happening in self._events.get(entity, ())]


class EventBinding:
    """One topic that carries events of one entity. They change no estimate."""

    __slots__ = ("_codec", "_entity_id", "_journal", "_name", "_source", "entity", "max_bytes", "stream")

    def __init__(
        self, entity: int, entity_id: str, codec: EventCodec, *, name: str, source: str, max_bytes: int, journal: Journal
    ) -> None:
        self.entity = entity
        self.stream = -1
        self.max_bytes = max_bytes
        self._entity_id = entity_id
        self._codec = codec
        self._name = name
        self._source = source
        self._journal = journal

    @property
    def entities(self) -> tuple[int, ...]:
        """Entities whose estimates the topic is about: none."""
        return ()

    def take(self, payload: bytes, receive_ns: int, _joints: JointColumns, _bodies: BodyColumns) -> None:
        """Decode a payload and note what it says.

        Raises:
            RefusedInput: It cannot be used, or does not say what happened.
        """
        sample = self._codec.decode(payload)
        name = self._name or sample.name
        if not name:
            raise RefusedInput(Refusal.MISSING_FIELD, "neither the topic ({event}) nor the field `event` says what happened")
        stamp_ns = receive_ns if sample.stamp_ns == NO_STAMP else sample.stamp_ns
        self._journal.add(Happening(self._entity_id, name[:_LONGEST_NAME], stamp_ns, self._source, sample.detail))
