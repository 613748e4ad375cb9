"""The binary frames: numbers of the entries that changed, group by group. Little-endian; every part begins at 8 bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

HEADER = struct.Struct("<BBHIqqq")
"""Kind (`STATE`), flags, number of groups, catalogue, sequence, base, stamp [ns since the epoch]."""
GROUP = struct.Struct("<HBxI")
"""Group, bytes of one index (0: none, the values are those of all entries in order; 2 or 4), count."""
STATE = 1
FULL = 1
"""Flag: every entry of every group is in the frame; what was known before does not matter."""
_SHORT_INDICES = 1 << 16


@dataclass(frozen=True, slots=True)
class GroupChange:
    """New numbers of entries of one group."""

    group: int
    size: int
    """Entries that the group has."""
    rows: NDArray[np.int64] | None
    """(n,) which of them; None: all."""
    numbers: NDArray[Any]
    """(n,) or (n, width), little-endian."""


def encode_frame(
    changes: Iterable[GroupChange], *, catalogue: int, sequence: int, base: int, stamp_ns: int, full: bool = False
) -> bytes:
    """Encode a frame that leads from the state at `base` to that at `sequence`.

    Args:
        changes: What is different.
        catalogue: Number of the catalogue that the groups are numbered in.
        sequence: Number of the update that is shown once the frame is applied.
        base: Number of the update that the receiver shows before; not looked at in a full frame.
        stamp_ns: When the update was made, by the daemon's clock [ns since the epoch].
        full: Whether every entry is in it.
    """
    parts: list[bytes] = [b""]
    groups = 0
    for change in changes:
        count = len(change.numbers)
        width = 0 if change.rows is None else 2 if change.size <= _SHORT_INDICES else 4
        parts.append(GROUP.pack(change.group, width, count))
        if change.rows is not None:
            parts.append(_padded(change.rows.astype(f"<u{width}").tobytes()))
        parts.append(_padded(change.numbers.tobytes()))
        groups += 1
    parts[0] = HEADER.pack(STATE, FULL if full else 0, groups, catalogue, sequence, base, stamp_ns)
    return b"".join(parts)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 8)
