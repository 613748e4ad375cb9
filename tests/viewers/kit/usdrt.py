"""`usdrt`: Fabric, as far as `IFabricHierarchy` goes; every stage that was attached has local matrices by path."""

from __future__ import annotations

from typing import Any, Self

from pxr import Usd as _Usd
from pxr import UsdGeom as _UsdGeom
from pxr import UsdUtils as _UsdUtils


class Gf:
    class Matrix4d:
        __slots__ = ("rows",)

        def __init__(self, *numbers: float) -> None:
            assert len(numbers) == 16
            self.rows = tuple(tuple(map(float, numbers[at : at + 4])) for at in range(0, 16, 4))


class Sdf:
    class Path:
        __slots__ = ("pathString",)

        def __init__(self, path: str) -> None:
            assert isinstance(path, str)
            self.pathString = path


class Usd:
    class Stage:
        __slots__ = ("_id",)

        @classmethod
        def Attach(cls, stage_id: int) -> Self:
            assert isinstance(stage_id, int)
            self = cls.__new__(cls)
            self._id = stage_id
            return self

        def GetFabricId(self) -> tuple[str, int]:
            return ("fabric", self._id)

        def GetStageIdAsStageId(self) -> tuple[str, int]:
            return ("stage", self._id)


class _Hierarchy:
    __slots__ = ("locals",)

    def __init__(self, stage_id: int) -> None:
        stage = next(one for one in _UsdUtils.StageCache.Get().GetAllStages() if _id(one) == stage_id)
        self.locals: dict[str, Gf.Matrix4d] = {}
        for prim in _Usd.PrimRange(stage.GetPseudoRoot()):
            if prim.IsA(_UsdGeom.Xformable):
                local = _UsdGeom.Xformable(prim).GetLocalTransformation()
                self.locals[str(prim.GetPath())] = Gf.Matrix4d(*(value for row in range(4) for value in local.GetRow(row)))

    def get_local_xform(self, path: Sdf.Path) -> Gf.Matrix4d:
        return self.locals[path.pathString]

    def set_local_xform(self, path: Sdf.Path, matrix: Gf.Matrix4d) -> None:
        assert path.pathString in self.locals
        assert isinstance(matrix, Gf.Matrix4d)
        self.locals[path.pathString] = matrix


def _id(stage: Any) -> int:
    number: int = _UsdUtils.StageCache.Get().GetId(stage).ToLongInt()
    return number


class hierarchy:  # noqa: N801
    populated: dict[int, _Hierarchy] = {}
    """By stage, for tests."""

    class IFabricHierarchy:
        __slots__ = ()

        def get_fabric_hierarchy(self, fabric_id: tuple[str, int], stage_id: tuple[str, int]) -> _Hierarchy:
            assert fabric_id[0] == "fabric"
            assert stage_id[0] == "stage"
            return hierarchy.populated.setdefault(stage_id[1], _Hierarchy(stage_id[1]))
