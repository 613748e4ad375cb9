"""The live layer on disk, for tools that cannot connect: `live.usda`, replaced as a whole, and `twin.usda`, which composes it.

Text, not crate: when a viewer reloads a changed `.usda` of the same structure, USD reports changed values only, while a `.usdc`
recomposes the whole stage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind.flow.replacing import replacing
from twind.model.errors import StageError
from twind.stage.composed import composed_root, path_from
from twind.stage.fence import Fence

if TYPE_CHECKING:
    from pathlib import Path

    from twind.stage.live import LiveStage

LIVE, TWIN = "live.usda", "twin.usda"


class Snapshot:
    """A folder that shows the live stage. Made on the stage's thread; `replace` may be called on any."""

    def __init__(self, live: LiveStage, folder: Path) -> None:
        """Write both files.

        Raises:
            StageError: The folder cannot be written.
            FencedError: Somebody newer writes there.
        """
        self._fence = Fence(folder / LIVE, live.holder)
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StageError(
                f"cannot create the snapshot folder {folder}: {error.strerror}; check `stage.snapshot.path`"
            ) from error
        self.replace(live.layer_text().encode())
        twin = _twin(live, folder).encode()
        if not _holds(folder / TWIN, twin):  # a viewer would call it out of date after every restart
            _replace(folder / TWIN, twin)

    def check(self) -> None:
        """Look whether `live.usda` is still this daemon's to write.

        Raises:
            FencedError: Somebody newer writes it.
        """
        self._fence.check()

    def replace(self, live_layer: bytes) -> None:
        """Replace `live.usda` as a whole.

        Raises:
            StageError: The file cannot be written.
            FencedError: Somebody newer writes it.
        """
        path = self._folder / LIVE
        try:
            with self._fence.passed():
                _replace(path, live_layer)
        except OSError as error:
            raise StageError(f"cannot write {path}: {error.strerror}; check `stage.snapshot.path`") from error


def _twin(live: LiveStage, folder: Path) -> str:
    """Return a root layer that puts the live layer over the user's root layer."""
    root = live.stage.GetRootLayer()
    layer = composed_root(root, [f"./{LIVE}", path_from(folder, root)], about={"instance": live.instance})
    text: str = layer.ExportToString()
    return text


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:
        return False


def _replace(path: Path, data: bytes) -> None:
    """Write a file as a whole.

    Not synchronised to the disk: the file is made anew at every start, and a power cut costs a reader nothing but the time
    until then.
    """
    try:
        with replacing(path, locked=True) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise StageError(f"cannot write {path}: {error.strerror}; check `stage.snapshot.path`") from error
