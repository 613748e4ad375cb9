"""The twin's state as the stage, the API and viewers see it: one immutable set of arrays per publish tick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Update:
    """What one publish tick made. Arrays are never written again after this object exists.

    E entities, J joints, F frames, numbered as in `twind.model.topology`.
    """

    seq: int
    """Number of the tick, from 1."""
    made_ns: int
    """Daemon wall clock when it was made [ns]."""
    changed: Ints
    """Entity indices, ascending, whose row differs from the previous update."""
    entity_seq: Ints
    """(E,) seq of the update in which each entity last changed."""
    stamp_ns: Ints
    """(E,) the instant that each entity's state is for, in the daemon's clock [ns]; 0 before the first sample."""
    sample_ns: Ints
    """(E,) stamp of the newest sample used, in the daemon's clock [ns]; `NO_STAMP` before the first."""
    status: Bytes
    """(E,) `Status`."""
    joint_position: Floats
    """(J,) [rad or m], continuous joints unwrapped, limits applied, mimic joints resolved."""
    joint_velocity: Floats
    """(J,) [rad/s or m/s]."""
    joint_std: Floats
    """(J,) one sigma of the position [rad or m]; 0 for a fixed joint, infinite before the first sample."""
    joint_status: Bytes
    """(J,) `Status`."""
    limited: Bytes
    """(J,) 1 where the joint is shown at a limit because its estimate lies beyond it."""
    position: Floats
    """(F, 3) world positions [m]."""
    orientation: Floats
    """(F, 4) world orientations (w, x, y, z)."""
    local_translate: Floats
    """(F, 3) translation in the USD parent's space [stage units], as it is written.

    Relative to where USD shows the parent, which is not exactly where `position` and `orientation` have it (see `Precision`).
    """
    local_orient: Floats
    """(F, 4) orientation in the USD parent's space (w, x, y, z), as it is written: rounded to the precision of its op."""
    position_std: Floats
    """(E,) one sigma of a measured pose's position [m]; 0 where no pose is measured."""
    rotation_std: Floats
    """(E,) one sigma of a measured pose's rotation [rad]; 0 where no pose is measured."""
    joint_effort: Floats | None = None
    """(J,) [N m or N], NaN where none is known; None where no joint listens to efforts."""
