"""The stage as a tree of files that stands on its own: what a viewer needs before it follows the live state, or a package.

Folders stay as they are on disk, so that relative asset paths work unchanged: `root/` is the folder that holds the user's root
layer and all that it reaches by relative paths, `mount-1/`, `mount-2/` ... are such folders elsewhere, which it reaches by
absolute paths or through the search path of its resolver. Only layers that name such files are written anew, with relative
paths; all others are the user's own, byte for byte.
"""

from __future__ import annotations

import os
import posixpath
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from pxr import Sdf, UsdUtils

from twind.model.errors import StageError
from twind.model.stage_file import StageFile
from twind.stage.composed import composed_root
from twind.stage.dependencies import dependencies_of
from twind.stage.opening import collected_diagnostics
from twind.stage.snapshot import LIVE, TWIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from twind.stage.dependencies import Dependencies
    from twind.stage.live import LiveStage

_TYPES = (
    ".usd .usda .usdc "  # layers of variants that are not selected
    ".avif .bmp .dds .exr .gif .hdr .jpeg .jpg .ktx .ktx2 .png .rat .tex .tga .tif .tiff .tx .webp "  # textures
    ".glslfx .ies .mdl .mtlx .osl .oso "  # materials and lights
    ".nvdb .vdb "  # volumes
    ".flac .m4a .mp3 .mp4 .mov .ogg .wav "  # sound and film
    ".abc .fbx .glb .gltf .obj .ply .stl .usdz"  # geometry
)
_ASSET_TYPES = frozenset(_TYPES.split())
"""What an asset path may name. A layer from elsewhere may name any file that the daemon can read: a key is not for viewers."""

_MAX_REWRITTEN_BYTES = 256 << 20
"""Larger layers are given as they are: one that is written anew is held in memory."""


@dataclass(frozen=True, slots=True)
class FileTree:
    """The tree."""

    files: dict[str, StageFile]
    """By path within the tree, `/` between folders."""
    root: str | None
    """Path of the user's root layer in the tree; None when it is not a file, so that there is nothing to give away."""
    left_out: tuple[tuple[str, str], ...] = ()
    """Asset paths as authored that lead to nothing in the tree, and why."""


def bootstrap_of(live: LiveStage) -> FileTree:
    """Lay out the tree of a live stage, `twin.usda` included. `live.usda` belongs beside that, but changes all the time."""
    tree = file_tree(live.stage)
    if tree.root is None:
        return tree
    root = live.stage.GetRootLayer()
    twin = composed_root(root, [f"./{LIVE}", f"./{tree.root}"], about={"instance": live.instance}).ExportToString()
    return replace(tree, files={TWIN: StageFile.holding(twin.encode()), **tree.files})


def file_tree(stage: Any) -> FileTree:
    """Lay out the tree of a stage's root layer. Reads layers that USD has in memory already, and no other file."""
    found = dependencies_of(stage)
    if found is None:
        return FileTree({}, None)
    shown = [path for path in found.files if path in found.layers or path.suffix.lower() in _ASSET_TYPES]
    names = _names(found, set(shown))
    files = {names[path]: StageFile(Path(os.path.realpath(path))) for path in shown}
    left_out: list[tuple[str, str]] = []
    changes: dict[Path, dict[str, str]] = {}
    for naming in found.namings:
        if naming.target is None:
            left_out.append((naming.authored, "not found"))
        elif naming.target not in names:
            left_out.append((naming.authored, "not a kind of file that a stage shows"))
        elif not naming.relative:
            changes.setdefault(naming.by, {})[naming.written] = _renamed(naming.written, names[naming.by], names[naming.target])
    for path, renames in changes.items():
        data = _rewritten(found.layers[path], path, renames)
        if data is None:
            left_out += [(written, "its layer is too large to be written anew, or cannot be") for written in renames]
        else:
            files[names[path]] = StageFile.holding(data)
    return FileTree(files, names[found.root], tuple(dict.fromkeys(left_out)))


def _names(found: Dependencies, shown: set[Path]) -> dict[Path, str]:
    """Give every file its path in the tree."""
    folders = _folders(found, shown)
    own = next(folder for folder in folders if found.root.is_relative_to(folder))
    others = sorted(folder for folder in folders if folder != own)
    mounts = {own: "root", **{folder: f"mount-{number}" for number, folder in enumerate(others, 1)}}
    return {
        path: str(PurePosixPath(mounts[folder], path.relative_to(folder)))
        for path in shown
        for folder in [next(folder for folder in folders if path.is_relative_to(folder))]
    }


def _folders(found: Dependencies, shown: Iterable[Path]) -> list[Path]:
    """Return the folders that hold all files, none within another: files that relative paths connect share one."""
    folder_of = {path: path.parent for path in shown}
    members: dict[Path, set[Path]] = {}
    for path, folder in folder_of.items():
        members.setdefault(folder, set()).add(path)
    for naming in found.namings:
        if naming.relative and naming.target in folder_of:
            _join(members, folder_of, folder_of[naming.by], folder_of[naming.target])
    folders: list[Path] = []
    for folder in sorted(members, key=lambda folder: len(folder.parts)):
        if not any(folder.is_relative_to(other) for other in folders):
            folders.append(folder)
    return folders


def _join(members: dict[Path, set[Path]], folder_of: dict[Path, Path], one: Path, other: Path) -> None:
    if one == other:
        return
    both = Path(os.path.commonpath([one, other]))
    moved = members.pop(one) | members.pop(other)
    members.setdefault(both, set()).update(moved)
    folder_of.update(dict.fromkeys(moved, both))


def _renamed(written: str, by: str, target: str) -> str:
    """Return a relative asset path from one file of the tree to another, in the spelling of the one that is written."""
    outer, bracket, inner = written.partition("[")  # a path inside of a package follows in brackets
    folder = posixpath.relpath(posixpath.dirname(target), posixpath.dirname(by))
    path = posixpath.join(folder, posixpath.basename(outer))
    return (path if path.startswith("..") else f"./{posixpath.normpath(path)}") + bracket + inner


def _rewritten(identifier: str, path: Path, renames: dict[str, str]) -> bytes | None:
    """Return a layer's file with other asset paths; None when it is too large, or cannot be had or written in its format."""
    layer = Sdf.Layer.Find(identifier)
    try:
        if layer is None or path.stat().st_size > _MAX_REWRITTEN_BYTES:
            return None
    except OSError:
        return None
    copy: Any = Sdf.Layer.CreateAnonymous(posixpath.basename(identifier))
    copy.TransferContent(layer)
    UsdUtils.ModifyAssetPaths(copy, lambda path: renames.get(path, path))
    with tempfile.TemporaryDirectory(prefix="twind-") as folder:
        file = Path(folder, f"layer{Path(identifier).suffix}")
        try:
            with collected_diagnostics():
                written = copy.Export(str(file))
        except StageError:
            return None
        return file.read_bytes() if written else None
