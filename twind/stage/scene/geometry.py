"""The triangles of one USD prim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from pxr import Usd, UsdGeom, UsdShade

from twind.stage.scene import solids
from twind.stage.scene.polygons import Polygons, shape_of

if TYPE_CHECKING:
    from twind.stage.scene.parts import Floats, Shape
    from twind.stage.scene.polygons import Ints

_TIME = Usd.TimeCode.EarliestTime()


@dataclass(frozen=True, slots=True)
class Part:
    """Triangles that share one material."""

    shape: Shape
    subset: Any = None
    """The UsdGeomSubset that has a material of its own; None: the prim's."""


@dataclass(frozen=True, slots=True)
class Paint:
    """`displayColor`, which stands in where no material says a colour."""

    constant: tuple[float, float, float] | None = None
    values: Floats | None = None
    """(n, 3) linear."""
    interpolation: str = ""


def parts_of(prim: Any, *, painted: bool) -> list[Part] | None:
    """Return the triangles of a prim; None when it is of a kind that is not shown.

    Args:
        prim: A UsdGeomGprim.
        painted: Whether its points carry their `displayColor`.
    """
    if prim.IsA(UsdGeom.Mesh):
        return _mesh(UsdGeom.Mesh(prim), painted=painted)
    shape = _solid(prim)
    return None if shape is None else [Part(shape)]


def paint_of(prim: Any) -> Paint:
    """Return the `displayColor` of a prim, its own or inherited."""
    primvar = UsdGeom.PrimvarsAPI(prim).FindPrimvarWithInheritance("displayColor")
    values = primvar.ComputeFlattened(_TIME) if primvar and primvar.HasValue() else None
    if not values:
        return Paint()
    if len(values) == 1 or primvar.GetInterpolation() == UsdGeom.Tokens.constant:
        red, green, blue = (float(part) for part in values[0])
        return Paint((red, green, blue))
    return Paint(None, np.asarray(values, np.float64), str(primvar.GetInterpolation()))


def _solid(prim: Any) -> Shape | None:  # noqa: PLR0911  (one for each kind)
    def get(name: str) -> Any:
        return prim.GetAttribute(name).Get(_TIME)

    kind = prim.GetTypeName()
    if prim.IsA(UsdGeom.Cube):
        size = float(get("size"))
        return solids.box(size, size, size)
    if prim.IsA(UsdGeom.Sphere):
        return solids.sphere(float(get("radius")))
    if prim.IsA(UsdGeom.Plane):
        return solids.plane(float(get("width")), float(get("length")), get("axis"))
    if prim.IsA(UsdGeom.Cone):
        return solids.cylinder(float(get("radius")), 0.0, float(get("height")), get("axis"))
    if kind == "Cylinder_1":
        return solids.cylinder(float(get("radiusBottom")), float(get("radiusTop")), float(get("height")), get("axis"))
    if prim.IsA(UsdGeom.Cylinder):
        return solids.cylinder(float(get("radius")), float(get("radius")), float(get("height")), get("axis"))
    if kind == "Capsule_1":
        return solids.capsule(float(get("radiusBottom")), float(get("radiusTop")), float(get("height")), get("axis"))
    if prim.IsA(UsdGeom.Capsule):
        return solids.capsule(float(get("radius")), float(get("radius")), float(get("height")), get("axis"))
    return None


def _mesh(mesh: Any, *, painted: bool) -> list[Part]:
    points, counts, indices = (
        attribute.Get(_TIME)
        for attribute in (mesh.GetPointsAttr(), mesh.GetFaceVertexCountsAttr(), mesh.GetFaceVertexIndicesAttr())
    )
    if not points or not counts or not indices:
        return []
    polygons = Polygons(np.asarray(points, np.float64), np.asarray(counts, np.int64), np.asarray(indices, np.int64))
    if not polygons.sound:
        return []
    left_handed = mesh.GetOrientationAttr().Get(_TIME) == UsdGeom.Tokens.leftHanded
    normals = _normals(mesh, polygons)
    if normals is None:
        normals = polygons.corner_normals() * (-1.0 if left_handed else 1.0)
    paint = paint_of(mesh.GetPrim()) if painted else Paint()
    colors = None if paint.values is None else _at_corners(paint.values, paint.interpolation, polygons)
    faces = np.ones(len(polygons.counts), bool)
    holes = np.asarray(mesh.GetHoleIndicesAttr().Get(_TIME) or (), np.int64)
    faces[holes[(holes >= 0) & (holes < len(faces))]] = False
    parts: list[Part] = []

    def add(chosen: Ints, subset: Any = None) -> None:
        shape = shape_of(polygons, chosen, normals, colors=colors, left_handed=left_handed)
        if shape is not None:
            parts.append(Part(shape, subset))

    for subset in UsdShade.MaterialBindingAPI(mesh.GetPrim()).GetMaterialBindSubsets():
        chosen = np.asarray(subset.GetIndicesAttr().Get(_TIME) or (), np.int64)
        chosen = chosen[(chosen >= 0) & (chosen < len(faces))]
        chosen = chosen[faces[chosen]]
        faces[chosen] = False
        add(chosen, subset)
    add(np.flatnonzero(faces))
    return parts


def _normals(mesh: Any, polygons: Polygons) -> Floats | None:
    """Return authored normals at corners; None where there are none that fit."""
    primvar = UsdGeom.PrimvarsAPI(mesh.GetPrim()).GetPrimvar("normals")
    if primvar and primvar.HasValue():
        values, interpolation = primvar.ComputeFlattened(_TIME), primvar.GetInterpolation()
    else:
        values, interpolation = mesh.GetNormalsAttr().Get(_TIME), mesh.GetNormalsInterpolation()
    if not values:
        return None
    found = _at_corners(np.asarray(values, np.float64), str(interpolation), polygons)
    usable = found is not None and np.isfinite(found).all() and (np.linalg.norm(found, axis=1) > 0).all()
    return found if usable else None


def _at_corners(values: Floats, interpolation: str, polygons: Polygons) -> Floats | None:
    """Return a value for each corner; None where there are too few."""
    if interpolation == UsdGeom.Tokens.constant:
        return np.broadcast_to(values[0], (len(polygons.indices), values.shape[1]))
    places = {
        UsdGeom.Tokens.faceVarying: np.arange(len(polygons.indices)),
        UsdGeom.Tokens.uniform: polygons.face_of_corner(),
    }.get(interpolation, polygons.indices)
    return values[places] if int(places.max()) < len(values) else None
