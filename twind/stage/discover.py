"""Discover robots, joints, links and objects from UsdPhysics alone: types, relationships and applied schemas, never paths."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pxr import UsdGeom

from twind.model.topology import RigidObject, Topology
from twind.stage.articulations import Articulation, find_articulations, welded_to_world
from twind.stage.bodies import Bodies
from twind.stage.identity import ENABLED, ID, check_ids, entity_id, is_enabled, robot_prims
from twind.stage.instances import instances_above
from twind.stage.joints import read_joints
from twind.stage.mounts import Mover, carrier, find_mount
from twind.stage.notes import Notes
from twind.stage.opening import collected_diagnostics, open_stage
from twind.stage.robots import Parts, build_robot
from twind.stage.schemas import authored_text
from twind.stage.space import Space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.stage.bodies import Body
    from twind.stage.tree import Tree

_NOTHING_MOVES = "none of its links can move, so there is nothing to follow"
"""Why an articulation is passed over whose base is fixed and that has fixed joints only."""
OPENED = "the live layer opens this instance (instanceable = false),"
"""How the note on an instance begins that holds parts of a robot."""


def discover(root: str, *, strict: bool = True) -> Topology:
    """Open a stage and discover its twin.

    Raises:
        StageError: The stage cannot be opened completely, or, if `strict`, ids are not as they must be (see `check_ids`).
    """
    stage, warnings = open_stage(root)
    return discover_stage(stage, root=root, warnings=warnings, strict=strict)


def discover_stage(stage: Any, *, root: str | None = None, warnings: Sequence[str] = (), strict: bool = True) -> Topology:
    """Discover the twin in an open `Usd.Stage`; `warnings` are listed among what was ignored.

    Without `strict`, ids may be ambiguous: for tools that show them or give new ones.

    Raises:
        StageError: If `strict`, two entities have the same id, or an id cannot stand in a topic.
    """
    with collected_diagnostics() as diagnostics:
        topology = _Discovery(stage).topology(root or str(stage.GetRootLayer().identifier))
    if strict:
        check_ids(topology)
    extra = Notes()
    for warning in (*warnings, *diagnostics):
        extra.add("/", warning)
    return replace(topology, ignored=(*topology.ignored, *extra.all()))


class _Discovery:
    """One pass over a stage."""

    def __init__(self, stage: Any) -> None:
        self._stage = stage
        self._notes = Notes()
        self._space = Space(stage)
        self._bodies = Bodies(stage, self._space, self._notes)
        self._joints = read_joints(self._bodies, self._space, self._notes)
        self._movers: dict[Any, Mover] = {}

    def topology(self, root: str) -> Topology:
        """Assemble everything."""
        if not UsdGeom.StageHasAuthoredMetersPerUnit(self._stage):
            self._notes.add("/", "metersPerUnit is not authored, so USD's default of 0.01 (centimetres) holds")
        found = find_articulations(self._bodies, self._joints, self._notes)
        in_robots = {body for articulation in found for body in articulation.tree.bodies}
        found = [articulation for articulation in found if self._can_move(articulation)]
        chosen = robot_prims([(one.root, [prim.GetPath() for prim in self._prims_of(one.tree)]) for one in found])
        followed = [(prim, articulation) for prim, articulation in zip(chosen, found, strict=True) if self._is_enabled(prim)]
        self._note_opened([prim for _, articulation in followed for prim in self._prims_of(articulation.tree)])
        welded = welded_to_world(self._joints)
        free = [
            body
            for index, body in enumerate(self._bodies.all)
            if index not in in_robots and self._is_free(body, welded.get(index))
        ]
        for prim, articulation in followed:
            self._announce(str(prim.GetPath()), articulation.tree)
        for body in free:
            self._movers[body.prim.GetPath()] = Mover(body.path, 0, body.pose)
        parts = Parts(self._bodies, self._joints, self._movers, self._space, self._notes)
        robots = [
            build_robot(prim, articulation, parts)
            for prim, articulation in followed
            if not self._is_carried(str(prim.GetPath()), [self._bodies.all[body] for body in articulation.tree.bodies])
        ]
        objects = [self._object(body) for body in free if not self._is_carried(body.path, [body])]
        self._note_idle_ids({prim.GetPath() for prim in chosen} | {body.prim.GetPath() for body in self._bodies.all})
        return Topology(
            root=root,
            robots=tuple(robots),
            objects=tuple(objects),
            ignored=self._notes.all(),
            meters_per_unit=self._space.meters_per_unit,
            up_axis=str(UsdGeom.GetStageUpAxis(self._stage)),
        )

    def _prims_of(self, tree: Tree) -> list[Any]:
        links = [self._bodies.all[body].prim for body in tree.bodies]
        return links + [self._joints[joint].prim for branch in tree.branches for joint in branch.joints]

    def _can_move(self, articulation: Articulation) -> bool:
        if self._moving(articulation.tree):
            return True
        self._notes.add(articulation.root, _NOTHING_MOVES)
        return False

    def _is_enabled(self, prim: Any) -> bool:
        if not is_enabled(prim):
            self._notes.add(prim, f"{ENABLED} is false, so it is not followed")
            return False
        return True

    def _is_free(self, body: Body, weld: int | None) -> bool:
        """Whether a body outside all articulations is an object, that is, may be anywhere."""
        if not self._is_enabled(body.prim):
            return False
        if weld is not None and authored_text(body.prim, ID) is None:
            self._notes.add(
                body.prim, f"{self._joints[weld].path} fixes it to the world; give it a {ID} to follow it nevertheless"
            )
            return False
        for instance in instances_above([body.prim])[:1]:
            self._notes.add(
                body.prim,
                f"an object inside the instance {instance.GetPath()} is not followed; make the instance the rigid body, "
                "or set `instanceable = false` there",
            )
            return False
        return True

    def _note_idle_ids(self, known: set[Any]) -> None:
        """Note the prims that claim to be an entity but are none."""
        for prim in self._bodies.prims:
            if prim.HasAttribute(ID) and prim.GetPath() not in known and authored_text(prim, ID) is not None:
                self._notes.add(prim, f"it has a {ID}, but stands neither for an articulation nor is a rigid body")

    def _note_opened(self, prims: Sequence[Any]) -> None:
        """Note the instances that hold parts of robots: USD allows no opinions in there until they are opened."""
        for instance in instances_above(prims):
            self._notes.add(instance, f"{OPENED} because parts of a robot are inside; others like it go on sharing theirs")

    def _moving(self, tree: Tree) -> set[int]:
        """Return the bodies of a tree that move in the world."""
        moving = set() if tree.anchored else {tree.base}
        for branch in tree.branches:
            if branch.parent in moving or not all(self._joints[joint].fixed for joint in branch.joints):
                moving.add(branch.child)
        return moving

    def _announce(self, entity: str, tree: Tree) -> None:
        """Register which links of a robot move in the world."""
        moving = self._moving(tree)
        for frame, index in enumerate(tree.bodies):
            if index in moving:
                body = self._bodies.all[index]
                self._movers[body.prim.GetPath()] = Mover(entity, frame, body.pose)

    def _is_carried(self, entity: str, bodies: Sequence[Body]) -> bool:
        """Note an entity that hangs below a moving prim of another one."""
        for body in bodies:
            on = carrier(body.prim, self._movers, self._space)
            if on is not None and on.entity != entity:
                self._notes.add(
                    body.prim,
                    f"it hangs below a moving part of {on.entity}, whose transform carries it along; "
                    "move the prim elsewhere, connect it with a joint, or reset its transform stack",
                )
                return True
        return False

    def _object(self, body: Body) -> RigidObject:
        mount = find_mount(body.prim, self._movers, self._space, self._notes)
        return RigidObject(entity_id(body.prim), body.path, body.pose, mount)
