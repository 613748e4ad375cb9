"""How long it takes to open a stage of many robots and to discover its twin: the same asset referenced again and again.

The asset is a seven-axis arm in a payload, with a few meshes on each link, as converters write it; each reference has an id of
its own and hangs below two Xforms. Where `TWIND_DATA` names a folder with a panda, the same is done with that.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import machine
import table
from pxr import Gf, Sdf, Usd, UsdGeom

from twind.stage.discover import discover
from twind.stage.synthetic import serial_robots

if TYPE_CHECKING:
    from collections.abc import Callable

_ROBOTS, _JOINTS, _MESHES = 1000, 7, 3
_BAR_S = 10.0


def measure(*, quick: bool) -> table.Section:
    """Measure processor time, which the other processes of a busy machine disturb less than wall time."""
    count, rounds = (100, 2) if quick else (_ROBOTS, 3)
    rows = []
    with machine.on(machine.MEASURED), tempfile.TemporaryDirectory(prefix="twind-bench-") as folder:
        assets = {f"{_JOINTS}-axis arm": _arm(Path(folder))}
        panda = Path(os.environ.get("TWIND_DATA", "")) / "robots" / "panda" / "panda.usda"
        if panda.is_file():
            assets["panda"] = panda
        for name, asset in assets.items():
            root = _hall(Path(folder) / f"{name.split()[-1]}_hall.usda", asset, count)
            opened, discovered = [], []
            for _ in range(rounds):
                opened.append(_cpu_s(lambda root=root: Usd.Stage.Open(root, Usd.Stage.LoadAll)))
                discovered.append(_cpu_s(lambda root=root: discover(root)))
            rows.append(table.row(f"{name}: open the stage alone", "s", opened))
            rows.append(table.row(f"{name}: open and discover", "s", discovered, bar=None if quick else _BAR_S))
    return table.Section(f"Discovery of {count} robots (processor time)", tuple(rows))


def _arm(folder: Path) -> Path:
    """Write an arm whose contents are behind a payload."""
    stage = serial_robots(1, joints=_JOINTS)
    for prim in list(stage.Traverse()):
        if prim.GetAttribute("xformOp:orient"):
            for number in range(_MESHES):
                UsdGeom.Mesh.Define(stage, f"{prim.GetPath()}/mesh_{number}")
    stage.Export(str(folder / "contents.usda"))
    arm = folder / "arm.usda"
    asset = Usd.Stage.CreateNew(str(arm))
    UsdGeom.SetStageMetersPerUnit(asset, 1.0)
    prim = UsdGeom.Xform.Define(asset, "/arm").GetPrim()
    prim.GetPayloads().AddPayload("./contents.usda", "/World/robot_0")
    asset.SetDefaultPrim(prim)
    asset.GetRootLayer().Save()
    return arm


def _hall(path: Path, asset: Path, count: int) -> str:
    stage = Usd.Stage.CreateNew(str(path))
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    for number in range(count):
        cell = UsdGeom.Xform.Define(stage, f"/World/hall_{number // 100}/cell_{number}")
        cell.AddTranslateOp().Set(Gf.Vec3d(number % 40, number // 40, 0))
        robot = UsdGeom.Xform.Define(stage, f"{cell.GetPath()}/robot").GetPrim()
        robot.GetReferences().AddReference(str(asset))
        robot.CreateAttribute("twind:id", Sdf.ValueTypeNames.String).Set(f"robot_{number}")
    stage.GetRootLayer().Save()
    return str(path)


def _cpu_s(what: Callable[[], object]) -> float:
    started = time.process_time()
    kept = what()
    spent = time.process_time() - started
    del kept
    return spent
