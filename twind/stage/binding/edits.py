"""Author opinions in one layer, and know whether that changed anything."""

from __future__ import annotations

from typing import Any

from pxr import Sdf

from twind.model.errors import StageError
from twind.stage import hints, identity
from twind.stage.binding.routes import PREFIX, attribute
from twind.stage.binding.wishes import Wishes, kind_of
from twind.stage.instances import instances_above
from twind.stage.schema_plugin import ENTITY_API, JOINT_API, ROUTE_API

_TEXT, _NUMBER, _FLAG = Sdf.ValueTypeNames.String, Sdf.ValueTypeNames.Float, Sdf.ValueTypeNames.Bool
_TYPES = {
    identity.NAME: _TEXT,
    hints.POSITION_STD: _NUMBER,
    hints.JERK_NOISE: _NUMBER,
    hints.STAMP_STD: _NUMBER,
    hints.WRAPS: _NUMBER,
    hints.VELOCITY_STD: _NUMBER,
    hints.USE_VELOCITY: _FLAG,
}
"""Attributes of a joint that can be bound."""


class Edits:
    """The root layer of a stage, to author in; opinions that stand there already are no change."""

    def __init__(self, stage: Any) -> None:
        self._stage = stage
        self._layer = stage.GetRootLayer()
        self.changed = False

    def apply(self, wishes: Wishes) -> None:
        """Author everything that is wished."""
        for prim, entity in wishes.ids.items():
            self._apply_schema(prim, ENTITY_API)
            self._set(prim, identity.ID, _TEXT, entity)
        for prim in wishes.ignored:
            self._apply_schema(prim, ENTITY_API)
            self._set(prim, identity.ENABLED, _FLAG, value=False)
        for prim, routes in wishes.routes.items():
            self._drop_routes(prim, {kind_of(instance) for instance in routes}, kept=set(routes))
            for instance, hint in routes.items():
                self._apply_schema(prim, f"{ROUTE_API}:{instance}")
                self._set(prim, attribute(instance, "topic"), _TEXT, hint.topic)
                self._set(prim, attribute(instance, "codec"), Sdf.ValueTypeNames.Token, hint.codec)
                if hint.source or self._has(prim, attribute(instance, "source")):
                    self._set(prim, attribute(instance, "source"), _TEXT, hint.source)
        for prim, values in wishes.joints.items():
            self._apply_schema(prim, JOINT_API)
            for name, value in values.items():
                self._set(prim, name, _TYPES[name], value)
        for prim in wishes.released:
            self._set(prim, "physics:jointEnabled", _FLAG, value=False, variability=Sdf.VariabilityVarying)

    def _set(self, prim: str, name: str, type_name: Any, value: Any, *, variability: Any = Sdf.VariabilityUniform) -> None:
        owner = self._prim(prim)
        spec = owner.attributes.get(name)
        before = None if spec is None else spec.default
        if spec is None:
            spec = Sdf.AttributeSpec(owner, name, type_name, variability)
        try:
            spec.default = value
        except (TypeError, ValueError, RuntimeError) as error:  # an attribute made by hand, of another type
            raise StageError(f"{prim}.{name}: {value!r} does not fit its type {spec.typeName}") from error
        self.changed |= bool(before != spec.default)

    def _has(self, prim: str, name: str) -> bool:
        return self._layer.GetAttributeAtPath(f"{prim}.{name}") is not None

    def _prim(self, path: str) -> Any:
        found = self._stage.GetPrimAtPath(path)
        for instance in instances_above([found] if found else []):  # else the opinions would be there, and without effect
            Sdf.CreatePrimInLayer(self._layer, instance.GetPath()).instanceable = False
            self.changed = True
        return self._layer.GetPrimAtPath(path) or Sdf.CreatePrimInLayer(self._layer, path)

    def _apply_schema(self, prim: str, name: str) -> None:
        spec = self._prim(prim)
        listed = spec.GetInfo("apiSchemas") if spec.HasInfo("apiSchemas") else Sdf.TokenListOp()
        if name in [*listed.explicitItems, *listed.prependedItems, *listed.appendedItems]:
            return
        if listed.isExplicit:
            listed.explicitItems = [*listed.explicitItems, name]
        else:
            listed.prependedItems = [*listed.prependedItems, name]
        spec.SetInfo("apiSchemas", listed)
        self.changed = True

    def _drop_routes(self, prim: str, kinds: set[str], *, kept: set[str]) -> None:
        spec = self._layer.GetPrimAtPath(prim)
        if spec is None:
            return
        gone = set()
        for name in [str(one.name) for one in spec.attributes]:
            parts = name.split(":")
            if name.startswith(f"{PREFIX}:") and kind_of(parts[2]) in kinds and parts[2] not in kept:
                gone.add(parts[2])
                spec.RemoveProperty(spec.attributes[name])
        if not gone:
            return
        listed = spec.GetInfo("apiSchemas")
        names = {f"{ROUTE_API}:{instance}" for instance in gone}
        for items in ("explicitItems", "prependedItems", "appendedItems"):
            if getattr(listed, items):
                setattr(listed, items, [one for one in getattr(listed, items) if one not in names])
        spec.SetInfo("apiSchemas", listed)
        self.changed = True
