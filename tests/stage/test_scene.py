"""The scene that viewers without USD are shown, against what OpenUSD itself says of the stage."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics, UsdShade

from twind.model.errors import StageError
from twind.stage.live import LiveStage
from twind.stage.scene import solids
from twind.stage.scene.export import scene_under
from twind.stage.scene.gltf import glb
from twind.stage.structure import LiveOptions

if TYPE_CHECKING:
    from twind.stage.scene.parts import Scene, Shape

CELL = Path(__file__).parents[2] / "stages/demo_cell/cell.usda"


def live_text(root: Path) -> bytes:
    live = LiveStage.open(str(root), instance="x", options=LiveOptions(), owns=lambda _: True)
    try:
        return live.layer_text().encode()
    finally:
        live.close()


def scene(root: Path) -> Scene:
    return scene_under(str(root), live_text(root))


def worlds(found: Scene) -> list[np.ndarray]:
    """Return the world matrix of every node [stage units], from its ops."""
    matrices: list[np.ndarray] = []
    for node in found.nodes:
        above = np.eye(4) if node.parent < 0 else matrices[node.parent]
        matrices.append(node.local @ node.mount @ above)
    return matrices


def bounds(found: Scene, prefix: str) -> np.ndarray:
    """Return the bounds of all pieces of prims at and below a path."""
    matrices, points = worlds(found), []
    for node, matrix in zip(found.nodes, matrices, strict=True):
        for piece in node.pieces:
            if piece.prim == prefix or piece.prim.startswith(f"{prefix}/"):
                whole = piece.matrix @ matrix
                points.append(found.shapes[piece.shape].points @ whole[:3, :3] + whole[3, :3])
    every = np.concatenate(points)
    return np.array([every.min(axis=0), every.max(axis=0)])


def truth(stage: Any, prefix: str) -> np.ndarray:
    """Return the bounds of every visible shape, from OpenUSD, by its extents and matrices."""
    corners = []
    for prim in Usd.PrimRange(stage.GetPrimAtPath(prefix), Usd.TraverseInstanceProxies()):
        if not prim.IsA(UsdGeom.Gprim):
            continue
        image = UsdGeom.Imageable(prim)
        if image.ComputePurpose() in {"default", "render"} and image.ComputeVisibility() != "invisible":
            cache = UsdGeom.BBoxCache(Usd.TimeCode.Default(), ["default", "render"])
            box = cache.ComputeWorldBound(prim)
            if prim.IsA(UsdGeom.Mesh):
                matrix = np.array(UsdGeom.Xformable(prim).ComputeLocalToWorldTransform(Usd.TimeCode.Default()))
                corners.append(np.array(UsdGeom.Mesh(prim).GetPointsAttr().Get()) @ matrix[:3, :3] + matrix[3, :3])
            else:
                corners.append(np.array([box.ComputeAlignedRange().GetCorner(i) for i in range(8)]))
    every = np.concatenate(corners)
    return np.array([every.min(axis=0), every.max(axis=0)])


def area(shape: Shape) -> float:
    a, b, c = (shape.points[shape.triangles[:, side]].astype(float) for side in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2)


def volume(shape: Shape) -> float:
    a, b, c = (shape.points[shape.triangles[:, side]].astype(float) for side in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (solids.box(1, 2, 3), 6.0),
        (solids.sphere(0.5), 4 / 3 * np.pi * 0.125),
        (solids.cylinder(0.5, 0.5, 2, "X"), np.pi * 0.25 * 2),
        (solids.cylinder(0.5, 0, 3, "Y"), np.pi * 0.25),
        (solids.cylinder(0.5, 0.25, 1, "Z"), np.pi / 3 * (0.25 + 0.125 + 0.0625)),
        (solids.capsule(0.5, 0.5, 2, "Y"), np.pi * 0.25 * 2 + 4 / 3 * np.pi * 0.125),
    ],
)
def test_solids_enclose_what_they_should_and_their_normals_point_outwards(shape: Shape, expected: float) -> None:
    assert volume(shape) == pytest.approx(expected, rel=0.02)  # positive: every face is counter-clockwise from outside
    assert np.allclose(np.linalg.norm(shape.normals, axis=1), 1, atol=1e-5)
    outwards = np.einsum("ij,ij->i", shape.points - shape.points.mean(axis=0), shape.normals)
    assert (outwards > -1e-6).all()


def test_the_demo_cell_is_where_openusd_has_it() -> None:
    found, stage = scene(CELL), Usd.Stage.Open(str(CELL))
    for prefix in ("/World/Robots/arm_a", "/World/Robots/arm_b", "/World/Robots/agv", "/World/Parts", "/World/Surroundings"):
        # The corners of a turned cylinder's box are outside of it; shapes are inside by as much as they are polygons.
        difference = truth(stage, prefix) - bounds(found, prefix)
        assert difference[0].max() < 0.01, prefix
        assert difference[1].min() > -0.01, prefix
        assert np.abs(difference).max() < 0.1, prefix
    assert [camera.prim for node in found.nodes for camera in node.cameras] == [
        "/World/Cameras/Overview",
        "/World/Cameras/Close",
    ]
    assert not found.left_out
    assert len(found.shapes) < sum(len(node.pieces) for node in found.nodes) / 2  # what is alike is kept once


def test_each_link_hangs_where_the_live_layer_moves_it() -> None:
    found, stage = scene(CELL), Usd.Stage.Open(str(CELL))
    matrices = worlds(found)
    assert len(found.nodes) > 20
    for node, matrix in zip(found.nodes[1:], matrices[1:], strict=True):
        expected = UsdGeom.Xformable(stage.GetPrimAtPath(node.prim)).ComputeLocalToWorldTransform(Usd.TimeCode.Default())
        assert np.allclose(matrix, np.array(expected), atol=1e-6), node.prim
        assert any(op.name for op in node.ops)


def rig(folder: Path) -> Path:
    """Author what converters and people author: units, axes, instances, subsets, op orders, mirrored and hidden things."""
    root = folder / "rig.usda"
    stage = Usd.Stage.CreateNew(str(root))
    UsdGeom.SetStageUpAxis(stage, "Y")
    UsdGeom.SetStageMetersPerUnit(stage, 0.01)
    stage.SetDefaultPrim(UsdGeom.Xform.Define(stage, "/World").GetPrim())
    proto = UsdGeom.Xform.Define(stage, "/World/proto")
    UsdGeom.Cube.Define(stage, "/World/proto/cube").CreateSizeAttr(10)
    for number in range(3):
        copy = UsdGeom.Xform.Define(stage, f"/World/copy_{number}")
        copy.AddTranslateOp().Set((100 * number, 0, 0))
        copy.GetPrim().GetReferences().AddInternalReference(proto.GetPath())
        copy.GetPrim().SetInstanceable(True)
    mesh = UsdGeom.Mesh.Define(stage, "/World/plate")
    mesh.CreatePointsAttr([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (2, 0, 0), (2, 1, 0)])
    mesh.CreateFaceVertexCountsAttr([4, 4])
    mesh.CreateFaceVertexIndicesAttr([0, 1, 2, 3, 1, 4, 5, 2])
    for name, color, faces in (("red", (1, 0, 0), [0]), ("blue", (0, 0, 1), [1])):
        material = UsdShade.Material.Define(stage, f"/World/Looks/{name}")
        shader = UsdShade.Shader.Define(stage, f"/World/Looks/{name}/surface")
        shader.CreateIdAttr("UsdPreviewSurface")
        shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(Gf.Vec3f(*color))
        material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
        subset = UsdGeom.Subset.CreateGeomSubset(mesh, name, "face", faces, "materialBind")
        UsdShade.MaterialBindingAPI.Apply(subset.GetPrim()).Bind(material)
    hidden = UsdGeom.Sphere.Define(stage, "/World/hidden")
    hidden.MakeInvisible()
    UsdGeom.Sphere.Define(stage, "/World/collider").CreatePurposeAttr("guide")
    painted = UsdGeom.Cylinder.Define(stage, "/World/painted")
    painted.CreateDisplayColorAttr([(0.1, 0.2, 0.3)])
    painted.AddRotateXYZOp().Set((0, 0, 45))
    painted.AddScaleOp().Set((1, 3, 1))
    skewed = UsdGeom.Cube.Define(stage, "/World/skewed/inner")
    UsdGeom.Xform.Define(stage, "/World/skewed").AddScaleOp().Set((1, 5, 1))
    skewed.AddRotateZOp().Set(30)
    body = UsdGeom.Xform.Define(stage, "/World/body")
    body.AddTranslateOp().Set((0, 50, 0))
    body.AddTranslateOp(opSuffix="pivot").Set((1, 2, 3))
    body.AddOrientOp().Set(Gf.Quatf(0.8, 0, 0.6, 0))
    body.AddTranslateOp(opSuffix="pivot", isInverseOp=True)
    body.AddScaleOp().Set((2, 2, 2))
    UsdPhysics.RigidBodyAPI.Apply(body.GetPrim())
    UsdGeom.Capsule.Define(stage, "/World/body/hull").CreateAxisAttr("X")
    stage.GetRootLayer().Save()
    return root


def test_instances_subsets_pivots_and_skewed_things_are_shown_and_hidden_ones_are_not(tmp_path: Path) -> None:
    root = rig(tmp_path)
    found, stage = scene(root), Usd.Stage.Open(str(root))
    shown = {piece.prim for node in found.nodes for piece in node.pieces}
    assert not shown & {"/World/hidden", "/World/collider"}
    assert {f"/World/copy_{number}/cube" for number in range(3)} <= shown
    cubes = {piece.shape for node in found.nodes for piece in node.pieces if piece.prim.endswith("/cube")}
    assert len(cubes) == 1
    for prim in ("/World/copy_2", "/World/plate"):
        assert np.allclose(bounds(found, prim), truth(stage, prim), atol=0.05), prim
    # A turned capsule fills its box no more, but is in the middle of it.
    assert np.allclose(bounds(found, "/World/body").mean(axis=0), truth(stage, "/World/body").mean(axis=0), atol=0.01)
    plate = [found.materials[piece.material].color for node in found.nodes for piece in node.pieces if "plate" in piece.prim]
    assert plate == [(1.0, 0.0, 0.0), (0.0, 0.0, 1.0)]
    (painted,) = [piece for node in found.nodes for piece in node.pieces if piece.prim == "/World/painted"]
    assert found.materials[painted.material].color == pytest.approx((0.1, 0.2, 0.3), abs=1e-6)
    (skewed,) = [piece for node in found.nodes for piece in node.pieces if piece.prim == "/World/skewed/inner"]
    assert np.array_equal(skewed.matrix, np.eye(4))  # no translation, rotation and scale make it: its points are moved
    assert area(found.shapes[skewed.shape]) > 24


def document_of(data: bytes) -> Any:
    magic, version, length = struct.unpack_from("<III", data)
    assert (magic, version, length) == (0x46546C67, 2, len(data))
    size, kind = struct.unpack_from("<II", data, 12)
    assert kind == 0x4E4F534A
    return json.loads(data[20 : 20 + size])


def test_the_file_is_gltf_in_metres_with_y_up(tmp_path: Path) -> None:
    document = document_of(glb(scene(rig(tmp_path))))
    assert document["nodes"][document["scenes"][0]["nodes"][0]]["matrix"][:6] == [0.01, 0, 0, 0, 0, 0.01]
    moving = [node["extras"]["prim"] for node in document["nodes"] if "ops" in node.get("extras", {})]
    assert moving == ["/World/body"]
    for accessor in document["accessors"]:
        view = document["bufferViews"][accessor["bufferView"]]
        assert view["byteOffset"] % 4 == 0
        assert view["byteLength"] == accessor["count"] * 4 * {"SCALAR": 1, "VEC3": 3}[accessor["type"]]
    assert document["buffers"][0]["byteLength"] == sum(view["byteLength"] for view in document["bufferViews"])


def test_the_process_that_makes_it_says_what_is_wrong() -> None:
    command = [sys.executable, "-m", "twind.stage.scene", "/nowhere.usda"]
    done = subprocess.run(command, input=b"#usda 1.0\n", capture_output=True, check=False)
    assert done.returncode == 1
    assert b"cannot open the stage" in done.stderr
    with pytest.raises(StageError, match="live layer cannot be read"):
        scene_under(str(CELL), b"\xff\xfe")
