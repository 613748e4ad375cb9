"""Triangles for what USD describes by numbers: cubes, spheres, cylinders, cones, capsules and planes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twind.stage.scene.parts import Shape

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.stage.scene.parts import Floats

AROUND = 48
"""Segments of a full turn: a cylinder is a hundredth of its radius off, at most."""
_QUARTER = 10
"""Segments of a quarter turn of a sphere's or capsule's outline."""
_TO_AXIS = {
    "X": np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]),
    "Y": np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]),
    "Z": np.eye(3),
}
"""Rows are where the axes of a solid that stands along Z go: turns, not mirrors."""


def box(x: float, y: float, z: float) -> Shape:
    """Return a box around the origin with these edges."""
    points, normals = [], []
    for axis in range(3):
        for sign in (1.0, -1.0):
            normal, across, along = np.zeros(3), np.zeros(3), np.zeros(3)
            normal[axis], across[(axis + 1) % 3], along[(axis + 2) % 3] = sign, 1.0, sign
            points += [normal - across - along, normal + across - along, normal + across + along, normal - across + along]
            normals += [normal] * 4
    faces = np.arange(6)[:, None, None] * 4 + np.array([[0, 1, 2], [0, 2, 3]])
    return _shape(np.array(points) * np.array([x, y, z]) / 2, np.array(normals), faces.reshape(-1, 3))


def plane(width: float, length: float, axis: str) -> Shape:
    """Return a rectangle whose normal is an axis, seen from both sides."""
    # UsdGeomPlane: width runs along X (along Z where X is the normal), length along Y (along Z where Y is the normal).
    across = np.array([0.0, 0.0, 1.0]) if axis == "X" else np.array([1.0, 0.0, 0.0])
    along = np.array([0.0, 0.0, 1.0]) if axis == "Y" else np.array([0.0, 1.0, 0.0])
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    points = np.array([across * s * width / 2 + along * t * length / 2 for s, t in corners])
    normal = np.eye(3)["XYZ".index(axis)]
    turned = np.dot(np.cross(across, along), normal) < 0
    triangles = np.array([[0, 2, 1], [0, 3, 2]] if turned else [[0, 1, 2], [0, 2, 3]])
    return _shape(points, np.tile(normal, (4, 1)), triangles)


def sphere(radius: float) -> Shape:
    """Return a sphere."""
    return _turned(_arc(radius, 0.0, -1.0) + _arc(radius, 0.0, 1.0)[1:], "Z")


def capsule(lower: float, upper: float, height: float, axis: str) -> Shape:
    """Return a cylinder of a height between two half spheres; radii may differ."""
    return _turned(_arc(lower, -height / 2, -1.0) + _arc(upper, height / 2, 1.0), axis)


def cylinder(bottom: float, top: float, height: float, axis: str) -> Shape:
    """Return a cylinder or a truncated cone, closed at both ends; a radius of 0 makes a cone."""
    low, high = -height / 2, height / 2
    slope = np.array([height, bottom - top])
    slope /= max(float(np.linalg.norm(slope)), 1e-12)
    side = tuple(slope.tolist())
    parts = [
        [((0.0, low), (0.0, -1.0)), ((bottom, low), (0.0, -1.0))],
        [((bottom, low), side), ((top, high), side)],
        [((top, high), (0.0, 1.0)), ((0.0, high), (0.0, 1.0))],
    ]
    return joined([_turned(part, axis) for part in parts if part[0][0] != part[1][0]])


def joined(shapes: Sequence[Shape]) -> Shape:
    """Return several shapes as one."""
    offsets = np.cumsum([0, *(len(shape.points) for shape in shapes[:-1])])
    return Shape(
        np.concatenate([shape.points for shape in shapes]),
        np.concatenate([shape.normals for shape in shapes]),
        np.concatenate([shape.triangles + offset for shape, offset in zip(shapes, offsets, strict=True)]).astype(np.uint32),
    )


_Outline = list[tuple[tuple[float, float], tuple[float, float]]]
"""Points of a solid of revolution from its bottom to its top, (distance from the axis, height), each with its normal."""


def _arc(radius: float, centre: float, end: float) -> _Outline:
    """Return a quarter of a circle: from the pole at the bottom (`end` -1) to the equator, or from there to the top."""
    angles = np.linspace(-np.pi / 2, 0.0, _QUARTER + 1) if end < 0 else np.linspace(0.0, np.pi / 2, _QUARTER + 1)
    return [
        ((radius * float(np.cos(a)), centre + radius * float(np.sin(a))), (float(np.cos(a)), float(np.sin(a)))) for a in angles
    ]


def _turned(outline: _Outline, axis: str) -> Shape:
    """Turn an outline about an axis."""
    angles = np.linspace(0.0, 2 * np.pi, AROUND + 1)
    cos, sin = np.cos(angles), np.sin(angles)

    def swept(pairs: list[tuple[float, float]]) -> Floats:
        out, up = np.array(pairs).T
        shape = (len(out), AROUND + 1)
        around = (np.outer(out, cos), np.outer(out, sin), np.broadcast_to(up[:, None], shape))
        return np.stack(around, axis=-1).reshape(-1, 3)

    points, normals = swept([point for point, _ in outline]), swept([normal for _, normal in outline])
    rows, columns = np.meshgrid(np.arange(len(outline) - 1), np.arange(AROUND), indexing="ij")
    first = (rows * (AROUND + 1) + columns).ravel()
    above = first + AROUND + 1
    triangles = np.concatenate([np.stack([first, first + 1, above + 1], 1), np.stack([first, above + 1, above], 1)])
    edges = points[triangles]
    areas = np.linalg.norm(np.cross(edges[:, 1] - edges[:, 0], edges[:, 2] - edges[:, 0]), axis=1)
    turn = _TO_AXIS[axis]
    return _shape(points @ turn, normals @ turn, triangles[areas > 1e-12 * max(float(areas.max(initial=0.0)), 1e-300)])


def _shape(points: Floats, normals: Floats, triangles: Floats) -> Shape:
    return Shape(points.astype(np.float32), normals.astype(np.float32), np.ascontiguousarray(triangles, np.uint32))
