"""Articulations: which bodies and joints belong to one robot, and the tree that they form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pxr import UsdPhysics

from twind.stage.bodies import WORLD, Bodies
from twind.stage.identity import claims_entity
from twind.stage.schemas import applied, authored
from twind.stage.tree import Edge, Graph, Tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.stage.joints import JointPrim
    from twind.stage.notes import Notes


@dataclass(frozen=True, slots=True)
class Articulation:
    """One robot: the prim with PhysicsArticulationRootAPI, or the one that claims to be it, and the tree that grows from it."""

    root: Any
    tree: Tree


def find_articulations(bodies: Bodies, joints: Sequence[JointPrim], notes: Notes) -> list[Articulation]:
    """Return the articulations in traversal order, then the mechanisms that only an id makes robots.

    Such a mechanism (a door, a turntable) has joints but no PhysicsArticulationRootAPI: a prim at or above its bodies claims to
    be an entity. Joints that belong to neither become notes.
    """
    return _Search(bodies, joints, notes).run()


class _Search:
    """One search for robots."""

    def __init__(self, bodies: Bodies, joints: Sequence[JointPrim], notes: Notes) -> None:
        self._bodies = bodies
        self._joints = joints
        self._notes = notes
        self._graph = Graph(
            Edge(index, joint.body0, joint.body1, fixed=joint.fixed, driven=joint.driven)
            for index, joint in enumerate(joints)
            if joint.in_tree
        )
        self._joint_at = {joint.prim.GetPath(): joint for joint in joints}
        self._owner: dict[int, Any] = {}
        """The root of each body's robot."""
        self._found: list[Articulation] = []

    def run(self) -> list[Articulation]:
        for prim in self._bodies.prims:
            if prim.HasAPI(UsdPhysics.ArticulationRootAPI):
                self._take_root(prim)
        moved = {body for joint in self._joints if joint.in_tree and not joint.fixed for body in (joint.body0, joint.body1)}
        if moved - self._owner.keys() - {WORLD}:  # in most stages there is nothing left that could be claimed
            for prim in self._bodies.prims:
                if claims_entity(prim):
                    self._take_claim(prim, moved)
        self._explain_leftovers()
        return self._found

    def _take_root(self, root: Any) -> None:
        group, *others = self._groups(root) or [set()]
        if not group:
            self._notes.add(root, "no rigid body belongs to this articulation root")
            return
        for other in others:
            if len(other) > 1:
                self._notes.add(
                    self._bodies.all[min(other)].prim,
                    f"no joint connects it with the rest of the articulation at {root.GetPath()}; "
                    "give it a PhysicsArticulationRootAPI of its own",
                )
        taken = next((self._owner[body] for body in sorted(group) if body in self._owner), None)
        if taken is not None:
            self._notes.add(
                root, f"its joints connect it with the articulation at {taken.GetPath()}, so it is part of that robot"
            )
            return
        self._grow(root, group)

    def _take_claim(self, prim: Any, moved: set[int]) -> None:
        for group in self._groups(prim):
            if group & moved and not group & self._owner.keys():
                self._grow(prim, group)
                return

    def _grow(self, root: Any, members: set[int]) -> None:
        self._owner.update(dict.fromkeys(members, root))
        tree = self._graph.grow(members, base=self._bodies.at(root), stacked=self._are_stacked(root, members))
        for index in tree.loops:
            self._notes.add(
                self._joints[index].prim, "it closes a kinematic loop, which is cut here; the links follow the other joints"
            )
        self._found.append(Articulation(root, tree))

    def _are_stacked(self, root: Any, members: set[int]) -> bool:
        """Whether joints between the same two bodies act one after the other, as those of MuJoCo's converter do."""
        declared = authored(root, "newton:jointsAddMobility")
        if declared is not None:
            return bool(declared)
        own = [self._joints[index] for index in self._graph.joints_of(members) if not self._joints[index].fixed]
        return bool(own) and all("MjcJointAPI" in applied(joint.prim) for joint in own)

    def _groups(self, root: Any) -> list[set[int]]:
        """Return the groups of connected bodies that a root stands for, the largest first.

        A root is a body itself, or a joint of one, or stands above them.
        """
        own = self._bodies.at(root)
        if own is not None:
            return [self._graph.connected({own})]
        if root.IsA(UsdPhysics.Joint):
            joint = self._joint_at.get(root.GetPath())
            return [self._graph.connected({joint.body0, joint.body1} - {WORLD})] if joint else []
        groups: list[set[int]] = []
        seen: set[int] = set()
        for body in self._bodies.below(root):
            if body not in seen:
                groups.append(self._graph.connected({body}))
                seen |= groups[-1]
        return sorted(groups, key=len, reverse=True)

    def _explain_leftovers(self) -> None:
        """Note the joints that move nothing in any robot."""
        for joint in self._joints:
            if not joint.in_tree:
                self._notes.add(
                    joint.prim, "it is excluded from the articulation (physics:excludeFromArticulation), so no link follows it"
                )
            elif joint.body0 not in self._owner and joint.body1 not in self._owner:
                self._notes.add(
                    joint.prim,
                    "it belongs to no articulation; to make its bodies a robot, apply PhysicsArticulationRootAPI, "
                    "or give the prim above them a twind:id",
                )


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
