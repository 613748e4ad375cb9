"""What another OpenUSD sees in a file: usd-core 25.11, the version inside today's Omniverse Kit, in a process of its own."""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LONG = 32
"""Elements from which on an array is compared by its digest."""


def dump(path: str, times: Sequence[float]) -> dict[str, Any]:
    """Return all that a stage composes to: metadata, prims, world transforms, every attribute's values."""
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.Open(path)
    codes = [Usd.TimeCode.Default(), *map(Usd.TimeCode, times)]
    prims: dict[str, Any] = {}
    for prim in stage.TraverseAll():
        attributes = {}
        for attribute in prim.GetAuthoredAttributes():  # built-in ones come and go with the version
            values = [_plain(attribute.Get(code)) for code in codes]
            attributes[attribute.GetName()] = [str(attribute.GetTypeName()), attribute.GetNumTimeSamples(), values]
        prims[str(prim.GetPath())] = {
            "type": str(prim.GetTypeName()),
            "schemas": sorted(map(str, prim.GetPrimTypeInfo().GetAppliedAPISchemas())),
            "attributes": attributes,
            "worlds": [
                _plain(UsdGeom.XformCache(code).GetLocalToWorldTransform(prim)) for code in codes if prim.IsA(UsdGeom.Xformable)
            ],
        }
    return {
        "errors": len(stage.GetCompositionErrors()),
        "upAxis": str(UsdGeom.GetStageUpAxis(stage)),
        "metersPerUnit": UsdGeom.GetStageMetersPerUnit(stage),
        "timeCodesPerSecond": stage.GetTimeCodesPerSecond(),
        "range": [stage.GetStartTimeCode(), stage.GetEndTimeCode()],
        "defaultPrim": str(stage.GetDefaultPrim().GetPath()) if stage.GetDefaultPrim() else "",
        "prims": prims,
    }


def _plain(value: Any) -> Any:
    """Turn a value into what JSON holds without losing a bit; of an asset only the file's name, as folders differ."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value.hex() if math.isfinite(value) else str(value)
    if hasattr(value, "resolvedPath"):
        return [value.path.rpartition("/")[2], bool(value.resolvedPath)]
    if hasattr(value, "__len__") and len(value) > _LONG:
        try:
            return [len(value), hashlib.sha256(memoryview(value)).hexdigest()]
        except TypeError:  # tokens and the like have no buffer
            pass
    if hasattr(value, "GetRow"):
        value = [value.GetRow(row) for row in range(value.dimension[0])]
    elif hasattr(value, "GetReal"):
        value = [float(value.GetReal()), *map(float, value.GetImaginary())]
    return [_plain(part) for part in value] if hasattr(value, "__iter__") else repr(value)


def seen_by(python: Path, path: Path | str, *, times: Sequence[float] = ()) -> dict[str, Any]:
    """Return what the OpenUSD of another interpreter composes a file to."""
    command = [python, __file__, str(path), json.dumps(list(times))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def seen_here(path: Path | str, *, times: Sequence[float] = ()) -> dict[str, Any]:
    """Return what our own OpenUSD composes it to, by the same reading."""
    found: dict[str, Any] = json.loads(json.dumps(dump(str(path), times)))
    return found


if __name__ == "__main__":
    from pxr import Usd

    assert Usd.GetVersion() == (0, 25, 11), Usd.GetVersion()
    json.dump(dump(sys.argv[1], json.loads(sys.argv[2])), sys.stdout)
