"""Articulations: which bodies and joints belong to one robot, and the tree that they form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pxr import UsdPhysics

from twind.stage.bodies import WORLD, Bodies
from twind.stage.schemas import applied, authored
from twind.stage.tree import Edge, Graph, Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.stage.joints import JointPrim
    from twind.stage.notes import Notes


@dataclass(frozen=True, slots=True)
class Articulation:
    """One robot: the prim with PhysicsArticulationRootAPI and the tree that grows from it."""

    root: Any
    tree: Tree


def find_articulations(bodies: Bodies, joints: Sequence[JointPrim], notes: Notes) -> list[Articulation]:
    """Return the articulations in traversal order; joints that belong to none become notes."""
    graph = Graph(
        Edge(index, joint.body0, joint.body1, fixed=joint.fixed, driven=joint.driven)
        for index, joint in enumerate(joints)
        if joint.in_tree
    )
    found: list[Articulation] = []
    owner: dict[int, Any] = {}
    for root in bodies.prims:
        if not root.HasAPI(UsdPhysics.ArticulationRootAPI):
            continue
        start = _start(root, bodies, joints, graph, notes)
        if not start:
            notes.add(root, "no rigid body belongs to this articulation root")
            continue
        members = graph.connected(start)
        taken = next((owner[body] for body in sorted(members) if body in owner), None)
        if taken is not None:
            notes.add(root, f"its joints connect it with the articulation at {taken.GetPath()}, so it is part of that robot")
            continue
        owner.update(dict.fromkeys(members, root))
        tree = graph.grow(members, base=bodies.at(root), stacked=_stacked(root, members, joints))
        for index in tree.loops:
            notes.add(joints[index].prim, "it closes a kinematic loop, which is cut here; the links follow the other joints")
        found.append(Articulation(root, tree))
    _explain_leftovers(joints, owner, notes)
    return found


def _stacked(root: Any, members: set[int], joints: Sequence[JointPrim]) -> bool:
    """Whether joints between the same two bodies act one after the other, as those of MuJoCo's converter do."""
    declared = authored(root, "newton:jointsAddMobility")
    if declared is not None:
        return bool(declared)
    own = [joint for joint in joints if (joint.body0 in members or joint.body1 in members) and not joint.fixed]
    return bool(own) and all("MjcJointAPI" in applied(joint.prim) for joint in own)


def _start(root: Any, bodies: Bodies, joints: Sequence[JointPrim], graph: Graph, notes: Notes) -> set[int]:
    """Return the bodies from which an articulation is explored: the root's own, its joint's, or the largest group below it."""
    own = bodies.at(root)
    if own is not None:
        return {own}
    if root.IsA(UsdPhysics.Joint):
        ends = [{joint.body0, joint.body1} for joint in joints if joint.prim == root]
        return ends[0] - {WORLD} if ends else set()
    below = [index for index, body in enumerate(bodies.all) if body.prim.GetPath().HasPrefix(root.GetPath())]
    groups: list[set[int]] = []
    for body in below:
        if not any(body in group for group in groups):
            groups.append(graph.connected({body}))
    if not groups:
        return set()
    largest = max(groups, key=len)
    for group in groups:
        if group is not largest and len(group) > 1:
            notes.add(
                bodies.all[min(group)].prim,
                f"no joint connects it with the rest of the articulation at {root.GetPath()}; "
                "give it a PhysicsArticulationRootAPI of its own",
            )
    return largest


def _explain_leftovers(joints: Sequence[JointPrim], owner: dict[int, Any], notes: Notes) -> None:
    """Note the joints that move nothing in any robot."""
    for joint in joints:
        if not joint.in_tree:
            notes.add(
                joint.prim, "it is excluded from the articulation (physics:excludeFromArticulation), so no link follows it"
            )
        elif joint.body0 not in owner and joint.body1 not in owner:
            notes.add(joint.prim, "it belongs to no articulation; apply PhysicsArticulationRootAPI to make its bodies a robot")


def welded_to_world(joints: Sequence[JointPrim]) -> dict[int, int]:
    """Return the bodies that fixed joints hold to the world, directly or through each other, each with the joint that does."""
    welds = [index for index, joint in enumerate(joints) if joint.fixed and joint.in_tree]
    held: dict[int, int] = {}
    grew = True
    while grew:
        grew = False
        for index in welds:
            ends = joints[index].body0, joints[index].body1
            for body, other in (ends, ends[::-1]):
                if body != WORLD and body not in held and (other == WORLD or other in held):
                    held[body] = index
                    grew = True
    return held
