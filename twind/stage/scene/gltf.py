"""Writes a scene as binary glTF 2.0 (registry.khronos.org/glTF/specs/2.0): the format that every 3D tool on the web reads.

What is not in glTF stands in `extras`: the prim of each node; of a moving one the `ops` that make up its local transform.
Matrices need no transposing: USD's row-major matrices for row vectors and glTF's column-major ones for column vectors have
their numbers in the same order.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.stage.scene.parts import Material, Matrix, Node, Scene, Shape

_FLOAT, _UINT = 5126, 5125
_VERTICES, _INDICES = 34962, 34963
_MAGIC, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942

_Json = dict[str, Any]


def glb(scene: Scene) -> bytes:
    """Return the file: metres, Y up, as glTF has it; the node `stage` turns and scales the stage into that."""
    return _Writer(scene).write()


class _Writer:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._data: list[bytes] = []
        self._size = 0
        self._views: list[_Json] = []
        self._accessors: list[_Json] = []
        self._nodes: list[_Json] = []
        self._meshes: list[_Json] = []
        self._mesh_of: dict[tuple[int, int], int] = {}
        self._cameras: list[_Json] = []

    def write(self) -> bytes:
        scene = self._scene
        primitives = [self._primitive(shape) for shape in scene.shapes]
        root = self._add({"name": "stage", "matrix": _to_gltf(scene)})
        frames = [root]
        for node in scene.nodes[1:]:
            frames.append(self._frame(node, frames[node.parent]))
        for node, frame in zip(scene.nodes, frames, strict=True):
            self._contents(node, frame, primitives)
        document: _Json = {
            "asset": {"version": "2.0", "generator": "twind"},
            "scene": 0,
            "scenes": [{"nodes": [root], "extras": self._about()}],
            "nodes": self._nodes,
            "meshes": self._meshes,
            "materials": [_material(material) for material in scene.materials],
            "accessors": self._accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": self._size}] if self._size else [],
            "cameras": self._cameras,
        }
        return _container({key: value for key, value in document.items() if value != []}, b"".join(self._data))

    def _about(self) -> _Json:
        left_out = [{"prim": prim, "reason": reason} for prim, reason in self._scene.left_out[:100]]
        return {
            "up_axis": self._scene.up_axis,
            "meters_per_unit": self._scene.meters_per_unit,
            "left_out": left_out,
            "left_out_total": len(self._scene.left_out),
        }

    def _add(self, node: _Json, parent: int | None = None) -> int:
        self._nodes.append(node)
        if parent is not None:
            self._nodes[parent].setdefault("children", []).append(len(self._nodes) - 1)
        return len(self._nodes) - 1

    def _frame(self, node: Node, parent: int) -> int:
        if not np.array_equal(node.mount, np.eye(4)):
            parent = self._add({"matrix": _listed(node.mount)}, parent)
        ops = [{"name": op.name, "value": op.value} if op.name else {"matrix": op.value} for op in node.ops]
        name = node.prim.rpartition("/")[2]
        return self._add({"name": name, "matrix": _listed(node.local), "extras": {"prim": node.prim, "ops": ops}}, parent)

    def _contents(self, node: Node, frame: int, primitives: list[_Json]) -> None:
        for piece in node.pieces:
            key = piece.shape, piece.material
            if key not in self._mesh_of:
                self._mesh_of[key] = len(self._meshes)
                self._meshes.append({"primitives": [primitives[piece.shape] | {"material": piece.material}]})
            name = piece.prim.rpartition("/")[2]
            shown: _Json = {"name": name, "mesh": self._mesh_of[key], "extras": {"prim": piece.prim}}
            if not np.array_equal(piece.matrix, np.eye(4)):
                shown["matrix"] = _listed(piece.matrix)
            self._add(shown, frame)
        for camera in node.cameras:
            perspective = {"yfov": camera.yfov, "aspectRatio": camera.aspect, "znear": 0.01}
            self._cameras.append({"type": "perspective", "perspective": perspective})
            name, extras = camera.prim.rpartition("/")[2], {"prim": camera.prim}
            number = len(self._cameras) - 1
            self._add({"name": name, "camera": number, "matrix": _listed(camera.matrix), "extras": extras}, frame)

    def _primitive(self, shape: Shape) -> _Json:
        attributes = {"POSITION": self._accessor(shape.points, bounds=True), "NORMAL": self._accessor(shape.normals)}
        if shape.colors is not None:
            attributes["COLOR_0"] = self._accessor(shape.colors)
        return {"attributes": attributes, "indices": self._accessor(shape.triangles.ravel())}

    def _accessor(self, array: NDArray[Any], *, bounds: bool = False) -> int:
        data = np.ascontiguousarray(array, "<u4" if array.dtype == np.uint32 else "<f4").tobytes()  # a multiple of 4 bytes
        scalar = array.ndim == 1
        self._views.append(
            {"buffer": 0, "byteOffset": self._size, "byteLength": len(data), "target": _INDICES if scalar else _VERTICES}
        )
        self._data.append(data)
        self._size += len(data)
        accessor: _Json = {
            "bufferView": len(self._views) - 1,
            "componentType": _UINT if scalar else _FLOAT,
            "count": len(array),
            "type": "SCALAR" if scalar else "VEC3",
        }
        if bounds:
            accessor |= {"min": array.min(axis=0).tolist(), "max": array.max(axis=0).tolist()}
        self._accessors.append(accessor)
        return len(self._accessors) - 1


def _to_gltf(scene: Scene) -> list[float]:
    """Return the matrix from the stage's axes and unit to metres, Y up."""
    matrix = np.eye(4)
    if scene.up_axis == "Z":
        matrix[:3, :3] = [[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]]
    elif scene.up_axis == "X":
        matrix[:3, :3] = [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    matrix[:3, :3] *= scene.meters_per_unit
    return _listed(matrix)


def _listed(matrix: Matrix) -> list[float]:
    numbers: list[float] = matrix.ravel().tolist()
    return numbers


def _material(material: Material) -> _Json:
    look: _Json = {
        "pbrMetallicRoughness": {
            "baseColorFactor": [*material.color, material.opacity],
            "metallicFactor": material.metallic,
            "roughnessFactor": material.roughness,
        },
        "doubleSided": True,  # many assets have faces that look inwards, and USD's viewers show them all
    }
    if any(material.emission):
        look["emissiveFactor"] = list(material.emission)
    if material.opacity < 1:
        look["alphaMode"] = "BLEND"
    return look


def _container(document: _Json, data: bytes) -> bytes:
    text = json.dumps(document, separators=(",", ":"), allow_nan=False).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), _JSON) + text
    if data:
        chunks += struct.pack("<II", len(data), _BIN) + data
    return struct.pack("<III", _MAGIC, 2, 12 + len(chunks)) + chunks
