"""Joints that follow another joint: what Newton, PhysX and the MJCF converter author."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twind.model.topology import JointKind, Mimic
from twind.stage.joints import JointPrim, si_per_unit
from twind.stage.schemas import applied, authored, instances, target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.stage.notes import Notes

_MUJOCO_HIGHER_TERMS = ("mjc:coef2", "mjc:coef3", "mjc:coef4")


@dataclass(frozen=True, slots=True)
class Coupling:
    """`position = multiplier * position(leader) + offset`, in degrees or stage units."""

    leader: Any
    """Path of the followed joint."""
    multiplier: float
    offset: float
    across_kinds: bool = False
    """Whether the schema defines units for a revolute joint that follows a prismatic one, or the reverse."""


def read_mimics(joints: Sequence[JointPrim], meters_per_unit: float, notes: Notes) -> list[Mimic | None]:
    """Return how each joint of one robot follows another of them; None for the independent ones."""
    index = {joint.prim.GetPath(): at for at, joint in enumerate(joints)}
    found: list[Mimic | None] = [None] * len(joints)
    for at, joint in enumerate(joints):
        coupling = _coupling(joint.prim, notes)
        if coupling is None or joint.kind is JointKind.FIXED:
            continue
        leader = index.get(coupling.leader)
        if leader is None or joints[leader].kind is JointKind.FIXED:
            notes.add(
                joint.prim, f"it should follow {coupling.leader}, which is not a moving joint of its robot; it moves on its own"
            )
            continue
        if not coupling.across_kinds and (joints[leader].kind is JointKind.PRISMATIC) != (joint.kind is JointKind.PRISMATIC):
            notes.add(
                joint.prim,
                f"it should follow {coupling.leader}, a joint of another kind, in undefined units; it moves on its own",
            )
            continue
        if _follows(found, leader, at):
            notes.add(joint.prim, "it follows itself through other joints; it moves on its own")
            continue
        unit = si_per_unit(joint.kind, meters_per_unit)
        leader_unit = si_per_unit(joints[leader].kind, meters_per_unit)
        found[at] = Mimic(leader, coupling.multiplier * unit / leader_unit, coupling.offset * unit)
    return found


def _coupling(prim: Any, notes: Notes) -> Coupling | None:
    """Read a joint's coupling from whichever schema is applied."""
    path = target(prim, "newton:mimicJoint")
    if path is not None and authored(prim, "newton:mimicEnabled") is not False:
        if "MjcEqualityJointAPI" in applied(prim) and any(authored(prim, name) for name in _MUJOCO_HIGHER_TERMS):
            notes.add(prim, "it follows its leader by a polynomial (mjc:coef2 and up); only the linear part is followed")
        return Coupling(path, _number(prim, "newton:mimicCoef1", 1.0), _number(prim, "newton:mimicCoef0", 0.0))
    for instance in instances(prim, "PhysxMimicJointAPI"):
        prefix = f"physxMimicJoint:{instance}"
        path = target(prim, f"{prefix}:referenceJoint")
        if path is not None:
            # PhysxSchema: the joint, plus gearing times the reference joint, plus offset is zero; angles in degrees.
            gearing, offset = _number(prim, f"{prefix}:gearing", 1.0), _number(prim, f"{prefix}:offset", 0.0)
            return Coupling(path, -gearing, -offset, across_kinds=True)
    return None


def _number(prim: Any, name: str, fallback: float) -> float:
    value = authored(prim, name)
    return fallback if value is None else float(value)


def _follows(found: Sequence[Mimic | None], joint: int, other: int) -> bool:
    """Whether a joint is, or follows through any number of joints, another one."""
    while joint != other:
        mimic = found[joint]
        if mimic is None:
            return False
        joint = mimic.joint
    return True
