"""A binding layer: a root layer that has the user's asset as sublayer and holds nothing but opinions on it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pxr import Sdf, Usd

from twind.model.errors import StageError
from twind.stage.binding.edits import Edits
from twind.stage.binding.routes import read_routes
from twind.stage.composed import carry_over, path_from
from twind.stage.discover import discover_stage
from twind.stage.identity import local_name
from twind.stage.opening import collected_diagnostics, open_stage

if TYPE_CHECKING:
    from twind.model.routes import RouteHint
    from twind.model.topology import Topology
    from twind.stage.binding.wishes import Wishes

_UNITS = ("upAxis", "metersPerUnit", "kilogramsPerUnit")
"""What a layer must agree on with the layer below, or everything in that is read wrongly."""
_TRANSCODED = "tn__"
_MARK = {"binding": 1}
_DOC = (
    "What makes the asset below a live twin: ids, settings of joints and topics. Written by `twind bind`; edit it by hand or "
    "run the command again, which keeps what it is not asked to change (comments excepted)."
)


class BindingLayer:
    """A binding layer, on disk or yet to be written, and the stage that it makes with its asset."""

    def __init__(self, stage: Any, asset: str, *, is_new: bool) -> None:
        self._stage = stage
        self._layer = stage.GetRootLayer()
        self._is_new = is_new
        self._changed = is_new
        self.asset = asset
        """Path or URL of the asset's root layer."""

    @classmethod
    def open(cls, root: str, output: Path | None = None) -> BindingLayer:
        """Open the binding layer for an asset, or begin one.

        Args:
            root: The asset's root layer; or a binding layer, which then is the one to go on with.
            output: Where the layer is, or shall be. Default: `NAME.bindings.usda` in the working directory.

        Raises:
            StageError: The asset cannot be opened completely, or the output is not a binding layer of this asset.
        """
        stage, _ = open_stage(root)
        top = stage.GetRootLayer()
        if _is_binding(top):
            path = Path(top.realPath)
            if output is not None and output.resolve() != path.resolve():
                raise StageError(
                    f"{root} is a binding layer itself; name the asset to write another one, or leave out the output"
                )
            return cls(stage, _asset_of(top), is_new=False)
        output = Path(f"{Path(_place(top)).stem}.bindings.usda") if output is None else output
        output = output.resolve()
        if output.suffix != ".usda":
            raise StageError(f"{output}: a binding layer is text; name it *.usda")
        if any(str(output) == used.realPath for used in stage.GetUsedLayers()):
            raise StageError(f"{output} is part of the asset, which is never changed; choose another output")
        if output.exists():
            return cls(_existing(output, top), _place(top), is_new=False)
        with collected_diagnostics():
            return cls(Usd.Stage.Open(_begun(output, top), Usd.Stage.LoadAll), _place(top), is_new=True)

    @property
    def path(self) -> Path:
        """Where the layer is, or shall be."""
        return Path(_place(self._layer))

    @property
    def changed(self) -> bool:
        """Whether it differs from what is on disk."""
        return self._changed

    def survey(self) -> Topology:
        """Discover the twin, entities that share an id included."""
        return discover_stage(self._stage, root=str(self.path), strict=False)

    def bind(self, wishes: Wishes) -> Topology:
        """Author what is wished, in memory; return what is then discovered.

        Raises:
            StageError: Two entities have the same id all the same, or an id cannot stand in a topic.
        """
        edits = Edits(self._stage)
        edits.apply(wishes)
        self._changed |= edits.changed
        return discover_stage(self._stage, root=str(self.path))

    def routes(self, topology: Topology) -> list[RouteHint]:
        """Return the route hints in the stage, the asset's own included."""
        return read_routes(self._stage, topology)

    def original_names(self, topology: Topology) -> dict[str, str]:
        """Return the names that joints had before a converter made prim names of them, by prim.

        The converters write a name that USD does not allow in Bootstring (`tn__...`) and keep the original as display name.
        """
        prims = [self._stage.GetPrimAtPath(joint.prim) for robot in topology.robots for joint in robot.joints if joint.movable]
        return {
            str(prim.GetPath()): str(prim.GetDisplayName())
            for prim in prims
            if str(prim.GetName()).startswith(_TRANSCODED)
            and prim.HasAuthoredDisplayName()
            and local_name(prim) == prim.GetName()
        }

    def notes(self) -> list[str]:
        """Say what does not fit between the layer and its asset."""
        asset = Sdf.Layer.FindOrOpen(self.asset)
        return [
            f"{key} is not what the asset says; a stage takes it from its root layer, which is the binding layer"
            for key in _UNITS
            if _authored(asset, key) != _authored(self._layer, key)
        ]

    def text(self) -> str:
        """Return the layer as `.usda`."""
        text: str = self._layer.ExportToString()
        return text

    def close(self) -> None:
        """Let go of what is in memory only, so that the next one to open the file sees the file."""
        if self._is_new:
            self._layer.Clear()
        else:
            self._layer.Reload(True)
        self._stage = self._layer = None


def _is_binding(layer: Any) -> bool:
    mark = layer.customLayerData.get("twind")
    return isinstance(mark, dict) and "binding" in mark


def _place(layer: Any) -> str:
    """Return the absolute path of a layer's file, or its URL."""
    return _real(str(layer.realPath or layer.identifier))


def _real(place: str) -> str:
    return place if "://" in place else os.path.realpath(place)


def _begun(output: Path, asset: Any) -> Any:
    layer = Sdf.Layer.New(Sdf.FileFormat.FindById("usda"), str(output))
    layer.customLayerData = {"twind": _MARK}
    layer.documentation = _DOC
    carry_over(asset, layer)
    layer.subLayerPaths = [path_from(output.parent, asset)]
    return layer


def _authored(layer: Any, key: str) -> Any:
    return layer.pseudoRoot.GetInfo(key) if layer.pseudoRoot.HasInfo(key) else None


def _existing(output: Path, asset: Any) -> Any:
    """Open the stage of a binding layer that is there already."""
    try:
        stage, _ = open_stage(str(output))
    except StageError as error:
        raise StageError(f"{output} is there already, and is no binding layer that can be opened: {error}") from error
    layer = stage.GetRootLayer()
    if not _is_binding(layer):
        raise StageError(f"{output} was not written by `twind bind` and is left alone; choose another output")
    if _place(asset) not in _sublayers(layer):
        raise StageError(f"{output} binds another asset, {_asset_of(layer)}; choose another output")
    return stage


def _sublayers(layer: Any) -> list[str]:
    return [_real(str(Sdf.ComputeAssetPathRelativeToLayer(layer, path))) for path in layer.subLayerPaths]


def _asset_of(layer: Any) -> str:
    """Return the asset under a binding layer: its weakest sublayer, so that layers put between them by hand do no harm."""
    below = _sublayers(layer)
    if not below:
        raise StageError(f"{layer.identifier} is a binding layer without an asset; give it one as sublayer")
    return below[-1]
