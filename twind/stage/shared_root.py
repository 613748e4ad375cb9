"""One stage of several shards: a root layer that puts the live layers of all of them over the user's root layer.

Live layers of shards say nothing about each other's entities, so their order does not matter.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from pxr import Sdf

from twind.model.errors import StageError
from twind.stage.composed import composed_root, path_from
from twind.stage.fence import locked
from twind.stage.opening import collected_diagnostics
from twind.stage.output import written

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_SHARDS = "shards"
"""The field of `customLayerData["twind"]` by which such a layer is known."""


def compose_shards(root: Any, live_layers: Iterable[Path], out: Path) -> None:
    """Write a root layer of exactly these live layers; they need not be there yet.

    Raises:
        StageError: It cannot be written.
    """
    _write(root, {_name(out.parent, live) for live in live_layers}, out)


def join_shards(root: Any, live_layer: Path | None, out: Path) -> bool:
    """Add a live layer to a root layer that other shards may have begun; return whether it was missing there.

    None: only see to it that there is a root layer.

    Raises:
        StageError: It cannot be written, or there is something else in its place.
    """
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with locked(out.parent):
            there, base = _sublayers(out), path_from(out.parent, root)
            names = set() if live_layer is None else {_name(out.parent, live_layer)}
            if {*names, base} <= {*there}:
                return False
            _write(root, {*there, *names} - {base}, out)
    except OSError as error:
        raise StageError(f"cannot write {out}: {error.strerror}; check `stage.snapshot.composed`") from error
    return True


def _write(root: Any, live_layers: set[str], out: Path) -> None:
    sublayers = [*sorted(live_layers), path_from(out.parent, root)]
    with written(out) as temporary:
        text: str = composed_root(root, sublayers, about={_SHARDS: len(live_layers)}).ExportToString()
        temporary.write_text(text, encoding="utf-8")


def _sublayers(out: Path) -> list[str]:
    if not out.exists():
        return []
    with collected_diagnostics():
        layer = Sdf.Layer.OpenAsAnonymous(str(out), metadataOnly=True)
    if layer is None or _SHARDS not in layer.customLayerData.get("twind", {}):
        raise StageError(f"{out} is no root layer of shards and stays as it is; let `stage.snapshot.composed` name another")
    return list(layer.subLayerPaths)


def _name(folder: Path, live: Path) -> str:
    """Name a live layer from a folder: relative, because shards share a volume that may be mounted anywhere."""
    relative = os.path.relpath(live, folder)
    return relative if relative.startswith("..") else f"./{relative}"
