"""Discover robots, joints, links and objects from UsdPhysics alone: types, relationships and applied schemas, never paths."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pxr import UsdGeom

from twind.model.topology import Joint, JointKind, Link, RigidObject, Robot, Topology
from twind.stage.articulations import Articulation, find_articulations
from twind.stage.bodies import WORLD, Bodies
from twind.stage.couplings import read_mimics
from twind.stage.identity import entity_id, local_name, refuse_ambiguous, robot_prims, unique_names
from twind.stage.joints import JointPrim, read_joints
from twind.stage.mounts import Mover, carrier, find_mount
from twind.stage.notes import Notes
from twind.stage.opening import collected_diagnostics, open_stage
from twind.stage.poses import IDENTITY, compose
from twind.stage.rest import TOLERANCE_M, TOLERANCE_RAD, across, flipped, misfit, position_between
from twind.stage.space import Space

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.stage.bodies import Body
    from twind.stage.tree import Branch, Tree

_ANCHOR_M = 1e-6
_ANCHOR_RAD = 1e-6
"""How far a base may miss its world joint before the authored pose is believed in the joint's place."""

_ZERO = 1e-9
"""A rest position smaller than this is what single precision left of zero [rad or m]."""


def discover(root: str) -> Topology:
    """Open a stage and discover its twin.

    Raises:
        StageError: The stage cannot be opened completely, or two entities have the same id.
    """
    stage, warnings = open_stage(root)
    return discover_stage(stage, root=root, warnings=warnings)


def discover_stage(stage: Any, *, root: str | None = None, warnings: Sequence[str] = ()) -> Topology:
    """Discover the twin in an open `Usd.Stage`; `warnings` are listed among what was ignored.

    Raises:
        StageError: Two entities have the same id, or an id cannot stand in a topic.
    """
    topology = survey(stage, root=root, warnings=warnings)
    refuse_ambiguous([(one.id, one.prim) for one in topology.entities])
    return topology


def survey(stage: Any, *, root: str | None = None, warnings: Sequence[str] = ()) -> Topology:
    """Discover like `discover_stage`, but let entities share an id: for those who go on to tell them apart.

    Raises:
        StageError: An id cannot stand in a topic.
    """
    with collected_diagnostics() as diagnostics:
        topology = _Discovery(stage).topology(root or str(stage.GetRootLayer().identifier))
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
        self._joints = read_joints(stage, self._bodies, self._space, self._notes)
        self._movers: dict[Any, Mover] = {}

    def topology(self, root: str) -> Topology:
        """Assemble everything."""
        if not UsdGeom.StageHasAuthoredMetersPerUnit(self._stage):
            self._notes.add("/", "metersPerUnit is not authored, so USD's default of 0.01 (centimetres) holds")
        found = find_articulations(self._stage, self._bodies, self._joints, self._notes)
        in_robots = {body for articulation in found for body in articulation.tree.bodies}
        found = [articulation for articulation in found if self._writable(articulation)]
        free = [
            body
            for index, body in enumerate(self._bodies.all)
            if index not in in_robots and not self._is_proxy(body.prim, "an object")
        ]
        chosen = robot_prims([(one.root, [prim.GetPath() for prim in self._prims_of(one.tree)]) for one in found])
        for prim, articulation in zip(chosen, found, strict=True):
            self._announce(str(prim.GetPath()), articulation.tree)
        for body in free:
            self._movers[body.prim.GetPath()] = Mover(body.path, 0, body.pose)
        robots = [
            self._robot(prim, articulation.tree)
            for prim, articulation in zip(chosen, found, strict=True)
            if not self._is_carried(str(prim.GetPath()), [self._bodies.all[body] for body in articulation.tree.bodies])
        ]
        objects = [self._object(body) for body in free if not self._is_carried(body.path, [body])]
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
        return links + [self._joints[branch.joint].prim for branch in tree.branches]

    def _writable(self, articulation: Articulation) -> bool:
        return not any(self._is_proxy(prim, "a robot") for prim in self._prims_of(articulation.tree))

    def _is_proxy(self, prim: Any, what: str) -> bool:
        """Note a prim inside an instance: USD allows no opinions on it, so it cannot be moved on its own."""
        if not prim.IsInstanceProxy():
            return False
        instance = prim
        while not instance.IsInstance():
            instance = instance.GetParent()
        self._notes.add(
            prim, f"{what} inside the instance {instance.GetPath()} cannot be moved; set `instanceable = false` there"
        )
        return True

    def _announce(self, entity: str, tree: Tree) -> None:
        """Register which links of a robot move in the world."""
        moving = set() if tree.anchored else {tree.base}
        for branch in tree.branches:
            if branch.parent in moving or self._joints[branch.joint].kind is not JointKind.FIXED:
                moving.add(branch.child)
        for frame, index in enumerate(tree.bodies):
            if index in moving:
                body = self._bodies.all[index]
                self._movers[body.prim.GetPath()] = Mover(entity, frame, body.pose)

    def _is_carried(self, entity: str, bodies: Sequence[Body]) -> bool:
        """Note an entity that hangs below a moving prim of another one."""
        for body in bodies:
            on = carrier(body.prim, self._movers)
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

    def _robot(self, prim: Any, tree: Tree) -> Robot:
        bodies = [self._bodies.all[index] for index in tree.bodies]
        frame_of = {index: frame for frame, index in enumerate(tree.bodies)}
        links = tuple(
            Link(name, body.path, body.pose, find_mount(body.prim, self._movers, self._space, self._notes))
            for name, body in zip(unique_names([body.prim for body in bodies]), bodies, strict=True)
        )
        read = [self._joints[branch.joint] for branch in tree.branches]
        names = unique_names([joint.prim for joint in read])
        for name, joint in zip(names, read, strict=True):
            if name != local_name(joint.prim) and joint.kind is not JointKind.FIXED:
                self._notes.add(joint.prim, f"another joint of its robot has the same name, so it is called {name!r}")
        mimics = read_mimics(read, self._space.meters_per_unit, self._notes)
        joints = [
            replace(self._joint(joint, branch, frame_of), name=name, mimic=mimic)
            for joint, branch, name, mimic in zip(read, tree.branches, names, mimics, strict=True)
        ]
        return Robot(entity_id(prim), str(prim.GetPath()), links, tuple(joints), base=0, floating=not tree.anchored)

    def _joint(self, joint: JointPrim, branch: Branch, frame_of: dict[int, int]) -> Joint:
        """Turn a joint of the tree into its record, against its own direction when the tree runs so."""
        outer, inner = joint.frame0, joint.frame1
        if branch.against:
            outer, inner = flipped(joint.frame1, joint.axis), flipped(joint.frame0, joint.axis)
        parent = IDENTITY if branch.parent == WORLD else self._bodies.all[branch.parent].pose
        child = self._bodies.all[branch.child].pose
        between = across(parent, outer, child, inner)
        rest = position_between(joint.kind, joint.axis, between, lower=joint.lower, upper=joint.upper)
        off_m, off_rad = misfit(joint.kind, joint.axis, between, rest)
        if branch.parent == WORLD and joint.kind is JointKind.FIXED and (off_m > _ANCHOR_M or off_rad > _ANCHOR_RAD):
            # A referenced robot stands where its Xform was placed; its root joint only says that the base is fixed.
            outer, off_m, off_rad = compose(child, inner), 0.0, 0.0
            self._notes.add(joint.prim, "its frames are not where the base stands; the base stays where it is authored")
        elif off_m > TOLERANCE_M or off_rad > TOLERANCE_RAD:
            self._notes.add(
                joint.prim,
                f"the authored link poses miss it by {off_m * 1e3:.3g} mm and {off_rad * 1e3:.3g} mrad; the joint is believed",
            )
        if joint.state is not None:
            apart = misfit(joint.kind, joint.axis, between, joint.state)
            if apart[0] > off_m + TOLERANCE_M or apart[1] > off_rad + TOLERANCE_RAD:
                self._notes.add(joint.prim, f"its authored state {joint.state:.4g} is not where the links stand ({rest:.4g})")
            rest = joint.state
        rest = 0.0 if abs(rest) < _ZERO else rest
        return Joint(
            name="",
            prim=joint.path,
            kind=joint.kind,
            axis=joint.axis,
            parent=-1 if branch.parent == WORLD else frame_of[branch.parent],
            child=frame_of[branch.child],
            parent_frame=outer,
            child_frame=inner,
            lower=joint.lower,
            upper=joint.upper,
            velocity_limit=joint.velocity_limit,
            rest=rest,
            hints=joint.hints,
        )
