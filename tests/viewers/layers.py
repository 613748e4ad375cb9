"""Layers as plain data; and, as a program, a follower of frames on disk with whatever OpenUSD its interpreter has."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

EXTENSION = Path(__file__).parents[2] / "adapters" / "omni.twind.live"


def layer_as_data(layer: Any) -> dict[str, Any]:
    """Return everything that a layer says, without losing a bit."""
    found: dict[str, Any] = {"": {key: dict(value) for key, value in layer.customLayerData.items()}}

    def visit(path: Any) -> None:
        spec = layer.GetObjectAtPath(path)
        if path.IsPropertyPath():
            found[str(path)] = [str(spec.typeName), _plain(spec.default), spec.custom, str(spec.variability)]
        elif path.IsPrimPath():
            schemas = spec.GetInfo("apiSchemas") if spec.HasInfo("apiSchemas") else None
            found[str(path)] = [str(spec.specifier), [] if schemas is None else list(schemas.prependedItems)]

    layer.Traverse("/", visit)
    return found


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value.hex() if math.isfinite(value) else str(value)
    if hasattr(value, "GetRow"):
        return [_plain(value.GetRow(row)) for row in range(4)]
    if hasattr(value, "GetReal"):
        return [_plain(float(value.GetReal())), *map(_plain, map(float, value.GetImaginary()))]
    return [_plain(part) for part in value] if hasattr(value, "__iter__") else repr(value)


class Told:
    """What a viewer of a stage is told."""

    def __init__(self, stage: Any) -> None:
        from pxr import Tf, Usd

        self.notices = 0
        self.resynced: list[str] = []
        self._key = Tf.Notice.Register(Usd.Notice.ObjectsChanged, self._changed, stage)

    def _changed(self, notice: Any, _sender: Any) -> None:
        self.notices += 1
        self.resynced += map(str, notice.GetResyncedPaths())


def follow(folder: Path, root: str) -> list[dict[str, Any]]:
    """Apply `catalogue.json` and the frames beside it over a stage; return what the layer says after each, and the notices."""
    sys.path.insert(0, str(EXTENSION))
    from omni.twind.live.frames import read_catalogue, read_frame  # type: ignore[import-not-found]
    from omni.twind.live.usd_sink import UsdSink  # type: ignore[import-not-found]
    from pxr import Usd

    catalogue = read_catalogue(json.loads((folder / "catalogue.json").read_text(encoding="utf-8")))
    stage, sink = Usd.Stage.Open(root), UsdSink(catalogue)
    sink.attach(stage)
    told, shown = Told(stage), []
    for path in sorted(folder.glob("*.frame")):
        before = told.notices
        sink.apply([read_frame(path.read_bytes(), catalogue)])
        shown.append({"layer": layer_as_data(sink.layer), "notices": told.notices - before, "resynced": [*told.resynced]})
    sink.detach()
    assert not stage.GetSessionLayer().subLayerPaths
    return shown


if __name__ == "__main__":
    json.dump(follow(Path(sys.argv[1]), sys.argv[2]), sys.stdout)
