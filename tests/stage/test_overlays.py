"""What a live layer says besides the state: stale colours, physics switched off, who wrote it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pxr import Gf, Sdf, Tf, Usd, UsdGeom, UsdPhysics, Vt

from twind.model.estimates import Status
from twind.stage.live import LiveStage
from twind.stage.structure import LiveOptions
from twind.stage.synthetic import serial_robots

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind.model.state import Update

RED = (1.0, 0.0, 0.0)
COLOR = "primvars:displayColor"
GREEN, BLUE = Gf.Vec3f(0, 1, 0), Gf.Vec3f(0, 0, 1)


def painted() -> Any:
    """Return a robot and two objects, with shapes of all kinds of colours."""
    stage = serial_robots(1, joints=2, objects=2)
    link = "/World/robot_0/base/link_1"
    UsdGeom.Cube.Define(stage, f"{link}/own").CreateDisplayColorAttr([GREEN])
    mesh = UsdGeom.Mesh.Define(stage, f"{link}/link_2/per_point")
    mesh.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex).Set(Vt.Vec3fArray([GREEN, BLUE, GREEN]))
    indexed = UsdGeom.Mesh.Define(stage, f"{link}/link_2/indexed").CreateDisplayColorPrimvar(UsdGeom.Tokens.uniform)
    indexed.Set(Vt.Vec3fArray([GREEN, BLUE]))
    indexed.SetIndices(Vt.IntArray([0, 1, 1, 0]))
    parent = UsdGeom.Xform.Define(stage, "/World/part_0/group")
    UsdGeom.PrimvarsAPI(parent).CreatePrimvar(COLOR, Sdf.ValueTypeNames.Color3fArray).Set([BLUE])
    UsdGeom.Sphere.Define(stage, "/World/part_0/group/inherits")
    UsdGeom.Sphere.Define(stage, "/World/part_1/none")
    UsdGeom.Sphere.Define(stage, "/Prototype/shape")
    instance = stage.DefinePrim(f"{link}/instance", "Xform")
    instance.GetReferences().AddInternalReference("/Prototype")
    instance.SetInstanceable(True)
    UsdGeom.Cube.Define(stage, "/World/fence").CreateDisplayColorAttr([GREEN])
    return stage


def colors(stage: Any) -> dict[str, Any]:
    """Return what every shape shows, instances included."""
    found = {}
    for prim in Usd.PrimRange(stage.GetPseudoRoot(), Usd.TraverseInstanceProxies()):
        if prim.IsA(UsdGeom.Gprim):
            primvar = UsdGeom.PrimvarsAPI(prim).FindPrimvarWithInheritance(COLOR)
            value = primvar.ComputeFlattened() if primvar and primvar.HasValue() else None
            found[str(prim.GetPath())] = None if value is None else [tuple(color) for color in value]
    return found


def at_status(update: Update, *statuses: Status) -> Update:
    return replace(update, seq=update.seq + 1, status=np.array(statuses, np.uint8))


def test_what_is_stale_takes_on_the_colour_and_loses_it_exactly_when_it_comes_back(update_at: Callable[..., Update]) -> None:
    stage = painted()
    before = colors(stage)
    live = LiveStage.over(stage, instance="t", options=LiveOptions(stale_color=RED))
    ok, stale, lost, coasting = Status.OK, Status.STALE, Status.LOST, Status.COASTING
    update = update_at(live.topology)
    live.write(update)
    specs = live.layer_text().count(" = ")
    resynced: list[Any] = []
    key = Tf.Notice.Register(Usd.Notice.ObjectsChanged, lambda notice, _: resynced.extend(notice.GetResyncedPaths()), stage)
    assert colors(stage) == before

    live.write(at_status(update, stale, ok, lost))
    shown = colors(stage)
    for path, color in shown.items():
        mine = path.startswith(("/World/robot_0", "/World/part_1"))
        assert color == ([RED] * len(before[path] or [None]) if mine else before[path]), path
    assert shown["/World/robot_0/base/link_1/instance/shape"] == [RED]

    live.write(at_status(update, coasting, ok, ok))
    assert colors(stage) == before
    assert resynced == []
    assert live.layer_text().count(" = ") == specs
    assert _parsed(live.layer_text()) == live.layer.ExportToString()
    del key
    live.close()
    assert colors(stage) == before


def _parsed(text: str) -> str:
    """Return what USD makes of a layer's text."""
    layer = Sdf.Layer.CreateAnonymous("again.usda")
    assert layer.ImportFromString(text)
    again: str = layer.ExportToString()
    return again


def test_colours_are_left_alone_unless_one_is_asked_for(update_at: Callable[..., Update]) -> None:
    live = LiveStage.over(painted(), instance="t")
    live.write(at_status(update_at(live.topology), Status.LOST, Status.LOST, Status.LOST))
    assert COLOR not in live.layer_text()
    live.close()


def switched_off(stage: Any) -> set[str]:
    found = set()
    for prim in stage.Traverse():
        for name in ("physics:rigidBodyEnabled", "physics:jointEnabled", "physxArticulation:articulationEnabled"):
            attribute = prim.GetAttribute(name)
            if attribute and attribute.Get() is False:
                found.add(f"{prim.GetPath()}.{name}")
    return found


def test_physics_of_the_twin_is_switched_off_and_that_of_others_is_not() -> None:
    stage = serial_robots(1, joints=2, objects=1)
    link = "/World/robot_0/base/link_1"
    loop = UsdPhysics.FixedJoint.Define(stage, "/World/robot_0/loop")
    loop.CreateBody0Rel().SetTargets(["/World/robot_0/base"])
    loop.CreateBody1Rel().SetTargets([f"{link}/link_2"])
    loop.CreateExcludeFromArticulationAttr(True)
    live = LiveStage.over(stage, instance="t", options=LiveOptions(physics_off=True))
    assert switched_off(stage) == {
        "/World/robot_0/base.physxArticulation:articulationEnabled",
        *(f"{body}.physics:rigidBodyEnabled" for body in ("/World/robot_0/base", link, f"{link}/link_2", "/World/part_0")),
        *(f"/World/robot_0/{joint}.physics:jointEnabled" for joint in ("root_joint", "joint_1", "joint_2", "loop")),
    }
    assert _parsed(live.layer_text()) == live.layer.ExportToString()
    live.close()
    assert switched_off(stage) == set()


def test_physics_is_kept_by_default() -> None:
    live = LiveStage.over(serial_robots(1), instance="t")
    assert switched_off(live.stage) == set()
    live.close()


def test_every_entity_says_which_daemon_wrote_it_in_which_generation() -> None:
    live = LiveStage.over(serial_robots(1, objects=1), instance="cell-7", options=LiveOptions(generation=12))
    for one in live.topology.entities:
        assert live.stage.GetAttributeAtPath(f"{one.prim}.twind:instance").Get() == "cell-7"
        assert live.stage.GetAttributeAtPath(f"{one.prim}.twind:generation").Get() == 12
    assert live.layer.customLayerData["twind"]["generation"] == 12
    live.close()


@pytest.mark.parametrize("meters_per_unit", [1.0, 0.01])
def test_the_text_of_the_layer_means_what_usds_own_would(update_at: Callable[..., Update], meters_per_unit: float) -> None:
    stage = serial_robots(2, joints=3, objects=2, meters_per_unit=meters_per_unit)
    for number, define in enumerate((UsdGeom.Xformable.AddTransformOp, UsdGeom.Xformable.AddRotateZYXOp)):
        part = UsdGeom.Xformable(stage.GetPrimAtPath(f"/World/part_{number}"))
        part.ClearXformOpOrder()
        ops = [] if number == 0 else [UsdGeom.XformOp(part.GetPrim().GetAttribute("xformOp:translate"))]
        part.SetXformOpOrder([*ops, define(part)])
    live = LiveStage.over(stage, instance="t", options=LiveOptions(stale_color=RED, physics_off=True))
    for seq in range(3):
        live.write(update_at(live.topology, {"robot_1/joint_2": seq / 3}, seq=seq + 1))
        assert _parsed(live.layer_text()) == live.layer.ExportToString()
    live.close()
