"""The free axes of a joint prim: none of a fixed joint, one of a hinge, three of a ball, any of a generic (D6) joint."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pxr import UsdPhysics

from twind.model.topology import JointHints, JointKind
from twind.stage.hints import read_hints
from twind.stage.schemas import authored, instances

if TYPE_CHECKING:
    from twind.stage.notes import Notes

LINEAR, ANGULAR = "linear", "angular"
_LETTERS = "XYZ"
_TRANSLATIONS = tuple(f"trans{letter}" for letter in _LETTERS)
_ROTATIONS = tuple(f"rot{letter}" for letter in _LETTERS)
_HUGE = 1e5
"""A limit [deg, deg/s or stage units] beyond this is a converter's way to say 'none' (277 turns, or 100 km)."""

_HUGE_EFFORT = 1e15
"""A drive's force [stage units] beyond this is a way to say 'none': converters write the largest float."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One degree of freedom, in SI units."""

    instance: str
    """Instance name of its PhysicsJointStateAPI: `linear` or `angular` of a joint that has one axis by its type, else the
    name that PhysicsLimitAPI has for the axis, `transX` to `rotZ`."""
    kind: JointKind
    index: int
    """0, 1 or 2: the joint frame's X, Y or Z."""
    lower: float
    upper: float
    velocity_limit: float
    effort_limit: float
    state: float | None
    """Authored joint state [rad or m]."""
    hints: JointHints
    driven: bool
    """Whether a PhysicsDriveAPI acts on it, so that a motor, and with it an encoder, must be there."""


def si_per_unit(kind: JointKind, meters_per_unit: float) -> float:
    """Return what one USD unit of the joint's position is in SI: radians per degree, or metres per stage unit."""
    return meters_per_unit if kind is JointKind.PRISMATIC else math.pi / 180


def read_axes(prim: Any, meters_per_unit: float, notes: Notes) -> tuple[Axis, ...] | None:
    """Return the free axes of a joint prim in the order in which they act; None, with a note, when twind cannot follow it.

    Translations act before rotations, and each of them in the order X, Y, Z about the axes that the earlier ones have turned.
    """
    if prim.IsA(UsdPhysics.FixedJoint):
        return ()
    if prim.IsA(UsdPhysics.RevoluteJoint) or prim.IsA(UsdPhysics.PrismaticJoint):
        return (_typed(prim, meters_per_unit, notes),)
    if prim.IsA(UsdPhysics.SphericalJoint):
        joint = UsdPhysics.SphericalJoint(prim)
        if max(joint.GetConeAngle0LimitAttr().Get(), joint.GetConeAngle1LimitAttr().Get()) >= 0:
            notes.add(prim, "its cone limit is not applied; its three axes turn without limits")
        return tuple(_axis(prim, name, (-math.inf, math.inf), meters_per_unit, notes) for name in _ROTATIONS)
    if str(prim.GetTypeName()) == "PhysicsJoint":
        return _generic(prim, meters_per_unit, notes)
    notes.add(
        prim,
        f"joints of type {prim.GetTypeName()} are not followed; revolute, prismatic, spherical, fixed and generic ones are",
    )
    return None


def _typed(prim: Any, meters_per_unit: float, notes: Notes) -> Axis:
    """Return the axis of a revolute or prismatic joint; a revolute joint without limits is continuous."""
    slides = prim.IsA(UsdPhysics.PrismaticJoint)
    joint = (UsdPhysics.PrismaticJoint if slides else UsdPhysics.RevoluteJoint)(prim)
    index = max(_LETTERS.find(str(joint.GetAxisAttr().Get())), 0)
    limits = float(joint.GetLowerLimitAttr().Get()), float(joint.GetUpperLimitAttr().Get())
    if limits[0] > limits[1]:
        notes.add(prim, f"its lower limit {limits[0]:g} is above its upper limit {limits[1]:g}; both are taken as absent")
        limits = -math.inf, math.inf
    return replace(_axis(prim, LINEAR if slides else ANGULAR, limits, meters_per_unit, notes), index=index)


def _generic(prim: Any, meters_per_unit: float, notes: Notes) -> tuple[Axis, ...] | None:
    """Return the axes of a joint of type PhysicsJoint that its PhysicsLimitAPIs leave free: they lock where low > high."""
    axes = []
    limited = instances(prim, "PhysicsLimitAPI")
    if "distance" in limited:
        notes.add(prim, "its limit of the distance is not applied")
    for name in (*_TRANSLATIONS, *_ROTATIONS):
        low, high = -math.inf, math.inf
        if name in limited:
            low, high = _number(prim, f"limit:{name}:physics:low", low), _number(prim, f"limit:{name}:physics:high", high)
        if low < high or low == high != 0.0:
            axes.append(_axis(prim, name, (low, high), meters_per_unit, notes))
    if len(axes) == len(_TRANSLATIONS) + len(_ROTATIONS):
        notes.add(prim, "all of its six axes are free, so it connects nothing; lock some with PhysicsLimitAPI")
        return None
    return tuple(axes)


def _axis(prim: Any, instance: str, limits: tuple[float, float], meters_per_unit: float, notes: Notes) -> Axis:
    slides = instance == LINEAR or instance in _TRANSLATIONS
    kind = JointKind.PRISMATIC if slides else JointKind.REVOLUTE
    unit = si_per_unit(kind, meters_per_unit)
    lower = limits[0] * unit if limits[0] > -_HUGE else -math.inf
    upper = limits[1] * unit if limits[1] < _HUGE else math.inf
    if not slides and math.isinf(lower) and math.isinf(upper):
        kind = JointKind.CONTINUOUS
    state = _number(prim, f"state:{instance}:physics:position", math.nan)
    return Axis(
        instance=instance,
        kind=kind,
        index=max(_LETTERS.find(instance[-1]), 0),
        lower=lower,
        upper=upper,
        velocity_limit=_velocity_limit(prim, instance, unit),
        effort_limit=_effort_limit(prim, instance, meters_per_unit, slides=slides),
        state=state * unit if math.isfinite(state) else None,
        hints=read_hints(prim, unit, turns=not slides, notes=notes),
        driven=instance in instances(prim, "PhysicsDriveAPI"),
    )


def _velocity_limit(prim: Any, instance: str, unit: float) -> float:
    """Return the lowest velocity limit that any physics schema declares, in SI."""
    names = ("newton:velocityLimit", "physxJoint:maxJointVelocity", f"physxJointAxis:{instance}:maxJointVelocity")
    declared = [_number(prim, name, math.inf) for name in names]
    return min((value * unit for value in declared if 0 < value < _HUGE), default=math.inf)


def _effort_limit(prim: Any, instance: str, meters_per_unit: float, *, slides: bool) -> float:
    """Return the most that the joint's drive may exert [N m or N]: mass and lengths are in stage units, as UsdPhysics says."""
    value = _number(prim, f"drive:{instance}:physics:maxForce", math.inf)
    if not 0 < value < _HUGE_EFFORT:
        return math.inf
    kilograms = float(UsdPhysics.GetStageKilogramsPerUnit(prim.GetStage()))
    return value * kilograms * (meters_per_unit if slides else meters_per_unit**2)


def _number(prim: Any, name: str, fallback: float) -> float:
    value = authored(prim, name)
    return fallback if value is None or math.isnan(value) else float(value)
