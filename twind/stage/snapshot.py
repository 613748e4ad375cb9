"""The live layer on disk, for tools that cannot connect: `live.usda`, replaced as a whole, and `twin.usda`, which composes it.

Text, not crate: when a viewer reloads a changed `.usda` of the same structure, USD reports changed values only, while a `.usdc`
recomposes the whole stage.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pxr import Sdf

from twind.model.errors import StageError
from twind.stage.root_metadata import carry_over

if TYPE_CHECKING:
    from pathlib import Path

    from twind.stage.live import LiveStage

LIVE, TWIN = "live.usda", "twin.usda"


class Snapshot:
    """A folder that shows the live stage. Like the live stage, it is used on the stage's thread only."""

    def __init__(self, live: LiveStage, folder: Path) -> None:
        """Write both files.

        Raises:
            StageError: The folder cannot be written.
        """
        self._live = live
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StageError(
                f"cannot create the snapshot folder {folder}: {error.strerror}; check `stage.snapshot.path`"
            ) from error
        self.write()
        _replace(folder / TWIN, _twin(live.stage.GetRootLayer(), live.instance))

    def write(self) -> int:
        """Replace `live.usda` by the live layer as it is now; return its size [bytes].

        Raises:
            StageError: The file cannot be written.
        """
        return _replace(self._folder / LIVE, self._live.layer_text())


def _twin(root: Any, instance: str) -> str:
    """Return a root layer that puts the live layer over the user's root layer."""
    layer = Sdf.Layer.CreateAnonymous("twin.usda")
    layer.customLayerData = {"twind": {"instance": instance}}
    carry_over(root, layer)
    layer.subLayerPaths = [f"./{LIVE}", root.realPath or root.identifier]
    text: str = layer.ExportToString()
    return text


def _replace(path: Path, text: str) -> int:
    """Write a file so that a reader sees either the old one or the new one."""
    data = text.encode()
    temporary = path.with_name(f".{path.name}.new")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):  # the folder itself may be gone, or a file may have taken its place
            temporary.unlink(missing_ok=True)
        raise StageError(f"cannot write {path}: {error.strerror}; check `stage.snapshot.path`") from error
    return len(data)
