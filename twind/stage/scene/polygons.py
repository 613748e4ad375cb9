"""Polygons to triangles, with normals where the asset has none. Arrays only, no USD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twind.stage.scene.parts import Shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.stage.scene.parts import Floats

    Ints = NDArray[np.int64]

CREASE_COS = float(np.cos(np.radians(40.0)))
"""Where faces meet at a sharper angle than this, the edge is shown as one."""
_STEPS = 32000.0
"""Normals and colours that differ by less than one such part are the same."""


@dataclass(frozen=True, slots=True)
class Polygons:
    """Faces of any number of corners. A *corner* is one vertex of one face, numbered through all faces."""

    points: Floats
    """(n, 3)"""
    counts: Ints
    """(f,) corners of each face."""
    indices: Ints
    """(c,) the point of each corner."""

    @property
    def sound(self) -> bool:
        """Whether the arrays belong together."""
        return (
            len(self.counts) > 0
            and int(self.counts.min()) >= 0
            and int(self.counts.sum()) == len(self.indices)
            and len(self.indices) > 0
            and int(self.indices.min()) >= 0
            and int(self.indices.max()) < len(self.points)
            and bool(np.isfinite(self.points).all())
        )

    def first_corners(self) -> Ints:
        """Return the first corner of each face, (f,)."""
        return np.concatenate([[0], np.cumsum(self.counts)[:-1]]).astype(np.int64)

    def face_of_corner(self) -> Ints:
        """Return (c,)."""
        return np.repeat(np.arange(len(self.counts)), self.counts)

    def triangles(self, faces: Ints) -> Ints:
        """Return the corners of the triangles that some faces fall into, (m, 3), each face as a fan."""
        first, counts, parts = self.first_corners()[faces], self.counts[faces], []
        for count in np.unique(counts):
            if count >= 3:  # noqa: PLR2004  (a triangle)
                of_count = first[counts == count]
                fan = np.stack([np.zeros(count - 2, np.int64), np.arange(1, count - 1), np.arange(2, count)], axis=1)
                parts.append((of_count[:, None, None] + fan).reshape(-1, 3))
        return np.concatenate(parts) if parts else np.empty((0, 3), np.int64)

    def corner_normals(self) -> Floats:
        """Return (c, 3): smooth, but for edges that are sharp."""
        triangles = self.triangles(np.arange(len(self.counts)))
        a, b, c = (self.points[self.indices[triangles[:, side]]] for side in range(3))
        areas, face_of = np.cross(b - a, c - a), self.face_of_corner()
        of_face, of_point = np.zeros((len(self.counts), 3)), np.zeros((len(self.points), 3))
        np.add.at(of_face, face_of[triangles[:, 0]], areas)
        flat = _unit(of_face)[face_of]
        np.add.at(of_point, self.indices, of_face[face_of])
        smooth = _unit(of_point)[self.indices]
        sharp = np.einsum("ij,ij->i", smooth, flat) < CREASE_COS
        return np.where(sharp[:, None], flat, smooth)


def shape_of(
    polygons: Polygons, faces: Ints, normals: Floats, *, colors: Floats | None = None, left_handed: bool = False
) -> Shape | None:
    """Return some faces as triangles; corners that are alike share a point.

    Args:
        polygons: All faces.
        faces: Which of them.
        normals: (c, 3) of each corner.
        colors: (c, 3) of each corner, linear.
        left_handed: Whether faces are clockwise, seen from outside.
    """
    triangles = polygons.triangles(faces)
    if not len(triangles):
        return None
    corners = triangles.ravel()
    columns = [polygons.indices[corners, None], np.rint(normals[corners] * _STEPS).astype(np.int64)]
    if colors is not None:
        columns.append(np.rint(colors[corners] * _STEPS).astype(np.int64))
    keys = np.ascontiguousarray(np.concatenate(columns, axis=1).astype(np.int32))
    _, kept, places = np.unique(
        keys.view(np.dtype((np.void, keys.shape[1] * 4))).ravel(), return_index=True, return_inverse=True
    )
    order = np.argsort(kept)  # points in the order in which they came
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    shown = corners[kept[order]]
    found = rank[places].reshape(-1, 3)
    return Shape(
        polygons.points[polygons.indices[shown]].astype(np.float32),
        _unit(normals[shown]).astype(np.float32),
        np.ascontiguousarray(found[:, ::-1] if left_handed else found, np.uint32),
        None if colors is None else colors[shown].astype(np.float32),
    )


def _unit(vectors: Floats) -> Floats:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.where(lengths > 0, vectors / np.where(lengths > 0, lengths, 1.0), np.array([0.0, 0.0, 1.0]))
