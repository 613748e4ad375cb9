"""The words of a scene: shapes, materials, and where they stand. No USD in here, and no file format."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from twind.model.digest import digest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Matrix = NDArray[np.float64]

_SHEAR = 1e-5


@dataclass(frozen=True, slots=True)
class Shape:
    """Triangles."""

    points: NDArray[np.float32]
    """(n, 3) [stage units]."""
    normals: NDArray[np.float32]
    """(n, 3) unit vectors."""
    triangles: NDArray[np.uint32]
    """(m, 3) indices of points, counter-clockwise seen from outside."""
    colors: NDArray[np.float32] | None = None
    """(n, 3) linear RGB of each point; None where the material has the colour."""

    def key(self) -> str:
        """Name the content: equal shapes are kept once."""
        parts = (self.points, self.normals, self.triangles, self.colors)
        return digest(b"|".join(b"" if part is None else np.ascontiguousarray(part).tobytes() for part in parts))

    def moved(self, matrix: Matrix) -> Shape:
        """Return it in another frame; for matrices that no translation, rotation and scale make up."""
        turn = np.linalg.inv(matrix[:3, :3]).T
        normals = self.normals @ turn
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
        points = self.points @ matrix[:3, :3] + matrix[3, :3]
        return replace(self, points=points.astype(np.float32), normals=normals.astype(np.float32))


@dataclass(frozen=True, slots=True)
class Material:
    """What a surface looks like, as far as base colours go."""

    color: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """Linear Rec. 709."""
    opacity: float = 1.0
    metallic: float = 0.0
    roughness: float = 0.6
    emission: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Piece:
    """A shape somewhere."""

    prim: str
    shape: int
    material: int
    matrix: Matrix
    """(4, 4) to the node's frame, for row vectors as in USD [stage units]."""


@dataclass(frozen=True, slots=True)
class Camera:
    """A perspective camera that looks along its own -Z."""

    prim: str
    matrix: Matrix
    yfov: float
    """[rad]"""
    aspect: float


@dataclass(frozen=True, slots=True)
class Op:
    """One factor of a node's local transform; the first is applied last."""

    name: str
    """Attribute of the live layer that has its value; empty for one that never changes."""
    value: tuple[float, ...]
    """As the live layer spells it: quaternions (x, y, z, w), matrices row by row; a matrix where there is no name."""


@dataclass(slots=True)
class Node:
    """A frame that moves, or the world."""

    prim: str
    parent: int = -1
    """Index of the node that it hangs on; -1 for the world itself."""
    mount: Matrix = field(default_factory=lambda: np.eye(4))
    """Of its USD parent, in the frame of that node."""
    local: Matrix = field(default_factory=lambda: np.eye(4))
    """Local transform now."""
    ops: tuple[Op, ...] = ()
    """How `local` comes about."""
    pieces: list[Piece] = field(default_factory=list)
    cameras: list[Camera] = field(default_factory=list)


@dataclass(slots=True)
class Scene:
    """Everything."""

    meters_per_unit: float
    up_axis: str
    nodes: list[Node] = field(default_factory=lambda: [Node("")])
    """The first is the world."""
    shapes: list[Shape] = field(default_factory=list)
    materials: list[Material] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    """Prims that are not shown though they are visible, and why."""


def sheared(matrix: Matrix) -> bool:
    """Whether no translation, rotation and scale make up a matrix."""
    axes = matrix[:3, :3]
    lengths = np.maximum(np.linalg.norm(axes, axis=1), 1e-12)
    cosines = (axes @ axes.T) / np.outer(lengths, lengths)
    return bool(np.abs(cosines - np.eye(3)).max() > _SHEAR)
