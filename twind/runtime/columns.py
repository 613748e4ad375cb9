"""One batch of decoded messages, column by column: what one kernel call takes. Lists, because appending to them is cheapest."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twind.model.messages import PoseSample

_UNKNOWN = (math.nan, math.nan, math.nan)


@dataclass(slots=True)
class JointColumns:
    """M messages with K joint values in all."""

    stream: list[int] = field(default_factory=list)
    """(M,) clock row of the stream that the message came on."""
    device_ns: list[int] = field(default_factory=list)
    """(M,) device stamp [ns]."""
    receive_ns: list[int] = field(default_factory=list)
    """(M,) daemon wall clock at arrival [ns]."""
    layout: list[int] = field(default_factory=list)
    """(M,) which joint rows the values belong to."""
    position: list[float] = field(default_factory=list)
    """(K,) [rad or m]."""
    offset: list[int] = field(default_factory=lambda: [0])
    """(M + 1,) where each message's values begin in `position`, and where the last one's end."""


@dataclass(slots=True)
class PoseColumns:
    """M poses."""

    stream: list[int] = field(default_factory=list)
    device_ns: list[int] = field(default_factory=list)
    receive_ns: list[int] = field(default_factory=list)
    entity: list[int] = field(default_factory=list)
    """(M,) entity index."""
    position: list[tuple[float, float, float]] = field(default_factory=list)
    """(M, 3) [m]."""
    orientation: list[tuple[float, float, float, float]] = field(default_factory=list)
    """(M, 4) as sent (w, x, y, z)."""
    position_var: list[tuple[float, float, float]] = field(default_factory=list)
    """(M, 3) [m^2]; NaN where the message states none."""
    rotation_var: list[tuple[float, float, float]] = field(default_factory=list)
    """(M, 3) [rad^2]; NaN where the message states none."""

    def add(self, stream: int, receive_ns: int, entity: int, sample: PoseSample) -> None:
        """Append one pose."""
        self.stream.append(stream)
        self.device_ns.append(sample.stamp_ns)
        self.receive_ns.append(receive_ns)
        self.entity.append(entity)
        self.position.append(sample.position)
        self.orientation.append(sample.orientation)
        self.position_var.append(sample.position_var or _UNKNOWN)
        self.rotation_var.append(sample.rotation_var or _UNKNOWN)
