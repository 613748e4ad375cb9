"""The live layer: what is written, in which precision, with how many notices, and that structure never changes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pxr import Gf, Sdf, Tf, Usd, UsdGeom, UsdPhysics

from twind.model.errors import StageError
from twind.model.estimates import Status
from twind.model.time import NO_STAMP
from twind.model.topology import Pose
from twind.stage.live import LiveStage
from twind.stage.synthetic import random_update, serial_robots

if TYPE_CHECKING:
    from collections.abc import Callable


class Notices:
    """Counts what a viewer of the stage is told."""

    def __init__(self, stage: Any) -> None:
        self.count = 0
        self.resynced = []
        self._key = Tf.Notice.Register(Usd.Notice.ObjectsChanged, self._changed, stage)

    def _changed(self, notice: Any, _sender: Any) -> None:
        self.count += 1
        self.resynced += notice.GetResyncedPaths()


def attribute(live: Any, path: str) -> Any:
    return live.stage.GetAttributeAtPath(path)


@pytest.mark.parametrize("meters_per_unit", [1.0, 0.01])
def test_joint_states_and_link_transforms_agree_with_kinematics_in_any_unit(
    update_at: Callable[..., Any], forward: Callable[..., Any], matrix: Callable[..., Any], meters_per_unit: Any
) -> None:
    live = LiveStage.over(serial_robots(2, joints=4, objects=1, meters_per_unit=meters_per_unit), instance="t")
    rng = np.random.default_rng(3)
    positions = {f"{r.id}/{j.name}": float(rng.uniform(-2, 2)) for r in live.topology.robots for j in r.joints if j.movable}
    bases = {"part_0": Pose((0.4, -0.2, 1.1), (0.5, -0.5, 0.5, 0.5))}
    live.write(update_at(live.topology, positions, bases))
    worlds = iter(forward(live.topology, positions, bases))
    for entity in live.topology.entities:
        reading = live.read_back(entity.id)
        for pose in reading.poses.values():
            np.testing.assert_allclose(matrix(pose), next(worlds), atol=1e-6)
        for name, value in reading.positions.items():
            assert value == pytest.approx(positions[f"{entity.id}/{name}"], abs=1e-6)
    assert live.read_back("part_0").positions == {}
    live.close()


def test_one_write_is_one_notice_and_changes_no_structure() -> None:
    live = LiveStage.over(serial_robots(3, objects=2), instance="t")
    notices = Notices(live.stage)
    rng = np.random.default_rng(2)
    for seq in range(1, 6):
        # the first time everything; then joints, transforms, time and seq, while age and quality stay as they were
        provenance = 4 if seq == 1 else 2
        values = live.write(random_update(live.topology, seq=seq, rng=rng))
        assert values == 3 * (7 * 4 + provenance) + 2 * (2 + provenance)
        assert notices.count == seq
    assert notices.resynced == []
    live.close()


def test_only_changed_entities_are_written(update_at: Callable[..., Any]) -> None:
    live = LiveStage.over(serial_robots(3, objects=1), instance="t")
    live.write(update_at(live.topology, seq=1))
    # joint position, its link's orientation, and seq; the other values are what they were
    assert live.write(update_at(live.topology, {"robot_2/joint_1": 1.0}, seq=2, changed=[2])) == 3
    assert [live.read_back(one.id).seq for one in live.topology.entities] == [1, 1, 2, 1]
    assert live.read_back("robot_2").positions["joint_1"] == pytest.approx(1.0)
    assert live.write(update_at(live.topology, seq=3, changed=[])) == 0
    live.close()


def test_every_row_lands_on_its_own_attribute() -> None:
    live = LiveStage.over(serial_robots(4, joints=3, objects=3), instance="t")
    rng = np.random.default_rng(11)
    for changed in (None, [0, 2, 5], [6], [1, 3, 4]):
        update = random_update(live.topology, seq=1, rng=rng, changed=changed)
        live.write(update)
        for entity in range(len(live.topology.entities)) if changed is None else changed:
            one = live.topology.entities[entity]
            if entity < len(live.topology.robots):
                first_joint, first_frame = live.topology.first_joint[entity], live.topology.first_frame[entity]
                for row, joint in enumerate(one.joints, first_joint):
                    if joint.movable:
                        state = f"{joint.prim}.state:angular:physics"
                        assert attribute(live, f"{state}:position").Get() == pytest.approx(
                            math.degrees(update.joint_position[row])
                        )
                        assert attribute(live, f"{state}:velocity").Get() == pytest.approx(
                            math.degrees(update.joint_velocity[row])
                        )
                prims = [(link.prim, first_frame + at) for at, link in enumerate(one.links) if at != one.base]
            else:
                prims = [(one.prim, live.topology.first_frame[-1] + entity - len(live.topology.robots))]
            for prim, row in prims:
                assert tuple(attribute(live, f"{prim}.xformOp:translate").Get()) == tuple(update.local_translate[row])
                quaternion = attribute(live, f"{prim}.xformOp:orient").Get()
                assert (quaternion.GetReal(), *quaternion.GetImaginary()) == pytest.approx(update.local_orient[row], abs=1e-6)
    live.close()


def test_provenance_says_when_how_old_and_how_good(update_at: Callable[..., Any]) -> None:
    live = LiveStage.over(serial_robots(1), instance="t")
    update = update_at(live.topology, seq=41)
    live.write(update)
    reading = live.read_back("robot_0")
    assert (reading.seq, reading.quality) == (41, "ok")
    assert reading.time_s == pytest.approx(1_800_000_000.25, abs=1e-6)
    assert reading.age_s == pytest.approx(0.375, abs=1e-9)
    live.write(replace(update, status=np.array([Status.COASTING], np.uint8), sample_ns=np.array([NO_STAMP])))
    reading = live.read_back("robot_0")
    assert (reading.age_s, reading.quality) == (-1.0, "coasting")
    live.close()


def test_live_layer_holds_overs_and_default_values_only() -> None:
    live = LiveStage.over(serial_robots(1, objects=1), instance="t")
    live.write(random_update(live.topology, seq=1, rng=np.random.default_rng(0)))
    seen = []
    live.layer.Traverse("/", lambda path: seen.append(live.layer.GetObjectAtPath(path)))
    prims = [spec for spec in seen if isinstance(spec, Sdf.PrimSpec) and spec.path != Sdf.Path("/")]
    assert prims
    assert {spec.specifier for spec in prims} == {Sdf.SpecifierOver}
    assert all(not live.layer.ListTimeSamplesForPath(spec.path) for spec in seen if isinstance(spec, Sdf.AttributeSpec))
    joint = live.topology.robots[0].joints[1].prim
    applied = live.stage.GetPrimAtPath(joint).GetPrimTypeInfo().GetAppliedAPISchemas()
    assert "PhysicsJointStateAPI:angular" in applied
    live.close()


def test_fixed_base_is_not_written_and_a_floating_one_is() -> None:
    stage = serial_robots(1, joints=1)
    fixed = LiveStage.over(stage, instance="t")
    assert fixed.layer.GetAttributeAtPath("/World/robot_0/base.xformOp:translate") is None
    fixed.close()
    stage.RemovePrim("/World/robot_0/root_joint")
    floating = LiveStage.over(stage, instance="t")
    assert floating.topology.robots[0].floating
    assert floating.layer.GetAttributeAtPath("/World/robot_0/base.xformOp:translate") is not None
    floating.close()


def one_object(define: Any) -> Any:
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    xform = UsdGeom.Xform.Define(stage, "/part")
    UsdPhysics.RigidBodyAPI.Apply(xform.GetPrim())
    define(xform)
    return stage


POSE = Pose((0.25, -1.5, 3.0), (0.1, 0.7, -0.1, 0.7))
UNIT = tuple(np.array(POSE.orientation) / np.linalg.norm(POSE.orientation))


def ops_of(live: Any) -> list[str]:
    return [str(name) for name in UsdGeom.Xformable(live.stage.GetPrimAtPath("/part")).GetXformOpOrderAttr().Get()]


@pytest.mark.parametrize(
    "vector", [UsdGeom.XformOp.PrecisionDouble, UsdGeom.XformOp.PrecisionFloat, UsdGeom.XformOp.PrecisionHalf]
)
@pytest.mark.parametrize(
    "quaternion", [UsdGeom.XformOp.PrecisionDouble, UsdGeom.XformOp.PrecisionFloat, UsdGeom.XformOp.PrecisionHalf]
)
def test_precision_and_order_of_existing_ops_are_kept(
    update_at: Callable[..., Any], matrix: Callable[..., Any], vector: Any, quaternion: Any
) -> None:
    def define(xform: Any) -> None:
        xform.AddTranslateOp(vector)
        xform.AddOrientOp(quaternion)
        xform.AddScaleOp().Set(Gf.Vec3f(2, 2, 2))

    stage = one_object(define)
    types = {name: stage.GetAttributeAtPath(f"/part.xformOp:{name}").GetTypeName() for name in ("translate", "orient")}
    live = LiveStage.over(stage, instance="t")
    live.write(update_at(live.topology, bases={"part": POSE}))
    assert {name: attribute(live, f"/part.xformOp:{name}").GetTypeName() for name in types} == types
    assert live.layer.GetAttributeAtPath("/part.xformOpOrder") is None
    assert ops_of(live) == ["xformOp:translate", "xformOp:orient", "xformOp:scale"]
    tolerance = 2e-3 if UsdGeom.XformOp.PrecisionHalf in (vector, quaternion) else 1e-6
    np.testing.assert_allclose(matrix(live.read_back("part").poses["/part"]), matrix(POSE), atol=tolerance)
    assert attribute(live, "/part.xformOp:scale").Get() == Gf.Vec3f(2, 2, 2)
    live.close()


def euler(xform: Any) -> None:
    xform.AddTranslateOp().Set(Gf.Vec3d(1, 2, 3))
    xform.AddRotateXYZOp().Set(Gf.Vec3f(10, 20, 30))
    xform.AddScaleOp().Set(Gf.Vec3f(1, 1, 2))


def pivoted(xform: Any) -> None:
    xform.AddTranslateOp().Set(Gf.Vec3d(1, 2, 3))
    xform.AddTranslateOp(opSuffix="pivot").Set(Gf.Vec3d(0, 0, 1))
    xform.AddRotateXOp().Set(45)
    xform.AddTranslateOp(opSuffix="pivot", isInverseOp=True)


def translated(xform: Any) -> None:
    xform.AddTranslateOp(UsdGeom.XformOp.PrecisionFloat).Set(Gf.Vec3f(1, 2, 3))


def matrix_only(xform: Any) -> None:
    turn = Gf.Matrix4d().SetRotate(Gf.Rotation(Gf.Vec3d(0, 0, 1), 30))
    xform.AddTransformOp().Set(Gf.Matrix4d().SetScale(Gf.Vec3d(1, 2, 3)) * turn * Gf.Matrix4d().SetTranslate(Gf.Vec3d(1, 2, 3)))


def resetting(xform: Any) -> None:
    xform.AddRotateZOp().Set(90)
    xform.SetResetXformStack(True)


@pytest.mark.parametrize("define", [euler, pivoted, translated, matrix_only, resetting, lambda _xform: None])
def test_any_spelling_of_a_transform_can_be_moved_and_looks_the_same_at_rest(
    update_at: Callable[..., Any], matrix: Callable[..., Any], define: Any
) -> None:
    stage = one_object(define)
    before = UsdGeom.XformCache().GetLocalToWorldTransform(stage.GetPrimAtPath("/part"))
    live = LiveStage.over(stage, instance="t")
    after = UsdGeom.XformCache().GetLocalToWorldTransform(stage.GetPrimAtPath("/part"))
    assert Gf.IsClose(before, after, 1e-6)
    own = UsdGeom.Xformable(stage.GetPrimAtPath("/part")).GetResetXformStack()
    live.write(update_at(live.topology, bases={"part": POSE}))
    np.testing.assert_allclose(matrix(live.read_back("part").poses["/part"]), matrix(POSE), atol=1e-6)
    moved = UsdGeom.XformCache().GetLocalToWorldTransform(stage.GetPrimAtPath("/part"))
    scales = [Gf.Vec3d(*moved.GetRow3(i)).GetLength() for i in range(3)]
    assert scales == pytest.approx([Gf.Vec3d(*before.GetRow3(i)).GetLength() for i in range(3)])
    assert UsdGeom.Xformable(stage.GetPrimAtPath("/part")).GetResetXformStack() == own
    live.close()


def test_time_samples_in_the_asset_do_not_hide_the_live_value(update_at: Callable[..., Any]) -> None:
    def define(xform: Any) -> None:
        translate = xform.AddTranslateOp()
        translate.Set(Gf.Vec3d(0, 0, 0), 0)
        translate.Set(Gf.Vec3d(9, 9, 9), 10)
        xform.AddOrientOp()

    stage = one_object(define)
    live = LiveStage.over(stage, instance="t")
    live.write(update_at(live.topology, bases={"part": POSE}))
    for time in (0, 5, 10):
        at = UsdGeom.XformCache(time).GetLocalToWorldTransform(stage.GetPrimAtPath("/part")).ExtractTranslation()
        assert tuple(at) == pytest.approx(POSE.position)
    live.close()


def test_transform_that_shears_is_refused_with_the_prim_and_the_cure() -> None:
    shear = Gf.Matrix4d(1, 0, 0, 0, 0.5, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1)
    with pytest.raises(StageError, match=r"/part.*translate, orient and scale"):
        LiveStage.over(one_object(lambda xform: xform.AddTransformOp().Set(shear)), instance="t")


def test_closing_takes_the_live_layer_off_the_stage() -> None:
    stage = serial_robots(1)
    live = LiveStage.over(stage, instance="t")
    assert "open" in repr(live)
    live.close()
    live.close()
    assert "closed" in repr(live)
    assert list(stage.GetSessionLayer().subLayerPaths) == []
    assert not stage.GetAttributeAtPath("/World/robot_0.twind:seq")
    with pytest.raises(StageError, match="closed"):
        live.read_back("robot_0")


def test_stage_in_memory_is_not_changed_below_the_session_layer() -> None:
    stage = serial_robots(2, objects=1)
    before = stage.GetRootLayer().ExportToString()
    live = LiveStage.over(stage, instance="t")
    live.write(random_update(live.topology, seq=1, rng=np.random.default_rng(0)))
    assert stage.GetRootLayer().ExportToString() == before
    live.close()


def test_flat_links_below_a_turned_and_scaled_parent_follow_kinematics(
    update_at: Callable[..., Any], forward: Callable[..., Any], matrix: Callable[..., Any]
) -> None:
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageMetersPerUnit(stage, 0.01)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    robot = UsdGeom.Xform.Define(stage, "/robot")
    robot.AddTranslateOp().Set(Gf.Vec3d(100, 20, -30))
    robot.AddRotateXYZOp().Set(Gf.Vec3f(-90, 20, 10))
    robot.AddScaleOp().Set(Gf.Vec3f(10, 10, 10))
    prims = []
    for at, name in enumerate("abc"):
        link = UsdGeom.Xform.Define(stage, f"/robot/{name}")
        link.AddTranslateOp().Set(Gf.Vec3d(0, 0, 2.0 * at))
        link.AddOrientOp()
        UsdPhysics.RigidBodyAPI.Apply(link.GetPrim())
        prims.append(link.GetPrim())
    UsdPhysics.ArticulationRootAPI.Apply(prims[0])
    for at, kind in ((1, UsdPhysics.RevoluteJoint), (2, UsdPhysics.PrismaticJoint)):
        joint = kind.Define(stage, f"/robot/joint_{at}")
        joint.CreateBody0Rel().SetTargets([prims[at - 1].GetPath()])
        joint.CreateBody1Rel().SetTargets([prims[at].GetPath()])
        joint.CreateLocalPos0Attr(Gf.Vec3f(0, 0, 2))
        joint.CreateAxisAttr("X")
    live = LiveStage.over(stage, instance="t")
    positions = {"robot/joint_1": 0.7, "robot/joint_2": -0.15}
    base = {"robot": Pose((1.0, 0.5, -0.25), UNIT)}
    live.write(update_at(live.topology, positions, base))
    reading = live.read_back("robot")
    for pose, world in zip(reading.poses.values(), forward(live.topology, positions, base), strict=True):
        np.testing.assert_allclose(matrix(pose), world, atol=1e-6)
    assert attribute(live, "/robot/joint_2.state:linear:physics:position").Get() == pytest.approx(-15.0)
    assert reading.positions["joint_2"] == pytest.approx(-0.15)
    live.close()
