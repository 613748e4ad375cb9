"""Rules for joints: their targets, frames, limits, states, couplings and names."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from twind.model.topology import JointKind, Pose
from twind.stage.axes import si_per_unit
from twind.stage.identity import local_name
from twind.stage.joints import state_instance
from twind.stage.lint import rules
from twind.stage.lint.findings import Finding
from twind.stage.poses import compose, distance, inverse, motion, relative, rotate
from twind.stage.schemas import applied, authored, authored_text, instances, target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twind.model.topology import Joint, Robot
    from twind.stage.lint.subject import Subject

_MISFIT_M, _MISFIT_RAD = 1e-3, 1e-3
_SLACK = 1e-4
"""How far outside its limits a joint may rest [rad or m]; single precision and degrees round."""
_TURNING = (JointKind.REVOLUTE, JointKind.CONTINUOUS)


def check(subject: Subject) -> Iterator[Finding]:
    """Look at every joint, and at the joints of every robot together."""
    for prim in subject.joints:
        yield from _of_prim(subject, prim)
    for robot in subject.topology.robots:
        for chain in _chains(robot):
            yield from _at_rest(robot, chain, subject)
        moving = dict.fromkeys(joint.prim for joint in robot.joints if joint.movable)
        stateless = tuple(prim for prim in moving if not instances(subject.prim(prim), "PhysicsJointStateAPI"))
        if stateless:
            yield Finding(rules.STATE_MISSING, stateless, f"{len(stateless)} joints of {robot.id} have none")
        yield from _names(subject, robot)


def _of_prim(subject: Subject, prim: Any) -> Iterator[Finding]:
    here = (str(prim.GetPath()),)
    for relation in ("physics:body0", "physics:body1"):
        listed = prim.GetRelationship(relation).GetTargets() if prim.GetRelationship(relation) else []
        if len(listed) > 1:
            yield Finding(rules.JOINT_TARGET, here, f"{relation} has {len(listed)} targets; the first is taken")
        path = target(prim, relation)
        if path is not None and not subject.stage.GetPrimAtPath(path):
            yield Finding(rules.JOINT_TARGET, here, f"{relation} points at {path}, which is not in the stage")
    low, high = authored(prim, "physics:lowerLimit"), authored(prim, "physics:upperLimit")
    if low is not None and high is not None and low > high:
        yield Finding(rules.LIMITS_INVERTED, here, f"the lower limit {low:g} is above the upper limit {high:g}")
    yield from _leader(subject, prim, here)


def _leader(subject: Subject, prim: Any, here: tuple[str]) -> Iterator[Finding]:
    relations = ["newton:mimicJoint"] if "NewtonMimicAPI" in applied(prim) else []
    relations += [f"physxMimicJoint:{one}:referenceJoint" for one in instances(prim, "PhysxMimicJointAPI")]
    owner = subject.robot_of
    for relation in relations:
        path = target(prim, relation)
        if path is None:
            yield Finding(rules.MIMIC, here, f"{relation} has no target")
        elif not subject.stage.GetPrimAtPath(path):
            yield Finding(rules.MIMIC, here, f"{relation} points at {path}, which is not in the stage")
        elif here[0] in owner and owner.get(str(path)) != owner[here[0]]:
            yield Finding(rules.MIMIC, here, f"{relation} points at {path}, which is no moving joint of the same robot")


def _chains(robot: Robot) -> list[list[Joint]]:
    """Return the joints between the same two links together; most are alone."""
    chains: list[list[Joint]] = []
    for joint in robot.joints:
        if joint.further:
            chains[-1].append(joint)
        else:
            chains.append([joint])
    return chains


def _at_rest(robot: Robot, chain: list[Joint], subject: Subject) -> Iterator[Finding]:
    """Compare joints with where their links stand."""
    for joint in chain:
        if not joint.lower - _SLACK <= joint.rest <= joint.upper + _SLACK:
            per, unit = _usd(joint)
            limits = f"{joint.lower / per:.4g} to {joint.upper / per:.4g} {unit}"
            yield Finding(
                rules.REST_OUTSIDE, (joint.prim,), f"it rests at {joint.rest / per:.4g} {unit}, and may be at {limits}"
            )
    first = chain[0]
    parent = robot.links[first.parent].rest if first.parent >= 0 else Pose()
    child = robot.links[first.child].rest
    if len(chain) == 1:
        yield from _alone(first, relative(compose(parent, first.parent_frame), compose(child, first.child_frame)), subject)
        return
    for joint in chain:
        slides = joint.kind is JointKind.PRISMATIC
        moved = motion(joint.axis, 0.0 if slides else joint.rest, joint.rest if slides else 0.0)
        parent = compose(compose(parent, joint.parent_frame), compose(moved, inverse(joint.child_frame)))
    off_m, off_rad = distance(parent, child)
    if off_m > _MISFIT_M or off_rad > _MISFIT_RAD:
        prims = tuple(dict.fromkeys(joint.prim for joint in chain))
        yield Finding(rules.FRAMES, prims, f"the links stand {off_m * 1e3:.3g} mm and {off_rad * 1e3:.3g} mrad off")


def _alone(joint: Joint, between: Pose, subject: Subject) -> Iterator[Finding]:
    """Compare the only joint between two links with them, given its frame at the child in its frame at the parent."""
    here = (joint.prim,)
    off_m, off_rad = misfit(joint.kind, joint.axis, between)
    if off_m > _MISFIT_M or off_rad > _MISFIT_RAD:
        yield Finding(rules.FRAMES, here, f"the links stand {off_m * 1e3:.3g} mm and {off_rad * 1e3:.3g} mrad off")
    state = authored(subject.prim(joint.prim), f"state:{state_instance(joint)}:physics:position") if joint.movable else None
    if state is None:
        return
    stated = float(state) * si_per_unit(joint.kind, subject.topology.meters_per_unit)
    stands = position(joint.kind, joint.axis, between)
    slides = joint.kind is JointKind.PRISMATIC
    apart = stated - stands if slides else math.remainder(stated - stands, math.tau)
    if abs(apart) > _MISFIT_RAD:
        per, unit = _usd(joint)
        said = f"{stated / per:.4g} {unit} is authored, and the links stand at {stands / per:.4g} {unit}"
        yield Finding(rules.STATE_DISAGREES, here, said)


def _usd(joint: Joint) -> tuple[float, str]:
    """Return the unit in which positions are told, and its name."""
    return si_per_unit(joint.kind, 1.0), "m" if joint.kind is JointKind.PRISMATIC else "deg"


def position(kind: JointKind, axis: int, between: Pose) -> float:
    """Return where a joint stands [rad or m], given the child's joint frame in the parent's."""
    if kind is JointKind.PRISMATIC:
        return between.position[axis]
    return math.remainder(2 * math.atan2(between.orientation[1 + axis], between.orientation[0]), math.tau)


def misfit(kind: JointKind, axis: int, between: Pose) -> tuple[float, float]:
    """Return how far two joint frames are from what any position of the joint allows [m, rad]."""
    off = list(between.position)
    if kind is JointKind.PRISMATIC:
        off[axis] = 0.0
    unit = [0.0, 0.0, 0.0]
    unit[axis] = 1.0
    if kind in _TURNING:
        turned = rotate(between.orientation, (unit[0], unit[1], unit[2]))
        across = math.sqrt(sum(part * part for at, part in enumerate(turned) if at != axis))
        return math.hypot(*off), math.atan2(across, turned[axis])
    if kind in (JointKind.FIXED, JointKind.PRISMATIC):
        return math.hypot(*off), 2 * math.atan2(math.hypot(*between.orientation[1:]), abs(between.orientation[0]))
    return math.hypot(*off), 0.0


def _names(subject: Subject, robot: Robot) -> Iterator[Finding]:
    by_name: dict[str, dict[str, None]] = defaultdict(dict)
    for joint in robot.joints:
        if not joint.movable:
            continue
        prim = subject.prim(joint.prim)
        by_name[local_name(prim)][joint.prim] = None
        ros = authored_text(prim, "ros:joint:name")
        if ros is not None and ros != joint.name and not joint.axis_name:
            yield Finding(rules.ROS_NAME, (joint.prim,), f"ros:joint:name is {ros!r}, and twind calls it {joint.name!r}")
    for name, paths in by_name.items():
        if len(paths) > 1:
            yield Finding(rules.JOINT_NAMES, tuple(paths), f"{len(paths)} joints of {robot.id} are called {name!r}")
