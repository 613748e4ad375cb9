"""Topics on which a device tells how its clock stands, as measured both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twind.codecs.protocol import ClockCodec
    from twind.runtime.columns import BodyColumns, JointColumns
    from twind.runtime.joint_layouts import RowAllocator


class ClockBinding:
    """One such topic, about the clock of one entity. It takes effect at once, before the samples of the same batch."""

    __slots__ = ("_codec", "_rows", "entity", "max_bytes", "stream")

    def __init__(self, entity: int, codec: ClockCodec, *, stream: int, max_bytes: int, rows: RowAllocator) -> None:
        self.entity = entity
        self.stream = stream
        self.max_bytes = max_bytes
        self._codec = codec
        self._rows = rows

    @property
    def entities(self) -> tuple[int, ...]:
        """Entities that the topic was about so far."""
        return (self.entity,)

    def take(self, payload: bytes, _receive_ns: int, _joints: JointColumns, _bodies: BodyColumns) -> None:
        """Decode a payload, and tell it to the clocks that it is about.

        Raises:
            RefusedInput: It cannot be used, or contradicts when messages arrived; nothing was changed.
        """
        self._rows.measured_both_ways(self.stream, self._codec.decode(payload))
