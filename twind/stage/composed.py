"""A root layer that puts other layers over the user's root layer: what `twin.usda` is, wherever it stands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pxr import Sdf

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_CARRIED_OVER = (
    "upAxis",
    "metersPerUnit",
    "kilogramsPerUnit",
    "defaultPrim",
    "timeCodesPerSecond",
    "framesPerSecond",
    "startTimeCode",
    "endTimeCode",
    "colorConfiguration",
    "colorManagementSystem",
    "expressionVariables",
)
"""Metadata that USD reads from a stage's root layer only, so that a root layer over another one must repeat them."""


def carry_over(root: Any, layer: Any) -> None:
    """Repeat in a layer what USD reads from a root layer only."""
    for key in _CARRIED_OVER:
        if root.pseudoRoot.HasInfo(key):
            layer.pseudoRoot.SetInfo(key, root.pseudoRoot.GetInfo(key))


def composed_root(root: Any, sublayers: Iterable[str], *, about: Mapping[str, object] | None = None) -> Any:
    """Return an anonymous layer that composes sublayers, strongest first, as `root` would be composed.

    Args:
        root: The user's root layer; it need not be among the sublayers.
        sublayers: Asset paths.
        about: What `customLayerData["twind"]` says.
    """
    layer = Sdf.Layer.CreateAnonymous("twin.usda")
    if about:
        layer.customLayerData = {"twind": dict(about)}
    carry_over(root, layer)
    layer.subLayerPaths = list(sublayers)
    return layer


def path_from(folder: Path, layer: Any) -> str:
    """Return the asset path by which a layer in `folder` should name another layer (see `path_to`)."""
    if layer.anonymous or not layer.realPath:  # in memory, or behind a URL
        return str(layer.identifier)
    return path_to(folder, layer.realPath)


def path_to(folder: Path, file: str) -> str:
    """Return the asset path by which a layer in `folder` should name a file, given by its absolute path.

    Relative where both lie in one tree of one file system, so that the tree can be moved, or mounted elsewhere, as a whole.
    Else absolute: what lies on another mount, or shares nothing but `/`, does not move along. USD joins paths as text, without
    following symbolic links; where links would lead a relative path elsewhere, the path is absolute too.
    """
    target = Path(os.path.normpath(file))
    here = Path(os.path.abspath(folder))  # noqa: PTH100  (links stay as they are)
    relative = os.path.relpath(target, here)
    same_tree = len(Path(os.path.commonpath([target, here])).parts) > 1
    linked = os.path.relpath(target.resolve(), here.resolve()) != relative
    if not same_tree or linked or _device(target) != _device(here):
        return target.as_posix()
    return relative if relative.startswith("..") else f"./{relative}"


def _device(path: Path) -> int:
    """Return the file system of a path, or of the nearest folder above it that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path.stat().st_dev
