"""Walks a stage and collects what is to be seen, under the frames that move."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pxr import Usd, UsdGeom, UsdShade

from twind.stage.scene.geometry import paint_of, parts_of
from twind.stage.scene.looks import material_of
from twind.stage.scene.parts import Camera, Material, Node, Op, Piece, Scene, sheared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twind.stage.scene.geometry import Part
    from twind.stage.scene.parts import Matrix, Shape

_TIME = Usd.TimeCode.EarliestTime()
_SHOWN = (UsdGeom.Tokens.default_, UsdGeom.Tokens.render)
MAX_TRIANGLES = 16_000_000
"""More is left out: a browser would not hold it."""


def scene_of(stage: Any, moving: Mapping[str, frozenset[str]]) -> Scene:
    """Collect the visible geometry of a stage.

    Args:
        stage: Live layers included, so that it has the op orders that they state.
        moving: The attributes of each moving prim that the live layer writes.
    """
    walk = _Walk(stage, moving)
    walk.run()
    return walk.scene


@dataclass(frozen=True, slots=True)
class _Place:
    """A prim that is still to be visited, and what it inherits."""

    prim: Any
    node: int
    matrix: Matrix
    """Of the prim's parent, in the node's frame."""
    visible: bool
    purpose: Any


class _Walk:
    def __init__(self, stage: Any, moving: Mapping[str, frozenset[str]]) -> None:
        self.scene = Scene(UsdGeom.GetStageMetersPerUnit(stage), str(UsdGeom.GetStageUpAxis(stage)))
        self._stage = stage
        self._moving = moving
        self._parts: dict[tuple[str, bool], list[Part] | None] = {}
        """By path, in the prototype where there is one."""
        self._shapes: dict[str, int] = {}
        self._materials: dict[Material, int] = {}
        self._looks: dict[str, tuple[Material, bool]] = {}
        """By path of the USD material."""
        self._triangles = 0
        self._keys: dict[int, int] = {}
        """Shape of each object that was seen before."""

    def run(self) -> None:
        waiting = [_Place(self._stage.GetPseudoRoot(), 0, np.eye(4), visible=True, purpose=None)]
        while waiting:
            place = self._visit(waiting.pop())
            children = place.prim.GetFilteredChildren(Usd.TraverseInstanceProxies())
            waiting += [replace(place, prim=child) for child in reversed(children)]

    def _visit(self, place: _Place) -> _Place:
        prim, visible, purpose = place.prim, place.visible, place.purpose
        if prim.IsA(UsdGeom.Imageable):
            imageable = UsdGeom.Imageable(prim)
            visible = visible and imageable.GetVisibilityAttr().Get(_TIME) != UsdGeom.Tokens.invisible
            purpose = imageable.ComputePurposeInfo() if purpose is None else imageable.ComputePurposeInfo(purpose)
        place = replace(place, visible=visible, purpose=purpose)
        if prim.IsA(UsdGeom.Xformable):
            place = self._placed(place)
        shown = visible and (purpose is None or purpose.purpose in _SHOWN)
        if shown and prim.IsA(UsdGeom.Gprim):
            self._show(place)
        elif shown and prim.IsA(UsdGeom.PointInstancer):
            self._leave_out(prim, "point instancers are not shown")
        elif visible and prim.IsA(UsdGeom.Camera):
            self._camera(place)
        return place

    def _placed(self, place: _Place) -> _Place:
        xformable = UsdGeom.Xformable(place.prim)
        local = np.array(xformable.GetLocalTransformation(_TIME))
        node, matrix = (0, np.eye(4)) if xformable.GetResetXformStack() else (place.node, place.matrix)
        path = str(place.prim.GetPath())
        if path not in self._moving:
            return replace(place, node=node, matrix=local @ matrix)
        ops = tuple(_op(op, self._moving[path]) for op in xformable.GetOrderedXformOps())
        self.scene.nodes.append(Node(path, node, matrix, local, ops))
        return replace(place, node=len(self.scene.nodes) - 1, matrix=np.eye(4))

    def _show(self, place: _Place) -> None:
        prim = place.prim
        look = self._look(UsdShade.MaterialBindingAPI(prim))
        paint = paint_of(prim) if look is None or not look[1] else None
        painted = paint is not None and paint.values is not None
        parts = self._parts_of(prim, painted=painted)
        if parts is None:
            self._leave_out(prim, f"a {prim.GetTypeName()} is not shown")
            return
        for part in parts:
            own = None if part.subset is None else self._look(UsdShade.MaterialBindingAPI(part.subset.GetPrim()))
            material = (own or look or (Material(), False))[0]
            if paint is not None and not (own and own[1]):
                color = (1.0, 1.0, 1.0) if part.shape.colors is not None else paint.constant or material.color
                material = replace(material, color=color)
            if material.opacity <= 0:
                continue
            self._triangles += len(part.shape.triangles)
            if self._triangles > MAX_TRIANGLES:
                self._leave_out(prim, f"the stage has more than {MAX_TRIANGLES} triangles")
                return
            shape, matrix = part.shape, place.matrix
            if sheared(matrix):
                shape, matrix = shape.moved(matrix), np.eye(4)
            piece = Piece(str(prim.GetPath()), self._shape(shape), self._material(material), matrix)
            self.scene.nodes[place.node].pieces.append(piece)

    def _camera(self, place: _Place) -> None:
        camera = UsdGeom.Camera(place.prim)
        if camera.GetProjectionAttr().Get(_TIME) != UsdGeom.Tokens.perspective:
            return
        width, height, focal = (
            float(attribute.Get(_TIME))
            for attribute in (camera.GetHorizontalApertureAttr(), camera.GetVerticalApertureAttr(), camera.GetFocalLengthAttr())
        )
        if min(width, height, focal) <= 0:
            return
        found = Camera(str(place.prim.GetPath()), place.matrix, 2 * math.atan(height / (2 * focal)), width / height)
        self.scene.nodes[place.node].cameras.append(found)

    def _leave_out(self, prim: Any, reason: str) -> None:
        self.scene.left_out.append((str(prim.GetPath()), reason))

    # What is kept once.

    def _parts_of(self, prim: Any, *, painted: bool) -> list[Part] | None:
        shared = prim.GetPrimInPrototype() if prim.IsInstanceProxy() else prim
        key = str(shared.GetPath()), painted
        if key not in self._parts:
            self._parts[key] = parts_of(shared, painted=painted)
        return self._parts[key]

    def _look(self, binding: Any) -> tuple[Material, bool] | None:
        material, _ = binding.ComputeBoundMaterial()
        if not material:
            return None
        path = str(material.GetPath())
        if path not in self._looks:
            self._looks[path] = material_of(material)
        return self._looks[path]

    def _shape(self, shape: Shape) -> int:
        if id(shape) in self._keys:
            return self._keys[id(shape)]
        index = self._shapes.setdefault(shape.key(), len(self.scene.shapes))
        if index == len(self.scene.shapes):
            self.scene.shapes.append(shape)
            self._keys[id(shape)] = index  # it lives as long as the scene, so its id is nobody else's
        return index

    def _material(self, material: Material) -> int:
        index = self._materials.setdefault(material, len(self.scene.materials))
        if index == len(self.scene.materials):
            self.scene.materials.append(material)
        return index


def _op(op: Any, live: frozenset[str]) -> Op:
    name = str(op.GetOpName())
    if name not in live:
        return Op("", tuple(np.array(op.GetOpTransform(_TIME)).ravel().tolist()))
    value = op.Get(_TIME)
    if hasattr(value, "imaginary"):
        return Op(name, (*(float(part) for part in value.imaginary), float(value.real)))
    return Op(name, tuple(np.array(value, np.float64).ravel().tolist()))
