"""The live layer's structure: every prim, attribute and schema that will ever be in it, authored once at the start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pxr import Sdf, Vt

from twind.model.estimates import Status
from twind.stage import writer
from twind.stage.axes import si_per_unit
from twind.stage.joints import state_instance
from twind.stage.writer import Column, Writer
from twind.stage.xform_ops import ORDER, ORIENT, TRANSFORM, TRANSLATE, Ops, initial_values, plan_ops

if TYPE_CHECKING:
    from twind.model.topology import Joint, Robot, Topology

TIME, SEQ, AGE, QUALITY = "twind:time", "twind:seq", "twind:age", "twind:quality"


def author(layer: Any, stage: Any, topology: Topology) -> Writer:
    """Author the structure into a layer that is not yet part of the stage, showing the asset as it is at rest.

    Raises:
        StageError: A moving prim's transform cannot be overridden.
    """
    plan = _Plan(stage, topology)  # reads the stage; nothing below does
    with Sdf.ChangeBlock():
        for overrides in plan.entities:
            for column in plan.columns.values():
                column.starts.append(len(column.specs))
            for override in overrides:
                override.create(layer, plan.columns)
        for prim, schemas in plan.schemas.items():
            layer.GetPrimAtPath(prim).SetInfo("apiSchemas", Sdf.TokenListOp.Create(prependedItems=schemas))
        for prim, order in plan.orders.items():
            owner = layer.GetPrimAtPath(prim)
            spec = Sdf.AttributeSpec(owner, ORDER, Sdf.ValueTypeNames.TokenArray, Sdf.VariabilityUniform)
            spec.default = Vt.TokenArray(order)
    return Writer([*plan.columns.values()], len(plan.entities))


def moving_links(robot: Robot) -> set[int]:
    """Return the links that ever move in the world."""
    moving = {robot.base} if robot.floating else set()
    for joint in robot.joints:
        if joint.movable or joint.parent in moving:
            moving.add(joint.child)
    return moving


@dataclass(frozen=True, slots=True)
class _Override:
    """One attribute of the live layer."""

    prim: str
    name: str
    type_name: Any
    value: Any
    column: str
    """Key of the column that writes it; empty for one that never changes."""
    row: int
    custom: bool = False

    def create(self, layer: Any, columns: dict[str, Column]) -> None:
        """Create the spec and hand it to its column."""
        owner = Sdf.CreatePrimInLayer(layer, self.prim)
        spec = Sdf.AttributeSpec(owner, self.name, self.type_name, Sdf.VariabilityVarying, self.custom)
        spec.default = self.value
        if self.column:
            columns[self.column].specs.append(spec)
            columns[self.column].rows.append(self.row)


class _Plan:
    """What will be authored, worked out with reads only."""

    def __init__(self, stage: Any, topology: Topology) -> None:
        self.entities: list[list[_Override]] = [[] for _ in topology.entities]
        self.columns: dict[str, Column] = {}
        self.schemas: dict[str, list[str]] = {}
        """Applied schemas of each joint prim."""
        self.orders: dict[str, tuple[str, ...]] = {}
        """New op order of the prims whose own cannot be written."""
        self._stage = stage
        self._scale = np.ones((topology.n_frames, 3))
        self._usd_per_si = np.array(
            [1 / si_per_unit(joint.kind, topology.meters_per_unit) for robot in topology.robots for joint in robot.joints]
        )
        for entity, one in enumerate(topology.entities):
            self._provenance(self.entities[entity], one.prim, entity)
        for index, robot in enumerate(topology.robots):
            for row, joint in enumerate(robot.joints, topology.first_joint[index]):
                if joint.movable:
                    self._joint_state(self.entities[index], joint, row)
            for link in sorted(moving_links(robot)):
                self._transform(self.entities[index], robot.links[link].prim, topology.first_frame[index] + link)
        for index, one in enumerate(topology.objects):
            self._transform(self.entities[len(topology.robots) + index], one.prim, topology.first_frame[-1] + index)

    def _column(self, key: str, encode: writer.Encode) -> str:
        self.columns.setdefault(key, Column(encode))
        return key

    def _provenance(self, overrides: list[_Override], prim: str, entity: int) -> None:
        names = Sdf.ValueTypeNames
        for name, type_name, value, encode in (
            (TIME, names.Double, 0.0, writer.times),
            (SEQ, names.Int64, 0, writer.sequence_numbers),
            (AGE, names.Double, writer.UNKNOWN_AGE_S, writer.ages),
            (QUALITY, names.Token, writer.QUALITY[Status.LOST], writer.qualities),
        ):
            overrides.append(_Override(prim, name, type_name, value, self._column(name, encode), entity, custom=True))

    def _joint_state(self, overrides: list[_Override], joint: Joint, row: int) -> None:
        instance, per_si = state_instance(joint), self._usd_per_si
        self.schemas.setdefault(joint.prim, []).append(f"PhysicsJointStateAPI:{instance}")
        for what, value, encode in (
            ("position", joint.rest * float(per_si[row]), writer.joint_positions),
            ("velocity", 0.0, writer.joint_velocities),
        ):
            name = f"state:{instance}:physics:{what}"
            attribute = self._stage.GetPrimAtPath(joint.prim).GetAttribute(name)
            type_name = attribute.GetTypeName() if attribute else Sdf.ValueTypeNames.Float
            overrides.append(_Override(joint.prim, name, type_name, value, self._column(what, encode(per_si)), row))

    def _transform(self, overrides: list[_Override], prim: str, frame: int) -> None:
        ops = plan_ops(self._stage.GetPrimAtPath(prim))
        self._scale[frame] = ops.scale
        if ops.order is not None:
            self.orders[prim] = ops.order
        values = initial_values(ops)
        for name, type_name in ops.types.items():
            overrides.append(_Override(prim, name, type_name, values[name], self._transform_column(name, ops), frame))

    def _transform_column(self, name: str, ops: Ops) -> str:
        """Return the column of one op; a scale has none, because nothing ever scales a link."""
        if name == TRANSFORM:
            return self._column(name, writer.transforms(self._scale))
        if name == TRANSLATE:
            return self._column(f"{name} {ops.types[name]}", writer.translations(ops.types[name]))
        return self._column(f"{name} {ops.types[name]}", writer.orientations(ops.types[name])) if name == ORIENT else ""
