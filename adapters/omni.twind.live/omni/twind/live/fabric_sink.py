"""Moves prims through Fabric (usdrt, a part of Kit) instead of USD; all other prims as `UsdSink` does.

A prim is driven through one of them, never through both: what has a transform that moves has no opinion in a layer of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pxr import Sdf, Usd, UsdGeom, UsdUtils

from .usd_sink import UsdSink

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .frames import Catalogue, Frame

_OP = "xformOp:"


class FabricSink:
    """The live layer of a daemon, with its transforms in Fabric."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Author the structure.

        Raises:
            ProtocolError: The catalogue has what USD does not take.
        """
        moving = {one.prim for group in catalogue.groups for one in group.attributes if one.name.startswith(_OP)}
        still = {prim.path for prim in catalogue.prims} - moving
        self.catalogue = catalogue
        self._rest = UsdSink(catalogue, leave_out=moving)
        self._ops = UsdSink(catalogue, leave_out=still)
        self._owners = [[one.prim for one in group.attributes] for group in catalogue.groups]
        self._moving = moving
        self._scratch: dict[str, Any] = {}
        """Of each prim that moves, one with the same ops in a stage that nobody sees: USD itself composes the matrix."""
        self._paths: dict[str, Any] = {}
        self._before: dict[str, Any] = {}
        """The matrices that Fabric had before us."""
        self._hierarchy: Any = None
        self._keep: Any = None
        self._matrix: Any = None

    @property
    def sequence(self) -> int:
        """Number of the update that it shows; -1 before the first."""
        return self._rest.sequence

    @property
    def layer(self) -> Any:
        """What goes through USD."""
        return self._rest.layer

    def apply(self, frames: Iterable[Frame]) -> int:
        """Apply frames in order; return how many values were set.

        Raises:
            ProtocolError: A frame does not follow on what is shown, or USD takes a value not.
        """
        frames = list(frames)
        count = self._rest.apply(frames) + self._ops.apply(frames)
        changed: set[str] = set()
        for change in (change for frame in frames for change in frame.changes):
            owners = self._owners[change.group]
            changed.update(owners if change.rows is None else (owners[row] for row in change.rows))
        self._move(changed & self._scratch.keys())
        return count

    def attach(self, stage: Any) -> None:
        """Move the prims of a stage."""
        from usdrt import Gf as RtGf
        from usdrt import Sdf as RtSdf
        from usdrt import Usd as RtUsd
        from usdrt import hierarchy

        self.detach()
        self._rest.attach(stage)
        self._keep = Usd.Stage.CreateInMemory()
        for path in sorted(self._moving):
            prim = stage.GetPrimAtPath(path)
            if prim and prim.IsDefined() and prim.IsA(UsdGeom.Xformable):
                self._scratch[path] = _copied(prim, self._keep)
        self._ops.attach(self._keep)
        in_fabric = RtUsd.Stage.Attach(UsdUtils.StageCache.Get().GetId(stage).ToLongInt())
        self._hierarchy = hierarchy.IFabricHierarchy().get_fabric_hierarchy(
            in_fabric.GetFabricId(), in_fabric.GetStageIdAsStageId()
        )
        self._matrix = RtGf.Matrix4d
        self._paths = {path: RtSdf.Path(path) for path in self._scratch}
        self._before = {path: self._hierarchy.get_local_xform(known) for path, known in self._paths.items()}
        self._move(self._scratch)

    def detach(self) -> None:
        """Give everything back as it was. Detaching twice is fine."""
        self._rest.detach()
        self._ops.detach()
        for path, matrix in self._before.items():
            self._hierarchy.set_local_xform(self._paths[path], matrix)
        self._scratch, self._paths, self._before = {}, {}, {}
        self._hierarchy = self._keep = None

    def show_stale(self, *, stale: bool) -> None:
        """Say of every entity in the layer that it is stale, because its daemon is out of reach; or take that back."""
        self._rest.show_stale(stale=stale)

    def _move(self, paths: Iterable[str]) -> None:
        for path in paths:
            local = UsdGeom.Xformable(self._scratch[path]).GetLocalTransformation()
            numbers = [number for row in range(4) for number in local.GetRow(row)]
            self._hierarchy.set_local_xform(self._paths[path], self._matrix(*numbers))


def _copied(prim: Any, scratch: Any) -> Any:
    """Make a prim in another stage that has the same path and the same transform ops."""
    copy = UsdGeom.Xform.Define(scratch, prim.GetPath()).GetPrim()
    for op in (one.GetAttr() for one in UsdGeom.Xformable(prim).GetOrderedXformOps()):
        made = copy.CreateAttribute(op.GetName(), op.GetTypeName(), custom=False)
        if op.Get() is not None:
            made.Set(op.Get())
    order = UsdGeom.Xformable(prim).GetXformOpOrderAttr().Get()
    if order is not None:
        copy.CreateAttribute(UsdGeom.Tokens.xformOpOrder, Sdf.ValueTypeNames.TokenArray, custom=False).Set(order)
    return copy
