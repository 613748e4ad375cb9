"""Robots inside instances: the live layer and the binding layer open them, and others of their kind stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics

from tests.usd_2511 import seen_by, seen_here
from twind.stage.binding.layer import BindingLayer
from twind.stage.binding.wishes import Wishes
from twind.stage.discover import discover
from twind.stage.identity import NAME
from twind.stage.live import LiveStage
from twind.stage.snapshot import Snapshot
from twind.stage.structure import LiveOptions
from twind.stage.synthetic import serial_robots

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COLOR = "primvars:displayColor"


@pytest.fixture
def hall(tmp_path: Path) -> Path:
    """Two instances of an arm, one of them inside an instance itself, with a bolt on a link that is an instance once more."""
    arm = serial_robots(1, joints=2)
    UsdGeom.Sphere.Define(arm, "/Bolt/head").CreateDisplayColorAttr([Gf.Vec3f(0, 1, 0)])
    bolt = arm.DefinePrim("/World/robot_0/base/link_1/bolt", "Xform")
    bolt.GetReferences().AddInternalReference("/Bolt")
    bolt.SetInstanceable(True)
    UsdGeom.Cube.Define(arm, "/World/robot_0/base/link_1/shape")
    arm.Export(str(tmp_path / "arm.usda"))
    stage = Usd.Stage.CreateNew(str(tmp_path / "hall.usda"))
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    for number, path in enumerate(("/World/left", "/Cell/right", "/World/spare/robot")):
        prim = UsdGeom.Xform.Define(stage, path).GetPrim()
        prim.GetReferences().AddReference("./arm.usda", "/World/robot_0")
        prim.SetInstanceable(True)
        prim.CreateAttribute("twind:id", Sdf.ValueTypeNames.String).Set(f"arm-{number}")
        prim.GetAttribute("xformOp:translate").Set(Gf.Vec3d(number, 0, 0))
    stage.GetPrimAtPath("/World/spare/robot").CreateAttribute("twind:enabled", Sdf.ValueTypeNames.Bool).Set(value=False)
    stage.GetPrimAtPath("/Cell").SetSpecifier(Sdf.SpecifierClass)
    cell = UsdGeom.Xform.Define(stage, "/World/cell").GetPrim()
    cell.GetReferences().AddInternalReference("/Cell")
    cell.SetInstanceable(True)
    stage.GetRootLayer().Save()
    return tmp_path / "hall.usda"


def shown(stage: Any, prim: str) -> Any:
    return np.array(UsdGeom.XformCache().GetLocalToWorldTransform(stage.GetPrimAtPath(prim)))


def test_links_inside_instances_stand_where_the_twin_has_them(
    hall: Path, update_at: Callable[..., Any], forward: Callable[..., Any]
) -> None:
    live = LiveStage.open(str(hall), instance="t")
    assert [robot.prim for robot in live.topology.robots] == ["/World/left", "/World/cell/right"]
    joints = [f"{robot.id}/{joint.name}" for robot in live.topology.robots for joint in robot.joints if joint.movable]
    positions = {joint: 0.3 + 0.2 * number for number, joint in enumerate(joints)}
    live.write(update_at(live.topology, positions))
    worlds = iter(forward(live.topology, positions))
    for link in [link for robot in live.topology.robots for link in robot.links]:
        np.testing.assert_allclose(shown(live.stage, link.prim).T, next(worlds), atol=1e-6)
    live.close()


def test_openusd_25_11_opens_the_same_instances_in_a_snapshot(hall: Path, usd_2511: Path) -> None:
    live = LiveStage.open(str(hall), instance="t")
    Snapshot(live, hall.parent / "live")
    joint = next(one.prim for one in live.topology.robots[1].joints if one.movable)
    live.close()
    seen = seen_by(usd_2511, hall.parent / "live" / "twin.usda")
    assert seen == seen_here(hall.parent / "live" / "twin.usda")
    assert "state:angular:physics:position" in seen["prims"][joint]["attributes"]


def test_only_the_instances_that_hold_a_followed_robot_are_opened(hall: Path) -> None:
    live = LiveStage.open(str(hall), instance="t")
    instances = {str(prim.GetPath()) for prim in live.stage.Traverse(Usd.TraverseInstanceProxies()) if prim.IsInstance()}
    bolts = {f"{arm}/base/link_1/bolt" for arm in ("/World/left", "/World/cell/right", "/World/spare/robot")}
    assert instances == bolts | {"/World/spare/robot"}
    live.close()


def test_a_shard_opens_none_of_the_others(hall: Path) -> None:
    live = LiveStage.open(str(hall), instance="t", owns=lambda name: name == "arm-0")
    assert not live.stage.GetPrimAtPath("/World/left").IsInstance()
    assert live.stage.GetPrimAtPath("/World/cell").IsInstance()
    assert live.layer.GetPrimAtPath("/World/cell") is None
    live.close()


def test_overlays_reach_what_is_inside(hall: Path) -> None:
    options = LiveOptions(stale_color=(1.0, 0.0, 0.0), physics_off=True)
    live = LiveStage.open(str(hall), instance="t", options=options)
    arm = "/World/cell/right/base"
    assert live.layer.GetAttributeAtPath(f"{arm}/link_1/shape.{COLOR}") is not None
    assert live.layer.GetAttributeAtPath(f"{arm}/link_1/bolt.{COLOR}") is not None
    assert live.layer.GetPrimAtPath(f"{arm}/link_1/bolt/head") is None
    for link in live.topology.robots[1].links:
        assert UsdPhysics.RigidBodyAPI(live.stage.GetPrimAtPath(link.prim)).GetRigidBodyEnabledAttr().Get() is False
    live.close()


def test_joints_inside_an_instance_can_be_bound(hall: Path) -> None:
    robot = discover(str(hall)).robots[0]
    joint = next(one for one in robot.joints if one.movable)
    layer = BindingLayer.open(str(hall), hall.parent / "bound.usda")
    topology = layer.bind(Wishes(joints={joint.prim: {NAME: "shoulder"}}))
    assert "shoulder" in [one.name for one in topology.robots[0].joints]
    assert "shoulder" not in [one.name for one in topology.robots[1].joints]
