"""A stage, or what it shows live, as one file for tools and people that get nothing else."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pxr import Sdf, Usd, UsdUtils

from twind.model.errors import StageError
from twind.model.stage_file import StageFile
from twind.stage.bootstrap import file_tree
from twind.stage.composed import composed_root, path_to
from twind.stage.live import SCHEMA_VERSION
from twind.stage.opening import collected_diagnostics, open_stage
from twind.stage.output import refuse_input, written
from twind.stage.snapshot import TWIN

if TYPE_CHECKING:
    from collections.abc import Sequence

FLAT_TYPES = (".usda", ".usdc", ".usd")
"""What a flat layer can be written as."""


class Export:
    """A stage that is opened to be written elsewhere, with live layers over it."""

    def __init__(self, root: str, live: Sequence[bytes] = ()) -> None:
        """Open it.

        Args:
            root: Path or URL of the user's root layer.
            live: Live layers as `.usda`, the strongest first.

        Raises:
            StageError: The stage cannot be opened completely, or a live layer is none of this stage.
        """
        self._stage, _ = open_stage(root)
        self._root = self._stage.GetRootLayer()
        self._live = [_live_layer(data, self._stage) for data in live]

    def flatten(self, out: Path) -> None:
        """Write everything that the stage composes to as one layer, by atomic rename; textures stay where they are.

        Raises:
            StageError: The file is a part of the stage, or cannot be written.
        """
        if out.suffix.lower() not in FLAT_TYPES:
            raise StageError(f"a flat layer is a {', '.join(FLAT_TYPES)} file, not {out.name!r}")
        refuse_input(out, self._stage)
        with written(out) as temporary, collected_diagnostics():
            if self._live:
                paths = [layer.identifier for layer in self._live] + [self._root.identifier]
                stage = Usd.Stage.Open(composed_root(self._root, paths), Usd.Stage.LoadAll)
            else:
                stage = self._stage
            flat = stage.Flatten(addSourceFileComment=False)
            UsdUtils.ModifyAssetPaths(flat, lambda path: _from_folder(out.parent, path))
            if not flat.Export(str(temporary)):
                raise StageError(f"cannot write {out}")

    def package(self, out: Path) -> tuple[tuple[str, str], ...]:
        """Write the stage with all its layers, textures and other assets as one `.usdz`, by atomic rename.

        Not by `UsdUtils.CreateNewUsdzPackage`: that fails where one asset path leads nowhere, as those to Omniverse's own
        materials do outside of Kit.

        Returns:
            Asset paths that lead to nothing in the package, and why.

        Raises:
            StageError: The file is a part of the stage, or cannot be written, or the root layer is not a file.
        """
        if out.suffix.lower() != ".usdz":
            raise StageError(f"a package is a .usdz file, not {out.name!r}")
        tree = file_tree(self._stage)
        if tree.root is None:
            raise StageError(f"{self._root.identifier} is not a file, so it cannot be packaged; flatten it instead")
        files = dict(tree.files)
        first = tree.root  # the first file of a package is what is opened, and must be a layer
        if self._live or tree.root.endswith(".usdz"):
            first = TWIN
            names = [f"live{number or ''}.usda" for number in range(len(self._live))]
            layers = dict(zip(names, self._live, strict=True))
            paths = [f"./{name}" for name in (*names, tree.root)]
            layers[TWIN] = composed_root(self._root, paths)
            files |= {name: StageFile(None, layer.ExportToString().encode()) for name, layer in layers.items()}
        refuse_input(out, self._stage)
        with (
            written(out) as temporary,
            tempfile.TemporaryDirectory(prefix="twind-") as folder,
            collected_diagnostics(),
            Sdf.ZipFileWriter.CreateNew(str(temporary)) as archive,  # saves at the end, unless something is raised
        ):
            for number, path in enumerate([first, *sorted(files.keys() - {first})]):
                file, source = files[path], files[path].path
                if source is None:
                    source = Path(folder, str(number))
                    source.write_bytes(file.data)
                if not archive.AddFile(str(source), path):
                    raise StageError(f"cannot put {source} into {out}")
        return tree.left_out


def _live_layer(data: bytes, stage: Any) -> Any:
    """Read a live layer.

    Raises:
        StageError: It is no layer, is of a later version, or speaks of prims that the stage does not have.
    """
    layer = Sdf.Layer.CreateAnonymous("live.usda")
    try:
        with collected_diagnostics():
            layer.ImportFromString(data.decode())
    except (StageError, UnicodeDecodeError) as error:
        raise StageError(f"the live layer cannot be read: {error}") from error
    about = layer.customLayerData.get("twind")
    if about is None:
        raise StageError(f"this is no live layer: nothing in it says that twind wrote it ({len(data)} bytes)")
    if int(about.get("schemaVersion", 0)) > SCHEMA_VERSION:
        raise StageError(f"the live layer is of version {about['schemaVersion']}; this twind knows {SCHEMA_VERSION}")
    foreign: list[str] = []

    def check(path: Any) -> None:
        if path.IsPrimPath() and layer.GetPrimAtPath(path).specifier == Sdf.SpecifierOver and not stage.GetPrimAtPath(path):
            foreign.append(str(path))

    layer.Traverse(Sdf.Path.absoluteRootPath, check)
    if foreign:
        raise StageError(f"the live layer is of another stage: there is no {foreign[0]} in {stage.GetRootLayer().identifier}")
    return layer


def _from_folder(folder: Path, path: str) -> str:
    """Return an asset path as a layer in a folder should name it; flattening made it absolute."""
    outer, bracket, inner = path.partition("[")  # what is inside of a package follows in brackets
    return path_to(folder, outer) + bracket + inner if Path(outer).is_absolute() else path
