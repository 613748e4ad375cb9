"""World poses of prims in metres, out of USD's row-vector matrices, scales and stage units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pxr import Gf, Usd, UsdGeom

from twind.model.topology import Pose, Vec3
from twind.stage.poses import normalised

_UNIFORM = 1e-4
"""Relative difference up to which the scales of the three axes count as one."""
_SQUARE = 1e-4
"""Cosine up to which two axes count as perpendicular."""
_PURE = 1e-13
"""Deviation up to which a matrix is a rotation already, so that taking scale and shear out would change nothing."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a prim is in the world, rigid part and scale apart."""

    pose: Pose
    """World pose [m]."""
    scale: Vec3
    """Stage units in the world per unit of the prim's local axes."""
    upright: bool
    """Whether there is neither shear nor reflection nor a zero scale."""
    even: bool
    """Whether the scale is the same along all axes."""


class Space:
    """World transforms of one stage as authored."""

    def __init__(self, stage: Any) -> None:
        # The earliest time falls back to the default value, and also sees transforms that exist only as time samples.
        self._transforms = UsdGeom.XformCache(Usd.TimeCode.EarliestTime())
        self._placements: dict[Any, Placement] = {}
        self._resets: dict[Any, bool] = {}
        self.meters_per_unit = float(UsdGeom.GetStageMetersPerUnit(stage))

    def placement(self, prim: Any) -> Placement:
        """Return where a prim is."""
        path = prim.GetPath()
        if path not in self._placements:
            self._placements[path] = placement(self._transforms.GetLocalToWorldTransform(prim), self.meters_per_unit)
        return self._placements[path]

    def resets(self, prim: Any) -> bool:
        """Whether a prim's transform starts anew from the world (`!resetXformStack!`)."""
        path = prim.GetPath()
        if path not in self._resets:
            self._resets[path] = bool(prim.IsA(UsdGeom.Xformable) and UsdGeom.Xformable(prim).GetResetXformStack())
        return self._resets[path]

    def pose(self, prim: Any) -> Pose:
        """Return the world pose of a prim [m]."""
        return self.placement(prim).pose


def placement(matrix: Any, meters_per_unit: float) -> Placement:
    """Take a row-vector matrix apart: `point * matrix` is scale, then rotation, then translation."""
    first, second, third = (matrix.GetRow3(i) for i in range(3))
    scale = (first.GetLength(), second.GetLength(), third.GetLength())
    units = [row / length if length else row for row, length in zip((first, second, third), scale, strict=True)]
    skew = max(abs(units[0] * units[1]), abs(units[0] * units[2]), abs(units[1] * units[2]))  # dot products
    right_handed = Gf.Cross(units[0], units[1]) * units[2] > 0
    even = max(scale) - min(scale) <= _UNIFORM * max(scale)
    pure = right_handed and max(skew, *(abs(length - 1.0) for length in scale)) < _PURE
    rotation = (matrix if pure else matrix.RemoveScaleShear()).ExtractRotationQuat()
    x, y, z = matrix.ExtractTranslation() * meters_per_unit
    return Placement(
        pose=Pose((x, y, z), normalised((rotation.GetReal(), *rotation.GetImaginary()))),
        scale=scale,
        upright=skew < _SQUARE and right_handed and min(scale) > 0,
        even=even,
    )
