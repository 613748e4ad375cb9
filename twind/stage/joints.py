"""Joint prims by type and by `physics:body0/body1`, in SI units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pxr import UsdPhysics

from twind.model.topology import Pose
from twind.stage.axes import ANGULAR, LINEAR, Axis, read_axes
from twind.stage.bodies import WORLD, Bodies
from twind.stage.poses import compose, normalised, relative
from twind.stage.schemas import target

if TYPE_CHECKING:
    from twind.model.topology import Joint
    from twind.stage.notes import Notes
    from twind.stage.space import Space


@dataclass(frozen=True, slots=True)
class JointPrim:
    """One joint as authored; -1 in place of a body is the world."""

    prim: Any
    axes: tuple[Axis, ...]
    """What it leaves free, in the order in which the axes act; empty for a joint that holds its bodies together."""
    body0: int
    body1: int
    frame0: Pose
    """The joint frame in body0, or in the world [m]."""
    frame1: Pose
    """The joint frame in body1, or in the world [m]."""
    in_tree: bool
    """False when it is excluded from the articulation and so may not carry a link."""

    @property
    def path(self) -> str:
        """Prim path."""
        return str(self.prim.GetPath())

    @property
    def fixed(self) -> bool:
        """Whether it leaves nothing free."""
        return not self.axes

    @property
    def driven(self) -> bool:
        """Whether a drive acts on any of its axes."""
        return any(axis.driven for axis in self.axes)


def state_instance(joint: Joint) -> str:
    """Return the instance of PhysicsJointStateAPI that holds a joint's state."""
    return joint.axis_name or (LINEAR if joint.kind.unit == "m" else ANGULAR)


def read_joints(bodies: Bodies, space: Space, notes: Notes) -> list[JointPrim]:
    """Return every joint that twind can follow, in traversal order; the others become notes."""
    found: list[JointPrim] = []
    for prim in bodies.prims:
        if prim.IsA(UsdPhysics.Joint):
            joint = _read(prim, bodies, space, notes)
            if joint is not None:
                found.append(joint)
        elif _is_foreign_joint(prim):
            notes.add(prim, f"joints of type {prim.GetTypeName()} are not followed")
    return found


def _is_foreign_joint(prim: Any) -> bool:
    """Whether a prim is of a joint type that no plug-in defines here, such as PhysX's gears and racks."""
    return "Joint" in prim.GetTypeName() and not prim.IsA("Typed")


def _read(prim: Any, bodies: Bodies, space: Space, notes: Notes) -> JointPrim | None:
    joint = UsdPhysics.Joint(prim)
    if joint.GetJointEnabledAttr().Get() is False:
        notes.add(prim, "the joint is disabled (physics:jointEnabled)")
        return None
    axes = read_axes(prim, space.meters_per_unit, notes)
    if axes is None:
        return None
    ends = _ends(prim, bodies, space, notes)
    if ends is None:
        return None
    (body0, frame0), (body1, frame1) = ends
    if body0 == body1:
        what = "both of its bodies stand still" if body0 == WORLD else "its two bodies are the same"
        notes.add(prim, f"it moves nothing: {what}")
        return None
    return JointPrim(
        prim=prim,
        axes=axes,
        body0=body0,
        body1=body1,
        frame0=frame0,
        frame1=frame1,
        in_tree=joint.GetExcludeFromArticulationAttr().Get() is not True,
    )


def _ends(prim: Any, bodies: Bodies, space: Space, notes: Notes) -> list[tuple[int, Pose]] | None:
    """Return the two bodies of a joint, each with the joint frame on it; None, with a note, when there is something amiss."""
    joint = UsdPhysics.Joint(prim)
    ends = []
    for relation, position, rotation in (
        ("physics:body0", joint.GetLocalPos0Attr(), joint.GetLocalRot0Attr()),
        ("physics:body1", joint.GetLocalPos1Attr(), joint.GetLocalRot1Attr()),
    ):
        path = target(prim, relation)
        body = prim.GetStage().GetPrimAtPath(path) if path else None
        if path and not body:
            notes.add(prim, f"{relation} points at {path}, which is not in the stage")
            return None
        if body and not (bodies.at(body) is not None or (body.IsActive() and body.IsDefined() and not body.IsAbstract())):
            notes.add(prim, f"{relation} points at {path}, which is not active or not defined")
            return None
        end = _end(body, position.Get(), rotation.Get(), bodies, space)
        if not all(math.isfinite(part) for part in (*end[1].position, *end[1].orientation)):
            notes.add(prim, f"its frame at {relation} is not finite")
            return None
        ends.append(end)
    return ends


def _end(prim: Any, position: Any, rotation: Any, bodies: Bodies, space: Space) -> tuple[int, Pose]:
    """Return the body that a joint's end is on and the joint frame there.

    The local position is in the target prim's own space, so that prim's scale applies to it; a target below a body belongs
    to that body.
    """
    x, y, z = position
    orientation = normalised((rotation.GetReal(), *rotation.GetImaginary()))
    if not prim or prim.IsPseudoRoot():
        unit = space.meters_per_unit
        return WORLD, Pose((x * unit, y * unit, z * unit), orientation)
    place = space.placement(prim)
    sx, sy, sz = (scale * space.meters_per_unit for scale in place.scale)
    frame = Pose((x * sx, y * sy, z * sz), orientation)
    own = bodies.at(prim)
    if own is not None:
        return own, frame
    in_world = compose(place.pose, frame)
    body = bodies.holding(prim)
    return body, in_world if body == WORLD else relative(bodies.all[body].pose, in_world)
