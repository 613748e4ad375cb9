"""Joints that follow another joint: what Newton, PhysX and the MJCF converter author."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twind.model.topology import JointKind, Mimic
from twind.stage.axes import ANGULAR, LINEAR, si_per_unit
from twind.stage.schemas import applied, authored, authored_text, instances, target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.stage.axes import Axis
    from twind.stage.chains import Row
    from twind.stage.notes import Notes

_MUJOCO_HIGHER_TERMS = ("mjc:coef2", "mjc:coef3", "mjc:coef4")


@dataclass(frozen=True, slots=True)
class Coupling:
    """`position = multiplier * position(leader) + offset`, in degrees or stage units."""

    leader: Any
    """Path of the followed joint."""
    axis: str
    """Which axis of it, where it has several."""
    multiplier: float
    offset: float
    across_kinds: bool = False
    """Whether the schema defines units for a revolute joint that follows a prismatic one, or the reverse."""


def read_mimics(rows: Sequence[Row], meters_per_unit: float, notes: Notes) -> list[Mimic | None]:
    """Return how each row of one robot's joints follows another of them; None for the independent ones."""
    axes = {(row.joint.prim.GetPath(), row.axis.instance): at for at, row in enumerate(rows) if row.axis is not None}
    found: list[Mimic | None] = [None] * len(rows)
    for at, row in enumerate(rows):
        if row.axis is None:
            continue
        prim = row.joint.prim
        coupling = _coupling(row, row.axis, notes)
        if coupling is None:
            continue
        leader = _first(axes, coupling.leader, (coupling.axis, ANGULAR, LINEAR, row.axis.instance))
        leading = None if leader is None else rows[leader].axis
        if leader is None or leading is None:
            notes.add(
                prim, f"it should follow {coupling.leader}, which is not a moving joint of its robot; it moves on its own"
            )
        elif not (math.isfinite(coupling.multiplier) and math.isfinite(coupling.offset)):
            notes.add(prim, f"it should follow {coupling.leader} by numbers that are not finite; it moves on its own")
        elif not coupling.across_kinds and (leading.kind is JointKind.PRISMATIC) != (row.axis.kind is JointKind.PRISMATIC):
            notes.add(
                prim, f"it should follow {coupling.leader}, a joint of another kind, in undefined units; it moves on its own"
            )
        elif _follows(found, leader, at):
            notes.add(prim, "it follows itself through other joints; it moves on its own")
        else:
            unit = si_per_unit(row.axis.kind, meters_per_unit)
            leader_unit = si_per_unit(leading.kind, meters_per_unit)
            found[at] = Mimic(leader, coupling.multiplier * unit / leader_unit, coupling.offset * unit)
    return found


def _first(axes: dict[tuple[Any, str], int], path: Any, names: Sequence[str]) -> int | None:
    return next((axes[path, name] for name in names if (path, name) in axes), None)


def _coupling(row: Row, axis: Axis, notes: Notes) -> Coupling | None:
    """Read a joint's coupling from whichever schema is applied."""
    prim = row.joint.prim
    path = target(prim, "newton:mimicJoint")
    if path is not None and authored(prim, "newton:mimicEnabled") is not False:
        if "MjcEqualityJointAPI" in applied(prim) and any(authored(prim, name) for name in _MUJOCO_HIGHER_TERMS):
            notes.add(prim, "it follows its leader by a polynomial (mjc:coef2 and up); only the linear part is followed")
        multiplier, offset = _number(prim, "newton:mimicCoef1", 1.0), _number(prim, "newton:mimicCoef0", 0.0)
        return Coupling(path, axis.instance, multiplier, offset)
    for instance in instances(prim, "PhysxMimicJointAPI"):
        if len(row.joint.axes) > 1 and instance != axis.instance:
            continue  # of a joint with several axes, each has a coupling of its own; else the only one is meant
        prefix = f"physxMimicJoint:{instance}"
        path = target(prim, f"{prefix}:referenceJoint")
        if path is not None:
            # PhysxSchema: the joint, plus gearing times the reference joint, plus offset is zero; angles in degrees.
            gearing, offset = _number(prim, f"{prefix}:gearing", 1.0), _number(prim, f"{prefix}:offset", 0.0)
            leading = authored_text(prim, f"{prefix}:referenceJointAxis") or "rotX"
            return Coupling(path, leading, -gearing, -offset, across_kinds=True)
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
