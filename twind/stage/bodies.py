"""Rigid bodies: the prims that move, and which of them a joint's target belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pxr import Usd, UsdGeom, UsdPhysics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twind.model.topology import Pose
    from twind.stage.notes import Notes
    from twind.stage.space import Space

WORLD = -1
"""Stands in place of a body's index for everything that stands still."""


@dataclass(frozen=True, slots=True)
class Body:
    """One enabled rigid body."""

    prim: Any
    pose: Pose
    """World pose as authored [m]."""

    @property
    def path(self) -> str:
        """Prim path."""
        return str(self.prim.GetPath())


def _prims(stage: Any) -> Iterator[Any]:
    """Walk the composed stage, also into instances."""
    yield from stage.Traverse(Usd.TraverseInstanceProxies())


class Bodies:
    """All enabled rigid bodies of a stage, in traversal order."""

    def __init__(self, stage: Any, space: Space, notes: Notes) -> None:
        self.all: list[Body] = []
        self.prims = list(_prims(stage))
        """Every prim of the stage, in traversal order: walked once."""
        self._index: dict[Any, int] = {}
        self._below: dict[Any, list[int]] | None = None
        instancer: Any = None
        for prim in self.prims:
            if prim.GetTypeName() == "PointInstancer":
                instancer = prim
            if not prim.HasAPI(UsdPhysics.RigidBodyAPI):
                continue
            if instancer is not None and prim.GetPath().HasPrefix(instancer.GetPath()):
                notes.add(prim, f"it is below the point instancer {instancer.GetPath()}, which draws copies of it elsewhere")
            elif UsdPhysics.RigidBodyAPI(prim).GetRigidBodyEnabledAttr().Get() is False:
                notes.add(prim, "its rigid body is disabled (physics:rigidBodyEnabled), so it is taken to stand still")
            elif not prim.IsA(UsdGeom.Xformable):
                notes.add(
                    prim, f"a rigid body of type {str(prim.GetTypeName()) or 'none'!r} has no transform to move; use an Xform"
                )
            else:
                self._index[prim.GetPath()] = len(self.all)
                self.all.append(Body(prim, space.pose(prim)))

    def __len__(self) -> int:
        """Number of bodies."""
        return len(self.all)

    def at(self, prim: Any) -> int | None:
        """Return the index of the body that this prim is, None when it is none."""
        return self._index.get(prim.GetPath())

    def below(self, prim: Any) -> list[int]:
        """Return the bodies below a prim, in traversal order."""
        if self._below is None:
            self._below = {}
            for index, body in enumerate(self.all):
                for path in body.prim.GetPath().GetAncestorsRange():
                    self._below.setdefault(path, []).append(index)
        return self._below.get(prim.GetPath(), [])

    def holding(self, prim: Any) -> int:
        """Return the nearest body at or above a prim, `WORLD` when there is none."""
        while prim and not prim.IsPseudoRoot():
            index = self.at(prim)
            if index is not None:
                return index
            prim = prim.GetParent()
        return WORLD
