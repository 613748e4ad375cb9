"""What a USD tool composes of the live layer is where the twin says the links are, whatever precision the asset's ops have."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, Vt

from twind.model.topology import Precision
from twind.stage.live import LiveStage
from twind.stage.synthetic import serial_robots
from twind.twin.state import Twin

if TYPE_CHECKING:
    from twind.model.state import Update
    from twind.model.topology import Topology

CELL = Path(__file__).parents[2] / "stages" / "demo_cell" / "cell.usda"
EXACT_M = 1e-9  # positions are doubles
FLOAT_M = 1e-6  # positions are floats
COARSEST_RAD = 5e-4  # 2 acos(1 - 2**-25): a rotation whose `w` just rounds to 1, so that USD shows a quatf as none

NOW_NS = 1_800_000_000_000_000_000
TRANSLATE, ORIENT = "xformOp:translate", "xformOp:orient"


def updates(topology: Topology, *, count: int, seed: int = 3) -> Any:
    """Yield a twin's updates over joint positions of all sizes, those near zero included, and random poses of the bodies."""
    rng = np.random.default_rng(seed)
    twin = Twin(topology, fresh_ns=10, coast_ns=20, lost_ns=30)
    entities, joints = len(topology.entities), topology.n_joints
    for number in range(count):
        q = rng.choice([-1.0, 1.0], joints) * 10 ** rng.uniform(-5, -2, joints)
        if number % 2:
            q = rng.uniform(-2.5, 2.5, joints)
        orientation = rng.normal(size=(entities, 4))
        if number % 4 == 0:  # barely turned
            orientation = np.array([1.0, 0.0, 0.0, 0.0]) + 10 ** rng.uniform(-5, -2) * orientation
        yield twin.advance(
            now_ns=NOW_NS + number,
            target_ns=np.full(entities, NOW_NS + number),
            sample_ns=np.full(entities, NOW_NS + number),
            joint_position=q,
            joint_velocity=np.zeros(joints),
            joint_std=np.zeros(joints),
            joint_sample_ns=np.full(joints, NOW_NS + number),
            body_position=rng.uniform(-2, 2, (entities, 3)),
            body_orientation=orientation,
            body_position_std=np.zeros(entities),
            body_rotation_std=np.zeros(entities),
            posed=np.ones(entities, np.uint8),
        )


def composed(live: LiveStage, update: Update) -> tuple[float, float]:
    """Return by how much the composed stage misses an update at worst: [m] and [rad]."""
    transforms = UsdGeom.XformCache()
    metres = UsdGeom.GetStageMetersPerUnit(live.stage)
    topology = live.topology
    prims = [link.prim for robot in topology.robots for link in robot.links] + [one.prim for one in topology.objects]
    position = rotation = 0.0
    for row, prim in enumerate(prims):
        matrix = transforms.GetLocalToWorldTransform(live.stage.GetPrimAtPath(prim))
        off = np.array(matrix.ExtractTranslation()) * metres - update.position[row]
        position = max(position, float(np.linalg.norm(off)))
        w, x, y, z = update.orientation[row]
        # Rows of a row-vector matrix are where the axes point; the nearer to rotations, the better is |R - S| an angle.
        axes = np.array(matrix)[:3, :3] / np.linalg.norm(np.array(matrix)[:3, :3], axis=1, keepdims=True)
        expected = np.array(Gf.Matrix3d(Gf.Quatd(w, x, y, z)))
        rotation = max(rotation, float(np.linalg.norm(axes - expected)) / np.sqrt(2))
    return position, rotation


def worst(live: LiveStage, *, count: int) -> tuple[float, float]:
    errors = []
    for update in updates(live.topology, count=count):
        live.write(update)
        errors.append(composed(live, update))
    live.close()
    position, rotation = np.max(errors, axis=0)
    return float(position), float(rotation)


@pytest.mark.parametrize("name", ["panda", "iiwa14", "double_pendulum"])
def test_links_of_converted_robots_stand_where_the_twin_has_them_though_usd_shows_no_small_rotations(
    data_dir: Path, name: str
) -> None:
    live = LiveStage.open(str(data_dir / "robots" / name / f"{name}.usda"), instance="test")
    position, rotation = worst(live, count=60)
    assert position < EXACT_M
    assert rotation < COARSEST_RAD


def test_everything_in_the_demo_cell_stands_where_the_twin_has_it() -> None:
    position, rotation = worst(LiveStage.open(str(CELL), instance="test"), count=40)
    assert position < EXACT_M
    assert rotation < COARSEST_RAD


def retyped(translate: Any, orient: Any, *, scale: float = 1.0) -> Any:
    """Return a serial robot and an object, nested and with ops of the given types."""
    stage = serial_robots(1, joints=7, objects=1)
    for prim in stage.Traverse():
        if prim.GetAttribute(ORIENT):
            place = prim.GetAttribute(TRANSLATE).Get()
            for name, type_name, value in ((TRANSLATE, translate, place), (ORIENT, orient, Gf.Quatd(1))):
                prim.RemoveProperty(name)
                prim.CreateAttribute(name, type_name, custom=False).Set(type_name.type.pythonClass(value))
            if scale != 1.0 and prim.GetName() == "base":
                UsdGeom.Xformable(prim).AddScaleOp().Set(Gf.Vec3f(scale))
    return stage


NAMES = Sdf.ValueTypeNames


@pytest.mark.parametrize(
    ("translate", "orient", "off_m", "off_rad"),
    [
        (NAMES.Double3, NAMES.Quatf, EXACT_M, COARSEST_RAD),
        (NAMES.Double3, NAMES.Quatd, EXACT_M, 3e-8),
        (NAMES.Double3, NAMES.Quath, EXACT_M, 4.5e-2),
        (NAMES.Float3, NAMES.Quatf, FLOAT_M, COARSEST_RAD),
        (NAMES.Float3, NAMES.Quatd, FLOAT_M, 3e-8),
        (NAMES.Half3, NAMES.Quath, 2e-3, 4.5e-2),
    ],
)
def test_no_link_inherits_the_rounding_of_those_that_carry_it(
    translate: Any, orient: Any, off_m: float, off_rad: float
) -> None:
    stage = retyped(translate, orient)
    live = LiveStage.over(stage, instance="test")
    types = (live.stage.GetPrimAtPath("/World/part_0").GetAttribute(name).GetTypeName() for name in (TRANSLATE, ORIENT))
    assert tuple(types) == (translate, orient)
    position, rotation = worst(live, count=60)
    assert position < off_m
    assert rotation < off_rad


def test_a_scaled_carrier_changes_nothing_about_it() -> None:
    position, _ = worst(LiveStage.over(retyped(NAMES.Double3, NAMES.Quatf, scale=0.5), instance="test"), count=20)
    assert position < EXACT_M


def test_a_matrix_loses_nothing_and_its_children_neither() -> None:
    stage = retyped(NAMES.Double3, NAMES.Quatf)
    for prim in stage.Traverse():
        if prim.GetName() in {"link_2", "link_3", "link_6", "part_0"}:
            xform = UsdGeom.Xformable(prim)
            matrix = xform.GetLocalTransformation()
            xform.ClearXformOpOrder()
            xform.AddTransformOp().Set(matrix)
    live = LiveStage.over(stage, instance="test")
    (robot,), (part,) = live.topology.robots, live.topology.objects
    assert [link.mount.orient for link in robot.links[1:4]] == [Precision.FLOAT, Precision.EXACT, Precision.EXACT]
    assert part.mount.orient is Precision.EXACT
    assert worst(live, count=20)[0] < EXACT_M


@pytest.mark.parametrize("order", ["XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"])
@pytest.mark.parametrize(("double", "off_m", "off_rad"), [(True, EXACT_M, 1e-9), (False, FLOAT_M, 1e-6)])
def test_euler_angles_are_kept_and_lose_no_more_than_their_own_rounding(
    order: str,
    double: bool,  # noqa: FBT001
    off_m: float,
    off_rad: float,
) -> None:
    stage = retyped(NAMES.Double3, NAMES.Quatf)
    kind = getattr(UsdGeom.XformOp, f"TypeRotate{order}")
    precision = UsdGeom.XformOp.PrecisionDouble if double else UsdGeom.XformOp.PrecisionFloat
    for prim in stage.Traverse():
        if prim.GetAttribute(ORIENT):
            xform = UsdGeom.Xformable(prim)
            xform.ClearXformOpOrder()
            xform.SetXformOpOrder([UsdGeom.XformOp(prim.GetAttribute(TRANSLATE)), xform.AddXformOp(kind, precision)])
    live = LiveStage.over(stage, instance="test")
    assert "xformOpOrder" not in live.layer_text()
    assert ORIENT not in live.layer_text()
    position, rotation = worst(live, count=20)
    assert position < off_m
    assert rotation < off_rad


@pytest.mark.parametrize("turn", ["orient", "rotateXYZ", "rotateZYX"])
def test_pivots_are_kept_and_turned_about(turn: str) -> None:
    stage = retyped(NAMES.Double3, NAMES.Quatf, scale=0.5)
    orders = {}
    for prim in stage.Traverse():
        if prim.GetAttribute(ORIENT) and prim.GetName() in {"link_2", "link_5", "part_0"}:
            xform = UsdGeom.Xformable(prim)
            place = UsdGeom.XformOp(prim.GetAttribute(TRANSLATE))
            xform.ClearXformOpOrder()
            shift = xform.AddTranslateOp(opSuffix="rotatePivotTranslate")
            shift.Set(Gf.Vec3d(0.01, 0.02, 0.03))
            pivot = xform.AddTranslateOp(opSuffix="pivot")
            pivot.Set(Gf.Vec3d(0.3, -0.2, 0.1))
            kind = getattr(UsdGeom.XformOp, f"Type{turn[0].upper()}{turn[1:]}")
            rotation = UsdGeom.XformOp(prim.GetAttribute(ORIENT)) if turn == "orient" else xform.AddXformOp(kind)
            size = xform.AddScaleOp()
            size.Set(Gf.Vec3f(2.0))
            back = xform.AddTranslateOp(opSuffix="pivot", isInverseOp=True)
            xform.SetXformOpOrder([place, shift, pivot, rotation, size, back])
            orders[prim.GetPath()] = xform.GetXformOpOrderAttr().Get()
    rest = {path: UsdGeom.XformCache().GetLocalToWorldTransform(stage.GetPrimAtPath(path)) for path in orders}
    live = LiveStage.over(stage, instance="test")
    assert "xformOpOrder" not in live.layer_text()
    for path, order in orders.items():
        assert UsdGeom.Xformable(stage.GetPrimAtPath(path)).GetXformOpOrderAttr().Get() == order
        assert Gf.IsClose(UsdGeom.XformCache().GetLocalToWorldTransform(stage.GetPrimAtPath(path)), rest[path], 1e-6)
    position, _ = worst(live, count=20)
    assert position < (EXACT_M if turn == "orient" else FLOAT_M)


@pytest.mark.parametrize(
    ("orient", "array", "dtype"),
    [(NAMES.Quatf, Vt.QuatfArray, np.float32), (NAMES.Quath, Vt.QuathArray, np.float16)],
)
def test_a_twin_hands_out_exactly_the_values_that_are_written(orient: Any, array: Any, dtype: Any) -> None:
    translate = {NAMES.Quatf: NAMES.Float3, NAMES.Quath: NAMES.Half3}[orient]
    live = LiveStage.over(retyped(translate, orient), instance="test")
    (part,), row = live.topology.objects, live.topology.first_frame[-1]
    prim: Usd.Prim = live.stage.GetPrimAtPath(part.prim)
    for update in updates(live.topology, count=200):
        for values in (update.local_translate[row], update.local_orient[row]):
            np.testing.assert_array_equal(values.astype(dtype).astype(np.float64), values)
        live.write(update)
        assert [float(part) for part in prim.GetAttribute(TRANSLATE).Get()] == update.local_translate[row].tolist()
        written = np.array(array([prim.GetAttribute(ORIENT).Get()]))[0][[3, 0, 1, 2]]
        np.testing.assert_array_equal(written.astype(np.float64), update.local_orient[row])
    live.close()
