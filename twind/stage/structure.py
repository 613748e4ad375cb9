"""The live layer's structure: every prim, attribute and schema that will ever be in it, authored once at the start."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from pxr import Sdf, Vt

from twind.config.settings import DeadBandSettings
from twind.model.estimates import Status
from twind.model.live_layer import FixedAttribute, LiveAttribute, LiveColumn, LiveLayout
from twind.model.topology import JointKind
from twind.stage import encoders
from twind.stage.axes import si_per_unit
from twind.stage.dead_band import DeadBand
from twind.stage.instances import instances_above
from twind.stage.joints import state_instance
from twind.stage.layer_values import NUMBERS, plain
from twind.stage.looks import DISPLAY_COLOR, Look, find_looks
from twind.stage.physics_off import switches
from twind.stage.writer import Column, Writer
from twind.stage.xform_ops import EULER, ORDER, ORIENT, TRANSFORM, TRANSLATE, Ops, Pivot, initial_values, plan_ops

if TYPE_CHECKING:
    from twind.model.topology import Joint, Robot, Topology
    from twind.stage.encoders import Encoder

TIME, SEQ, AGE, QUALITY = "twind:time", "twind:seq", "twind:age", "twind:quality"
INSTANCE, GENERATION = "twind:instance", "twind:generation"


@dataclass(frozen=True, slots=True)
class LiveOptions:
    """What a live layer says besides the state, and how eagerly it says it."""

    generation: int = 0
    """How often this shard was started; what carries an older one is out of date."""
    dead_band: DeadBandSettings = field(default_factory=DeadBandSettings)
    """What is too small a change to be written."""
    stale_color: tuple[float, float, float] | None = None
    """Display colour of what there is no news of, linear RGB; None leaves colours alone."""
    physics_off: bool = False
    """Whether to keep viewers that simulate from moving what is measured."""


@dataclass(frozen=True, slots=True)
class Authored:
    """A live layer's structure, as it was authored."""

    writer: Writer
    layout: LiveLayout


def author(layer: Any, stage: Any, topology: Topology, *, instance: str = "", options: LiveOptions | None = None) -> Authored:
    """Author the structure into a layer that is not yet part of the stage, showing the asset as it is at rest.

    Args:
        layer: Empty, or of other prims.
        stage: Is only read.
        topology: What the stage declares, or the part of it that the layer is about.
        instance: The daemon that writes the layer; nobody is named when there is none.
        options: What the layer says besides the state.

    Raises:
        StageError: A moving prim's transform cannot be overridden.
    """
    options = options or LiveOptions()
    plan = _Plan(stage, topology, instance, options)  # reads the stage; nothing below does
    with Sdf.ChangeBlock():
        for override in plan.overrides:
            override.create(layer, plan.columns)
        for prim, schemas in plan.schemas.items():
            layer.GetPrimAtPath(prim).SetInfo("apiSchemas", Sdf.TokenListOp.Create(prependedItems=schemas))
        for prim in plan.opened:
            Sdf.CreatePrimInLayer(layer, prim).instanceable = False
        for prim, order in plan.orders.items():
            owner = layer.GetPrimAtPath(prim)
            spec = Sdf.AttributeSpec(owner, ORDER, Sdf.ValueTypeNames.TokenArray, Sdf.VariabilityUniform)
            spec.default = Vt.TokenArray(order)
    return Authored(Writer([*plan.columns.values()], DeadBand(topology, options.dead_band)), plan.layout())


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
    column: str = ""
    """Key of the column that writes it; empty for one that never changes."""
    owner: int = -1
    """The entity that it belongs to; -1 where it belongs to none alone."""
    row: int = 0
    """The row of the update's arrays that it shows."""
    custom: bool = False
    unit: str = ""
    """See `LiveAttribute`."""
    choices: tuple[Any, ...] = ()
    """Likewise, as USD values."""

    def create(self, layer: Any, columns: dict[str, Column]) -> None:
        """Create the spec and hand it to its column."""
        owner = Sdf.CreatePrimInLayer(layer, self.prim)
        spec = Sdf.AttributeSpec(owner, self.name, self.type_name, Sdf.VariabilityVarying, self.custom)
        spec.default = self.value
        if self.column:
            column = columns[self.column]
            column.specs.append(spec)
            column.rows.append(self.row)
            column.owners.append(self.owner)


class _Plan:
    """What will be authored, worked out with reads only."""

    def __init__(self, stage: Any, topology: Topology, instance: str, options: LiveOptions) -> None:
        self.overrides: list[_Override] = []
        self.columns: dict[str, Column] = {}
        self.schemas: dict[str, list[str]] = {}
        """Applied schemas of each joint prim."""
        self.orders: dict[str, tuple[str, ...]] = {}
        """New op order of the prims whose own cannot be written."""
        self._stage = stage
        self._scale = np.ones((topology.n_frames, 3))
        self._outer, self._inner = np.zeros((2, topology.n_frames, 3))
        self._usd_per_si = np.array(
            [1 / si_per_unit(joint.kind, topology.meters_per_unit) for robot in topology.robots for joint in robot.joints]
        )
        for entity, one in enumerate(topology.entities):
            self._provenance(one.prim, entity)
            self._origin(one.prim, entity, instance, options.generation)
        self._states(topology)
        if options.stale_color is not None:
            self._looks(find_looks(stage, topology, options.stale_color))
        if options.physics_off:
            for prim, name in switches(stage, topology):
                self.overrides.append(_Override(prim, name, Sdf.ValueTypeNames.Bool, value=False))
        prims = {override.prim: stage.GetPrimAtPath(override.prim) for override in self.overrides}
        self.opened = [str(instance.GetPath()) for instance in instances_above(prims.values())]
        """Instances that hold any of it."""

    def _states(self, topology: Topology) -> None:
        for index, robot in enumerate(topology.robots):
            for row, joint in enumerate(robot.joints, topology.first_joint[index]):
                if joint.movable:
                    self._joint_state(joint, index, row)
            for link in sorted(moving_links(robot)):
                self._transform(robot.links[link].prim, index, topology.first_frame[index] + link)
        for index, one in enumerate(topology.objects):
            self._transform(one.prim, len(topology.robots) + index, topology.first_frame[-1] + index)

    def _column(self, key: str, encoder: Encoder) -> str:
        self.columns.setdefault(key, Column(encoder))
        return key

    def _provenance(self, prim: str, entity: int) -> None:
        names = Sdf.ValueTypeNames
        for name, type_name, value, encoder, unit in (
            (TIME, names.Double, 0.0, encoders.TIMES, "s"),
            (SEQ, names.Int64, 0, encoders.SEQUENCE_NUMBERS, ""),
            (AGE, names.Double, encoders.UNKNOWN_AGE_S, encoders.AGES, "s"),
            (QUALITY, names.Token, encoders.QUALITY[Status.LOST], encoders.QUALITIES, ""),
        ):
            key = self._column(name, encoder)
            self.overrides.append(_Override(prim, name, type_name, value, key, entity, entity, custom=True, unit=unit))

    def _origin(self, prim: str, entity: int, instance: str, generation: int) -> None:
        if not instance:
            return
        names = Sdf.ValueTypeNames
        self.overrides.append(_Override(prim, INSTANCE, names.String, instance, owner=entity, custom=True))
        self.overrides.append(_Override(prim, GENERATION, names.Int64, generation, owner=entity, custom=True))

    def _joint_state(self, joint: Joint, entity: int, row: int) -> None:
        instance, per_si = state_instance(joint), self._usd_per_si
        self.schemas.setdefault(joint.prim, []).append(f"PhysicsJointStateAPI:{instance}")
        unit = "stage" if joint.kind is JointKind.PRISMATIC else "deg"
        for what, value, encode, of in (
            ("position", joint.rest * float(per_si[row]), encoders.joint_positions, unit),
            ("velocity", 0.0, encoders.joint_velocities, f"{unit}/s"),
        ):
            name = f"state:{instance}:physics:{what}"
            attribute = self._stage.GetPrimAtPath(joint.prim).GetAttribute(name)
            type_name = attribute.GetTypeName() if attribute else Sdf.ValueTypeNames.Float
            key = self._column(f"{what} {type_name}", encode(per_si, type_name))
            self.overrides.append(_Override(joint.prim, name, type_name, value, key, entity, row, unit=of))

    def _transform(self, prim: str, entity: int, frame: int) -> None:
        ops = plan_ops(self._stage.GetPrimAtPath(prim))
        self._scale[frame], self._outer[frame], self._inner[frame] = ops.scale, ops.pivot.outer, ops.pivot.inner
        if ops.order is not None:
            self.orders[prim] = ops.order
        values = initial_values(ops)
        for name, type_name in ops.types.items():
            key = self._transform_column(name, ops)
            unit = {TRANSLATE: "stage"}.get(name, "deg" if name in EULER else "")
            self.overrides.append(_Override(prim, name, type_name, values[name], key, entity, frame, unit=unit))

    def _transform_column(self, name: str, ops: Ops) -> str:
        """Return the column of one op; a scale has none, because nothing ever scales a link."""
        type_name, key = ops.types[name], f"{name} {ops.types[name]}"
        if name == TRANSFORM:
            return self._column(key, encoders.transforms(self._scale))
        if name == TRANSLATE and ops.pivot != Pivot():
            return self._column(f"pivoted {key}", encoders.pivoted_translations(type_name, self._outer, self._inner))
        if name == TRANSLATE:
            return self._column(key, encoders.translations(type_name))
        if name == ORIENT:
            return self._column(key, encoders.orientations(type_name))
        return self._column(key, encoders.euler_angles(type_name, name[-3:])) if name in EULER else ""

    def _looks(self, looks: list[Look]) -> None:
        key = self._column(DISPLAY_COLOR, encoders.stale_looks([look.fresh for look in looks], [look.stale for look in looks]))
        for look in looks:
            colors = Sdf.ValueTypeNames.Color3fArray
            choices = (look.fresh, look.stale)
            at = look.entity
            self.overrides.append(_Override(look.prim, DISPLAY_COLOR, colors, look.fresh, key, at, at, choices=choices))

    def layout(self) -> LiveLayout:
        """Describe what is authored; columns as the writer numbers them."""
        varying: dict[str, list[_Override]] = {}
        for override in self.overrides:
            if override.column:
                varying.setdefault(override.column, []).append(override)
        orders = (FixedAttribute(prim, ORDER, "token[]", [*order], -1, uniform=True) for prim, order in self.orders.items())
        fixed = (
            FixedAttribute(one.prim, one.name, str(one.type_name), plain(one.value), one.owner, one.custom)
            for one in self.overrides
            if not one.column
        )
        return LiveLayout(
            columns=tuple(_described(varying[key]) for key in self.columns if key in varying),
            fixed=(*fixed, *orders),
            schemas={prim: tuple(schemas) for prim, schemas in self.schemas.items()},
        )


def _described(overrides: list[_Override]) -> LiveColumn:
    """Describe one column."""
    type_name = str(overrides[0].type_name)
    dtype, width = NUMBERS[type_name]
    attributes = tuple(
        LiveAttribute(one.prim, one.name, one.owner, one.unit, one.custom, tuple(map(plain, one.choices))) for one in overrides
    )
    names = tuple(encoders.QUALITY[status] for status in sorted(encoders.QUALITY)) if type_name == "token" else ()
    return LiveColumn(type_name, dtype, width, attributes, names)
