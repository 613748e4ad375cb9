"""The files that a stage is made of: layers, textures and other assets, and who names whom."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pxr import Ar, Tf, UsdUtils

from twind.stage.opening import collected_diagnostics

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Naming:
    """One asset path in one layer."""

    by: Path
    """The layer's file; a package, where the layer lies in one."""
    written: str
    """As it is written there; `<UDIM>` and the like stand for several files."""
    authored: str
    """The same for one file."""
    target: Path | None
    """The file that it stands for; None when there is none, or when it is behind a URL."""

    @property
    def relative(self) -> bool:
        """Whether the authored path leads to the target from wherever both may be moved together."""
        if self.target is None or Path(self.authored).is_absolute() or ":" in self.authored.partition("/")[0]:
            return False
        return Path(os.path.normpath(self.by.parent / self.authored)) == self.target


@dataclass(frozen=True, slots=True)
class Dependencies:
    """Everything that a root layer needs, of all variants and payloads."""

    root: Path
    layers: dict[Path, str]
    """Files that are layers (or packages of layers), the root's first, and the identifier under which USD knows each."""
    namings: tuple[Naming, ...]

    @property
    def files(self) -> list[Path]:
        """Return every file once: the layers, then the assets in the order in which they were met."""
        targets = [naming.target for naming in self.namings if naming.target is not None]
        return list(dict.fromkeys([*self.layers, *targets]))


def dependencies_of(stage: Any) -> Dependencies | None:
    """Find what the root layer of an open stage depends on; None when the root layer is not a file.

    Layers that cannot be read are left out, as they are from the stage: a variant that is not selected may name one.
    """
    root = stage.GetRootLayer()
    if root.anonymous or not root.realPath:
        return None
    namings: dict[tuple[Path, str], Naming] = {}
    layers = {_file(root.realPath): str(root.identifier)}

    def note(layer: Any, info: Any) -> Any:
        if layer.realPath:
            by = _file(layer.realPath)
            layers.setdefault(by, str(layer.identifier))
            # A path may stand for several files: tiles of a texture, clips.
            for authored in info.dependencies or [info.assetPath]:
                target = _target(layer, authored)
                if target != by or by.suffix.lower() != ".usdz":  # what is in a package comes with it
                    namings.setdefault((by, authored), Naming(by, str(info.assetPath), authored, target))
        return info

    # An error means that some layer is broken; what can be met has been noted all the same.
    with collected_diagnostics(), suppress(Tf.ErrorException):
        UsdUtils.ComputeAllDependencies(root.identifier, note)
    for layer in stage.GetUsedLayers(includeClipLayers=True):
        if not layer.anonymous and layer.realPath:
            layers.setdefault(_file(layer.realPath), str(layer.identifier))
    return Dependencies(_file(root.realPath), layers, tuple(namings.values()))


def settled_files(stage: Any) -> tuple[Path, ...] | None:
    """Return the files that an open stage is composed of; it stays as it is while they do.

    None where a file that appears elsewhere could take the place of one of them, for a layer was found on a search path, or
    where a layer is no file.
    """
    files: dict[Path, None] = {}
    for layer in stage.GetUsedLayers():
        if layer.anonymous:  # the session's
            continue
        if not layer.realPath:
            return None
        by = _file(layer.realPath)
        files[by] = None
        files |= dict.fromkeys(_file(path) for path in layer.GetExternalAssetDependencies() if path)
        for authored in layer.GetCompositionAssetDependencies():
            target = _target(layer, authored)  # None: of a variant that is not selected, or the stage would be incomplete
            naming = Naming(by, authored, authored, target)
            if target not in (None, by) and not naming.relative and str(target) != os.path.normpath(authored):
                return None
    return tuple(files) if all(path.is_file() for path in files) else None


def _target(layer: Any, authored: str) -> Path | None:
    resolved = str(Ar.GetResolver().Resolve(layer.ComputeAbsolutePath(authored)))
    target = _file(resolved) if resolved else None
    return target if target is not None and target.is_file() else None


def _file(path: str) -> Path:
    """Return the file on disk, which is the outermost package for a path inside of packages."""
    outer = next(_packages(path))
    return Path(os.path.abspath(outer))  # noqa: PTH100  (links stay as they are: USD joins paths as text)


def _packages(path: str) -> Iterator[str]:
    while Ar.IsPackageRelativePath(path):
        path = Ar.SplitPackageRelativePathOuter(path)[0]
    yield path
