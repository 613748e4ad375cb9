"""The demo cell is a valid, self-consistent USD asset: what the demo, the docs and the viewers rely on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics, UsdShade, UsdUtils, UsdValidation

from twind.model.topology import JointKind
from twind.stage.discover import discover

CELL = Path(__file__).parents[2] / "stages" / "demo_cell" / "cell.usda"
LAYERS = sorted(CELL.parent.rglob("*.usda"))
ROBOTS = ("arm_a", "arm_b", "agv")
PARTS = tuple(f"part_{number}" for number in range(1, 7))
JOINTS = {
    "arm_a": ("root_joint", *(f"joint_{number}" for number in range(1, 7))),
    "arm_b": (
        "root_joint",
        *(f"joint_{number}" for number in range(1, 7)),
        "gripper_mount",
        "finger_joint",
        "finger_joint_mimic",
    ),
    "agv": ("wheel_left", "wheel_right"),
}
AXES = {"X": Gf.Vec3d(1, 0, 0), "Y": Gf.Vec3d(0, 1, 0), "Z": Gf.Vec3d(0, 0, 1)}


@pytest.fixture(scope="module")
def stage() -> Any:
    return Usd.Stage.Open(str(CELL))


def robot(stage: Any, name: str) -> Any:
    return stage.GetPrimAtPath(f"/World/Robots/{name}")


def joints(stage: Any, name: str) -> list[Any]:
    return [prim for prim in Usd.PrimRange(robot(stage, name)) if prim.IsA(UsdPhysics.Joint)]


def all_joints(stage: Any) -> list[Any]:
    return [joint for name in ROBOTS for joint in joints(stage, name)]


def moving(stage: Any) -> list[Any]:
    return [prim for prim in stage.Traverse() if prim.HasAPI(UsdPhysics.RigidBodyAPI)]


def world(prim: Any) -> Any:
    return UsdGeom.XformCache().GetLocalToWorldTransform(prim)


def state_instance(joint: Any) -> str:
    return "linear" if joint.IsA(UsdPhysics.PrismaticJoint) else "angular"


def rest(joint: Any) -> float:
    return float(joint.GetAttribute(f"state:{state_instance(joint)}:physics:position").Get())


def frame(position: Any, rotation: Any) -> Any:
    return Gf.Matrix4d().SetTransform(Gf.Rotation(Gf.Quatd(rotation).GetNormalized()), Gf.Vec3d(position))


def motion(joint: Any, q: float) -> Any:
    if joint.IsA(UsdPhysics.FixedJoint):
        return Gf.Matrix4d(1)
    axis = AXES[joint.GetAttribute("physics:axis").Get()]
    if joint.IsA(UsdPhysics.PrismaticJoint):
        return Gf.Matrix4d().SetTranslate(axis * q)
    return Gf.Matrix4d().SetRotate(Gf.Rotation(axis, q))


# --- the files -----------------------------------------------------------------------------------------------------------


def test_it_opens_and_composes_without_errors_or_warnings(capfd: pytest.CaptureFixture[str]) -> None:
    delegate = UsdUtils.CoalescingDiagnosticDelegate()
    stage = Usd.Stage.Open(str(CELL))
    stage.Flatten()
    assert stage.GetCompositionErrors() == []
    assert delegate.TakeUncoalescedDiagnostics() == []
    assert "Warning" not in capfd.readouterr().err


@pytest.mark.parametrize("path", LAYERS, ids=lambda path: path.name)
def test_every_layer_states_its_units_and_a_default_prim(path: Path) -> None:
    stage = Usd.Stage.Open(str(path))
    assert stage.GetDefaultPrim()
    assert UsdGeom.GetStageUpAxis(stage) == "Z"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1
    assert UsdPhysics.GetStageKilogramsPerUnit(stage) == 1
    assert stage.GetTimeCodesPerSecond() == 1
    assert stage.GetRootLayer().documentation


@pytest.mark.parametrize("path", LAYERS, ids=lambda path: path.name)
def test_assets_are_referenced_by_relative_paths_that_exist(path: Path) -> None:
    layer = Sdf.Layer.FindOrOpen(str(path))
    for asset in layer.GetCompositionAssetDependencies():
        assert asset.startswith((".", ".."))
        assert (path.parent / asset).is_file()


def test_robots_and_props_name_and_version_themselves(stage: Any) -> None:
    components = [prim for prim in stage.Traverse() if prim.GetMetadata("kind") == "component"]
    assert {prim.GetName() for prim in components} >= {*ROBOTS, *PARTS, "conveyor", "floor", "pedestal"}
    for prim in [stage.GetDefaultPrim(), *components]:
        info = prim.GetAssetInfo()
        assert info["name"]
        assert info["version"]
        assert Path(info["identifier"].resolvedPath).is_file()
    assert stage.GetDefaultPrim().GetMetadata("kind") == "assembly"
    assert all(prim.IsModel() for prim in components)


def test_it_holds_no_time_samples(stage: Any) -> None:
    assert all(layer.ListAllTimeSamples() == [] for layer in stage.GetUsedLayers())


def test_the_validators_of_openusd_report_nothing(stage: Any) -> None:
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    found = UsdValidation.ValidationContext(validators).Validate(stage)
    assert [(error.GetName(), error.GetMessage()) for error in found] == []


# --- what the demo finds -------------------------------------------------------------------------------------------------


def test_the_articulations_are_the_three_robots(stage: Any) -> None:
    roots = [prim for prim in stage.Traverse() if prim.HasAPI(UsdPhysics.ArticulationRootAPI)]
    assert tuple(prim.GetName() for prim in roots) == ROBOTS


def test_the_rigid_bodies_outside_the_robots_are_the_six_parts(stage: Any) -> None:
    outside = [prim.GetName() for prim in moving(stage) if not str(prim.GetPath()).startswith("/World/Robots/")]
    assert tuple(outside) == PARTS


@pytest.mark.parametrize("name", ROBOTS)
def test_joints_stand_in_kinematic_order(stage: Any, name: str) -> None:
    assert tuple(joint.GetName() for joint in joints(stage, name)) == JOINTS[name]
    reached = {robot(stage, name).GetPath(), robot(stage, name).GetPath().AppendChild("base_link")}
    for joint in joints(stage, name):
        api = UsdPhysics.Joint(joint)
        (parent,), (child,) = api.GetBody0Rel().GetTargets(), api.GetBody1Rel().GetTargets()
        assert parent in reached
        reached.add(child)
    bodies = {prim.GetPath() for prim in moving(stage) if prim.GetPath().HasPrefix(robot(stage, name).GetPath())}
    assert bodies == reached - {robot(stage, name).GetPath()}


def test_the_cell_shows_nested_links_flat_links_and_a_floating_base(stage: Any) -> None:
    assert stage.GetPrimAtPath("/World/Robots/arm_a/base_link/link_1/link_2/link_3/link_4/link_5/link_6")
    flat = [prim for prim in moving(stage) if prim.GetPath().HasPrefix("/World/Robots/arm_b")]
    assert {prim.GetParent().GetName() for prim in flat} == {"arm_b"}
    assert not any(joint.IsA(UsdPhysics.FixedJoint) for joint in joints(stage, "agv"))


def test_wheels_have_no_limits_and_every_other_moving_joint_has(stage: Any) -> None:
    for joint in all_joints(stage):
        limits = [joint.GetAttribute(f"physics:{side}Limit") for side in ("lower", "upper")]
        if joint.GetName().startswith("wheel"):
            assert [limit.Get() for limit in limits] == [-math.inf, math.inf]
        elif not joint.IsA(UsdPhysics.FixedJoint):
            assert limits[0].Get() <= rest(joint) <= limits[1].Get()
            assert limits[0].Get() < limits[1].Get()


def test_every_moving_joint_declares_its_state_and_its_velocity_limit(stage: Any) -> None:
    for joint in all_joints(stage):
        if joint.IsA(UsdPhysics.FixedJoint):
            continue
        applied = joint.GetPrimTypeInfo().GetAppliedAPISchemas()
        instance = state_instance(joint)
        assert f"PhysicsJointStateAPI:{instance}" in applied
        assert "NewtonJointAPI" in applied
        assert joint.GetAttribute(f"state:{instance}:physics:velocity").Get() == 0
        assert joint.GetAttribute("newton:velocityLimit").Get() > 0


def test_the_second_finger_mimics_the_first(stage: Any) -> None:
    leader, follower = joints(stage, "arm_b")[-2:]
    assert "NewtonMimicAPI" in follower.GetPrimTypeInfo().GetAppliedAPISchemas()
    assert follower.GetRelationship("newton:mimicJoint").GetTargets() == [leader.GetPath()]
    offset, factor = (follower.GetAttribute(f"newton:mimicCoef{index}").Get() for index in (0, 1))
    assert rest(follower) == offset + factor * rest(leader)


def test_discovery_finds_three_robots_and_six_parts_and_passes_over_nothing() -> None:
    topology = discover(str(CELL))
    assert topology.ignored == ()
    assert {robot.id: tuple(joint.name for joint in robot.joints) for robot in topology.robots} == JOINTS
    assert tuple(found.id for found in topology.objects) == PARTS
    assert [robot.floating for robot in topology.robots] == [False, False, True]
    assert {robot.links[robot.base].name for robot in topology.robots} == {"base_link"}


def test_discovery_reads_kinds_rest_and_coupling_as_authored() -> None:
    arm_a, arm_b, agv = discover(str(CELL)).robots
    assert [joint.kind for joint in arm_a.joints] == [JointKind.FIXED, *[JointKind.REVOLUTE] * 6]
    assert [joint.kind for joint in agv.joints] == [JointKind.CONTINUOUS] * 2
    assert [joint.rest for joint in arm_a.joints] == [0] * 7
    degrees = [20, -10, 12, -2, 0, -20]
    assert [math.degrees(joint.rest) for joint in arm_b.joints[1:7]] == pytest.approx(degrees, abs=1e-4)
    *_, finger, follower = arm_b.joints
    assert (finger.kind, finger.lower, finger.upper) == (JointKind.PRISMATIC, 0, pytest.approx(0.04))
    assert follower.mimic is not None
    assert arm_b.joints[follower.mimic.joint] is finger
    assert (follower.mimic.multiplier, follower.mimic.offset) == (1, 0)


# --- where everything is ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ROBOTS)
def test_link_transforms_joint_frames_and_joint_states_agree_at_rest(stage: Any, name: str) -> None:
    for joint in joints(stage, name):
        api = UsdPhysics.Joint(joint)
        parent, child = (stage.GetPrimAtPath(rel.GetTargets()[0]) for rel in (api.GetBody0Rel(), api.GetBody1Rel()))
        frame0 = frame(api.GetLocalPos0Attr().Get(), api.GetLocalRot0Attr().Get())
        frame1 = frame(api.GetLocalPos1Attr().Get(), api.GetLocalRot1Attr().Get())
        q = 0.0 if joint.IsA(UsdPhysics.FixedJoint) else rest(joint)
        expected = frame1.GetInverse() * motion(joint, q) * frame0 * world(parent)
        assert Gf.IsClose(world(child), expected, 1e-6), joint.GetPath()


def test_moving_prims_have_translate_and_orient_and_nothing_else(stage: Any) -> None:
    for prim in moving(stage):
        operations = UsdGeom.Xformable(prim).GetOrderedXformOps()
        assert [op.GetOpName() for op in operations] == ["xformOp:translate", "xformOp:orient"], prim.GetPath()
        assert operations[0].GetPrecision() == UsdGeom.XformOp.PrecisionDouble
        assert operations[1].Get().GetLength() == pytest.approx(1, abs=1e-6)
        assert Gf.IsClose(world(prim).RemoveScaleShear(), world(prim), 1e-6)


def test_robots_and_parts_stand_where_the_demo_expects_them(stage: Any) -> None:
    def place(path: str) -> Any:
        return world(stage.GetPrimAtPath(path)).ExtractTranslation()

    assert place("/World/Robots/arm_a/base_link") == Gf.Vec3d(-0.9, 1.1, 0)
    assert place("/World/Robots/arm_b/base_link") == Gf.Vec3d(0.9, -1.1, 0.6)
    assert place("/World/Robots/agv/base_link") == Gf.Vec3d(2.6, 0, 0)
    for name in PARTS:
        x, y, z = place(f"/World/Parts/{name}")
        assert abs(x) < 1.6
        assert abs(y) < 0.25
        assert z == pytest.approx(0.86)


def test_parts_rest_on_the_belt(stage: Any) -> None:
    boxes = UsdGeom.BBoxCache(Usd.TimeCode.Default(), [UsdGeom.Tokens.guide])
    belt = boxes.ComputeWorldBound(stage.GetPrimAtPath("/World/Surroundings/conveyor/collision/top")).ComputeAlignedRange()
    assert belt.GetMax()[2] == pytest.approx(0.80)
    assert (belt.GetMin()[0], belt.GetMax()[0]) == pytest.approx((-1.6, 1.6))
    for name in PARTS:
        part = boxes.ComputeWorldBound(stage.GetPrimAtPath(f"/World/Parts/{name}/collision")).ComputeAlignedRange()
        assert part.GetMin()[2] == pytest.approx(belt.GetMax()[2], abs=1e-6)


# --- physics and looks -----------------------------------------------------------------------------------------------------


def test_every_rigid_body_has_a_mass_and_a_collision_primitive_of_its_own(stage: Any) -> None:
    for prim in moving(stage):
        assert prim.HasAPI(UsdPhysics.MassAPI)
        assert 0 < UsdPhysics.MassAPI(prim).GetMassAttr().Get() < 150
        shapes = prim.GetChild("collision").GetChildren()
        assert shapes
        assert all(shape.HasAPI(UsdPhysics.CollisionAPI) for shape in shapes)
        assert all(shape.GetTypeName() in {"Cube", "Cylinder", "Capsule", "Sphere"} for shape in shapes)


def test_surroundings_collide_but_never_move(stage: Any) -> None:
    surroundings = stage.GetPrimAtPath("/World/Surroundings")
    prims = list(Usd.PrimRange(surroundings, Usd.TraverseInstanceProxies()))
    assert not any(prim.HasAPI(UsdPhysics.RigidBodyAPI) for prim in prims)
    assert any(prim.HasAPI(UsdPhysics.CollisionAPI) for prim in prims)


def test_everything_visible_has_a_material_and_a_display_colour_that_agree(stage: Any) -> None:
    shapes = [
        prim
        for prim in Usd.PrimRange(stage.GetPseudoRoot(), Usd.TraverseInstanceProxies())
        if prim.IsA(UsdGeom.Gprim) and UsdGeom.Imageable(prim).ComputePurpose() == UsdGeom.Tokens.default_
    ]
    assert len(shapes) > 300
    for prim in shapes:
        material, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial()
        assert material, prim.GetPath()
        surface, _, _ = material.ComputeSurfaceSource()
        assert surface.GetIdAttr().Get() == "UsdPreviewSurface"
        assert list(UsdGeom.Gprim(prim).GetDisplayColorAttr().Get()) == [surface.GetInput("diffuseColor").Get()]


def test_there_are_lights_and_two_cameras(stage: Any) -> None:
    assert [prim.GetTypeName() for prim in stage.GetPrimAtPath("/World/Lights").GetChildren()] == [
        "DomeLight",
        "RectLight",
        "RectLight",
    ]
    for name in ("Overview", "Close"):
        assert stage.GetPrimAtPath(f"/World/Cameras/{name}").IsA(UsdGeom.Camera)
