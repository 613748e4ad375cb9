"""From a stage and its live layer to glTF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pxr import Sdf, Usd

from twind.model.errors import StageError
from twind.stage.composed import composed_root
from twind.stage.opening import collected_diagnostics, open_stage
from twind.stage.scene.gltf import glb
from twind.stage.scene.walk import scene_of
from twind.stage.xform_ops import EULER, ORIENT, TRANSFORM, TRANSLATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twind.stage.scene.parts import Scene

_LIVE_OPS = frozenset((TRANSLATE, ORIENT, TRANSFORM, *EULER))


def scene_glb(root: str, live: bytes) -> bytes:
    """Return the scene of a stage as binary glTF.

    Args:
        root: Path or URL of the user's root layer.
        live: The live layer over it, as `.usda`; it says what moves.

    Raises:
        StageError: The stage cannot be opened completely, or the live layer is none.
    """
    return glb(scene_under(root, live))


def scene_under(root: str, live: bytes) -> Scene:
    """Return the scene of a stage under a live layer; see `scene_glb`."""
    stage, _ = open_stage(root)
    layer = Sdf.Layer.CreateAnonymous("live.usda")
    try:
        with collected_diagnostics():
            layer.ImportFromString(live.decode())
    except (StageError, UnicodeDecodeError) as error:
        raise StageError(f"the live layer cannot be read: {error}") from error
    base = stage.GetRootLayer()
    with collected_diagnostics():
        composed = Usd.Stage.Open(composed_root(base, [layer.identifier, base.identifier]), Usd.Stage.LoadAll)
    return scene_of(composed, moving_prims(layer))


def moving_prims(layer: Any) -> Mapping[str, frozenset[str]]:
    """Return the prims whose transform a live layer writes, and which attributes of it."""
    found: dict[str, set[str]] = {}

    def note(path: Any) -> None:
        if path.IsPropertyPath() and path.name in _LIVE_OPS:
            found.setdefault(str(path.GetPrimPath()), set()).add(path.name)

    layer.Traverse(Sdf.Path.absoluteRootPath, note)
    return {prim: frozenset(names) for prim, names in found.items()}
