"""What a moving prim's local transform is relative to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twind.model.topology import Mount, Pose
from twind.stage.poses import relative
from twind.stage.xform_ops import precisions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twind.stage.notes import Notes
    from twind.stage.space import Space


@dataclass(frozen=True, slots=True)
class Mover:
    """A prim that is moved at run time."""

    entity: str
    """Prim path of its robot or object."""
    frame: int
    """Its index within the robot's links."""
    pose: Pose
    """World pose as authored [m]."""


def carrier(prim: Any, movers: Mapping[Any, Mover], space: Space) -> Mover | None:
    """Return the nearest USD ancestor that is moved and carries this prim, None when what it hangs on stands still."""
    while not space.resets(prim):
        prim = prim.GetParent()
        if not prim or prim.IsPseudoRoot():
            break
        mover = movers.get(prim.GetPath())
        if mover is not None:
            return mover
    return None


def find_mount(prim: Any, movers: Mapping[Any, Mover], space: Space, notes: Notes) -> Mount:
    """Return how a prim's local transform relates to its carrier, or to the world."""
    per_metre = 1 / space.meters_per_unit
    translate, orient = precisions(prim)
    if space.resets(prim):
        return Mount(units_per_metre=per_metre, translate=translate, orient=orient)
    parent = space.placement(prim.GetParent())
    if not (parent.upright and parent.even):
        notes.add(prim, "the scale above it is uneven, mirrored or sheared; its position is written as if it were even")
    mean = sum(parent.scale) / 3
    on = carrier(prim, movers, space)
    return Mount(
        frame=-1 if on is None else on.frame,
        pose=parent.pose if on is None else relative(on.pose, parent.pose),
        units_per_metre=per_metre / mean if mean > 0 else per_metre,
        translate=translate,
        orient=orient,
    )
