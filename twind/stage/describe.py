"""What was discovered, as a readable tree and as plain data for JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from twind.model.topology import JointKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twind.model.topology import Joint, RigidObject, Robot, Topology

_AXES = "XYZ"
_STANDS = 1e-6
"""A rest position up to this is not worth a word: rounding of the asset's single precision [rad or m]."""


def describe(topology: Topology) -> str:
    """Return a tree of robots, joints, links and objects, and what was ignored and why."""
    lines = [f"stage {topology.root}", f"  up axis {topology.up_axis}, {topology.meters_per_unit:g} m per unit"]
    for robot in topology.robots:
        lines += ["", *_robot(robot)]
    if topology.objects:
        lines += ["", f"objects ({len(topology.objects)})"]
        width = max(len(one.id) for one in topology.objects)
        lines += [_object(one, width) for one in topology.objects]
    if topology.ignored:
        lines += ["", f"ignored or assumed ({len(topology.ignored)})"]
        lines += [f"  {one.prim}: {one.reason}" for one in topology.ignored]
    if not topology.entities:
        lines += ["", "nothing to follow: no prim has PhysicsArticulationRootAPI or PhysicsRigidBodyAPI"]
    return "\n".join(lines)


def as_json(topology: Topology) -> dict[str, Any]:
    """Return the topology as JSON-ready data in SI units; an absent limit is null, indices are as in the model."""
    plain = {name: value for name, value in asdict(topology).items() if name != "entity_index"}
    for robot in plain["robots"]:
        for joint in robot["joints"]:
            joint["kind"] = JointKind(joint["kind"]).name.lower()
            joint["axis"] = _AXES[joint["axis"]]
    found: dict[str, Any] = _finite(plain)
    return found


def _finite(value: Any) -> Any:
    """Replace infinities, which JSON does not have, by None."""
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _robot(robot: Robot) -> Iterator[str]:
    movable = sum(joint.movable for joint in robot.joints)
    base = "floating base" if robot.floating else "fixed base"
    yield f"robot {robot.id}  {robot.prim}"
    yield f"  {base}, {len(robot.links)} links, {movable} of {len(robot.joints)} joints move"
    if robot.namespace:
        yield f"  ROS namespace {robot.namespace}"
    if robot.message_order:
        order = [robot.joints[index] for index in robot.message_order]
        yield f"  order of values without names: {', '.join(joint.name for joint in order if joint.movable)}"
    held = [joint for joint in robot.joints if joint.parent < 0 or (joint.further and joint.child == robot.base)]
    holding = f"  (held to the world by {', '.join(f'{one.name}: {_motion(one)}' for one in held)})" if held else ""
    yield f"  {robot.links[robot.base].name}{holding}"
    yield from _branches(robot, robot.base, "  ")


def _branches(robot: Robot, link: int, indent: str) -> Iterator[str]:
    """Draw the joints that a link carries, each with the link it moves."""
    joints = [joint for joint in robot.joints if joint.parent == link and not joint.further]
    for joint in joints:
        last = joint is joints[-1]
        axes = [joint, *(one for one in robot.joints if one.further and one.child == joint.child)]
        *before, end = (f"{one.name}: {_motion(one)}{_extras(robot, one)}" for one in axes)
        edge = indent + ("└─" if last else "├─")
        below = indent + ("   " if last else "│  ")
        for number, what in enumerate(before):
            yield f"{edge if number == 0 else below[:-1] + ' '} {what}"
        yield f"{edge if not before else below[:-1] + ' '} {end} -> {robot.links[joint.child].name}"
        yield from _branches(robot, joint.child, below)


def _motion(joint: Joint) -> str:
    kind = joint.kind.name.lower()
    return f"{kind} {_AXES[joint.axis]}" if joint.movable else kind


def _extras(robot: Robot, joint: Joint) -> str:
    """Return limits, velocity limit and coupling, angles in degrees and radians."""
    parts = [f"also called {joint.label}"] if joint.label else []
    if math.isfinite(joint.lower) or math.isfinite(joint.upper):
        parts.append(f"{_number(joint, joint.lower)} to {_number(joint, joint.upper)}")
    if math.isfinite(joint.velocity_limit):
        parts.append(f"up to {_number(joint, joint.velocity_limit, '/s')}")
    if abs(joint.rest) > _STANDS:
        parts.append(f"at rest {_number(joint, joint.rest)}")
    if joint.mimic is not None:
        offset = f" {joint.mimic.offset:+g}" if joint.mimic.offset else ""
        parts.append(f"= {joint.mimic.multiplier:g} x {robot.joints[joint.mimic.joint].name}{offset}")
    return "".join(f", {part}" for part in parts)


def _number(joint: Joint, value: float, per: str = "") -> str:
    if math.isinf(value):
        return "unlimited"
    if joint.kind is JointKind.PRISMATIC:
        return f"{value:.4g} m{per}"
    return f"{math.degrees(value):.4g} deg{per} ({value:.4g} rad{per})"


def _object(one: RigidObject, width: int) -> str:
    x, y, z = one.rest.position
    return f"  {one.id:<{width}}  {one.prim}  at ({x:.3f}, {y:.3f}, {z:.3f}) m"
