"""The record of one robot: its links, and the rows of its joints with their names and couplings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from twind.model.topology import Joint, JointKind, Link, Robot
from twind.stage.axes import ANGULAR, LINEAR
from twind.stage.bodies import WORLD
from twind.stage.chains import Row, rows_of
from twind.stage.couplings import read_mimics
from twind.stage.identity import entity_id, local_name, message_order, namespace, unique_names
from twind.stage.mounts import find_mount
from twind.stage.poses import IDENTITY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twind.stage.articulations import Articulation
    from twind.stage.bodies import Bodies
    from twind.stage.joints import JointPrim
    from twind.stage.mounts import Mover
    from twind.stage.notes import Notes
    from twind.stage.space import Space
    from twind.stage.tree import Branch


@dataclass(frozen=True, slots=True)
class Parts:
    """What was found in the stage."""

    bodies: Bodies
    joints: Sequence[JointPrim]
    movers: Mapping[Any, Mover]
    """Every prim that is moved at run time, by path."""
    space: Space
    notes: Notes


def build_robot(prim: Any, articulation: Articulation, parts: Parts) -> Robot:
    """Return the record of the robot that a prim stands for."""
    tree = articulation.tree
    bodies = [parts.bodies.all[index] for index in tree.bodies]
    frame_of = {index: frame for frame, index in enumerate(tree.bodies)}
    links = tuple(
        Link(name, body.path, body.pose, find_mount(body.prim, parts.movers, parts.space, parts.notes))
        for name, body in zip(
            unique_names([body.prim for body in bodies], [local_name(body.prim) for body in bodies]), bodies, strict=True
        )
    )
    rows: list[Row] = []
    joints: list[Joint] = []
    for branch in tree.branches:
        parent = -1 if branch.parent == WORLD else frame_of[branch.parent]
        for row in _rows(branch, parts):
            rows.append(row)
            joints.append(_joint(row, parent=parent, child=frame_of[branch.child]))
            parent = frame_of[branch.child]
    mimics = read_mimics(rows, parts.space.meters_per_unit, parts.notes)
    return Robot(
        id=entity_id(prim),
        prim=str(prim.GetPath()),
        links=links,
        joints=tuple(
            replace(joint, name=name, label=_label(row, name), mimic=mimic)
            for row, joint, name, mimic in zip(rows, joints, _names(rows, parts.notes), mimics, strict=True)
        ),
        base=0,
        floating=not tree.anchored,
        message_order=tuple(message_order(articulation.root, [row.joint.prim for row in rows])),
        namespace=namespace(articulation.root),
    )


def _rows(branch: Branch, parts: Parts) -> list[Row]:
    return rows_of(
        [parts.joints[joint] for joint in branch.joints],
        against=branch.against,
        parent=IDENTITY if branch.parent == WORLD else parts.bodies.all[branch.parent].pose,
        child=parts.bodies.all[branch.child].pose,
        to_world=branch.parent == WORLD,
        notes=parts.notes,
    )


def _names(rows: Sequence[Row], notes: Notes) -> list[str]:
    """Return a name for each row, `JOINT:AXIS` where a joint has several axes; note those that had to be made longer."""
    own = {row.joint.prim.GetPath(): row.joint for row in rows}
    wanted = [local_name(joint.prim) for joint in own.values()]
    names = dict(zip(own, unique_names([joint.prim for joint in own.values()], wanted), strict=True))
    for (path, joint), wish in zip(own.items(), wanted, strict=True):
        if names[path] != wish and not joint.fixed:
            notes.add(joint.prim, f"another joint of its robot has the same name, so it is called {names[path]!r}")
    return [_of_axis(names[row.joint.prim.GetPath()], row) for row in rows]


def _label(row: Row, name: str) -> str:
    shown = str(row.joint.prim.GetDisplayName())
    return _of_axis(shown, row) if shown and _of_axis(shown, row) != name else ""


def _of_axis(name: str, row: Row) -> str:
    return f"{name}:{row.axis.instance}" if row.axis is not None and len(row.joint.axes) > 1 else name


def _joint(row: Row, *, parent: int, child: int) -> Joint:
    """Return the record of a row; its name and what it follows are found when all rows are there."""
    axis = row.axis
    if axis is None:
        return Joint(
            "", row.joint.path, JointKind.FIXED, 0, parent=parent, child=child, parent_frame=row.outer, child_frame=row.inner
        )
    return Joint(
        name="",
        prim=row.joint.path,
        kind=axis.kind,
        axis=axis.index,
        parent=parent,
        child=child,
        parent_frame=row.outer,
        child_frame=row.inner,
        lower=axis.lower,
        upper=axis.upper,
        velocity_limit=axis.velocity_limit,
        effort_limit=axis.effort_limit,
        rest=row.rest,
        hints=axis.hints,
        axis_name="" if axis.instance in (LINEAR, ANGULAR) else axis.instance,
    )
