"""Joint prims by type and by `physics:body0/body1`, in SI units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pxr import UsdPhysics

from twind.model.topology import JointHints, JointKind, Pose
from twind.stage.bodies import WORLD, Bodies, prims
from twind.stage.hints import read_hints
from twind.stage.poses import compose, normalised, relative
from twind.stage.schemas import authored, target

if TYPE_CHECKING:
    from twind.stage.notes import Notes
    from twind.stage.space import Space

_AXES = {"X": 0, "Y": 1, "Z": 2}
_TURNING = (JointKind.REVOLUTE, JointKind.CONTINUOUS)
_HUGE = 1e5
"""A limit [deg, deg/s or stage units] beyond this is a converter's way to say 'none' (277 turns, or 100 km)."""


@dataclass(frozen=True, slots=True)
class JointPrim:
    """One joint as authored; -1 in place of a body is the world."""

    prim: Any
    kind: JointKind
    axis: int
    body0: int
    body1: int
    frame0: Pose
    """The joint frame in body0, or in the world [m]."""
    frame1: Pose
    """The joint frame in body1, or in the world [m]."""
    lower: float
    upper: float
    velocity_limit: float
    state: float | None
    """Authored joint state [rad or m]."""
    hints: JointHints
    in_tree: bool
    """False when it is excluded from the articulation and so may not carry a link."""

    @property
    def path(self) -> str:
        """Prim path."""
        return str(self.prim.GetPath())


def si_per_unit(kind: JointKind, meters_per_unit: float) -> float:
    """Return what one USD unit of the joint's position is in SI: radians per degree, or metres per stage unit."""
    return meters_per_unit if kind is JointKind.PRISMATIC else math.pi / 180


def state_instance(kind: JointKind) -> str:
    """Return the instance of PhysicsJointStateAPI that a joint of this kind has."""
    return "linear" if kind is JointKind.PRISMATIC else "angular"


def read_joints(stage: Any, bodies: Bodies, space: Space, notes: Notes) -> list[JointPrim]:
    """Return every joint that twind can follow, in traversal order; the others become notes."""
    found = [_read(prim, bodies, space, notes) for prim in prims(stage) if prim.IsA(UsdPhysics.Joint)]
    return [joint for joint in found if joint is not None]


def _read(prim: Any, bodies: Bodies, space: Space, notes: Notes) -> JointPrim | None:
    joint = UsdPhysics.Joint(prim)
    if joint.GetJointEnabledAttr().Get() is False:
        notes.add(prim, "the joint is disabled (physics:jointEnabled)")
        return None
    typed = _typed(prim)
    if typed is None:
        notes.add(prim, f"joints of type {prim.GetTypeName()} are not followed; revolute, prismatic and fixed ones are")
        return None
    kind, axis = typed
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
        ends.append(_end(body, position.Get(), rotation.Get(), bodies, space))
    (body0, frame0), (body1, frame1) = ends
    if body0 == body1:
        what = "both of its bodies stand still" if body0 == WORLD else "its two bodies are the same"
        notes.add(prim, f"it moves nothing: {what}")
        return None
    unit = si_per_unit(kind, space.meters_per_unit)
    kind, lower, upper = _limits(prim, kind, unit, notes)
    state = authored(prim, f"state:{state_instance(kind)}:physics:position") if kind is not JointKind.FIXED else None
    return JointPrim(
        prim=prim,
        kind=kind,
        axis=axis,
        body0=body0,
        body1=body1,
        frame0=frame0,
        frame1=frame1,
        lower=lower,
        upper=upper,
        velocity_limit=_velocity_limit(prim, unit),
        state=None if state is None else float(state) * unit,
        hints=read_hints(prim, unit, turns=kind in _TURNING, notes=notes),
        in_tree=joint.GetExcludeFromArticulationAttr().Get() is not True,
    )


def _typed(prim: Any) -> tuple[JointKind, int] | None:
    """Return kind and axis of a joint that twind follows."""
    if prim.IsA(UsdPhysics.RevoluteJoint):
        return JointKind.REVOLUTE, _AXES.get(str(UsdPhysics.RevoluteJoint(prim).GetAxisAttr().Get()), 0)
    if prim.IsA(UsdPhysics.PrismaticJoint):
        return JointKind.PRISMATIC, _AXES.get(str(UsdPhysics.PrismaticJoint(prim).GetAxisAttr().Get()), 0)
    return (JointKind.FIXED, 0) if prim.IsA(UsdPhysics.FixedJoint) else None


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
    in_world = compose(place.pose, Pose((x * sx, y * sy, z * sz), orientation))
    body = bodies.holding(prim)
    return body, in_world if body == WORLD else relative(bodies.all[body].pose, in_world)


def _limits(prim: Any, kind: JointKind, unit: float, notes: Notes) -> tuple[JointKind, float, float]:
    """Return limits in SI; a revolute joint with neither is continuous."""
    if kind is JointKind.FIXED:
        return kind, -math.inf, math.inf
    typed = (UsdPhysics.PrismaticJoint if kind is JointKind.PRISMATIC else UsdPhysics.RevoluteJoint)(prim)
    low, high = float(typed.GetLowerLimitAttr().Get()), float(typed.GetUpperLimitAttr().Get())
    if low > high:
        notes.add(prim, f"its lower limit {low:g} is above its upper limit {high:g}; both are taken as absent")
        return kind, -math.inf, math.inf
    lower = low * unit if low > -_HUGE else -math.inf
    upper = high * unit if high < _HUGE else math.inf
    if kind is JointKind.REVOLUTE and math.isinf(lower) and math.isinf(upper):
        kind = JointKind.CONTINUOUS
    return kind, lower, upper


def _velocity_limit(prim: Any, unit: float) -> float:
    """Return the lowest velocity limit that any physics schema declares, in SI."""
    declared = [authored(prim, name) for name in ("newton:velocityLimit", "physxJoint:maxJointVelocity")]
    return min((float(value) * unit for value in declared if value is not None and 0 < value < _HUGE), default=math.inf)
