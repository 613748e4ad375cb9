"""How a prim's transform is spelled, and how the live layer overrides it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pxr import Gf, Sdf, Usd, UsdGeom

from twind.model.errors import StageError
from twind.model.topology import Precision
from twind.stage.encoders import euler_degrees
from twind.stage.poses import rotate
from twind.stage.space import Placement, placement

if TYPE_CHECKING:
    from twind.model.topology import Pose, Vec3

TRANSLATE, ORIENT, SCALE, TRANSFORM = "xformOp:translate", "xformOp:orient", "xformOp:scale", "xformOp:transform"
EULER = tuple(f"xformOp:rotate{order}" for order in ("XYZ", "XZY", "YXZ", "YZX", "ZXY", "ZYX"))
"""Three angles [deg]; the axis named first is turned about first."""
ORDER, RESET = "xformOpOrder", "!resetXformStack!"
_PRECISIONS = {
    TRANSLATE: (Sdf.ValueTypeNames.Double3, Sdf.ValueTypeNames.Float3, Sdf.ValueTypeNames.Half3),
    ORIENT: (Sdf.ValueTypeNames.Quatf, Sdf.ValueTypeNames.Quatd, Sdf.ValueTypeNames.Quath),
    SCALE: (Sdf.ValueTypeNames.Float3, Sdf.ValueTypeNames.Double3, Sdf.ValueTypeNames.Half3),
    **dict.fromkeys(EULER, (Sdf.ValueTypeNames.Float3, Sdf.ValueTypeNames.Double3, Sdf.ValueTypeNames.Half3)),
}
"""Types that each op may have; the first is what a new one gets."""
_LOSSES = {
    Sdf.ValueTypeNames.Double3: Precision.EXACT,
    Sdf.ValueTypeNames.Float3: Precision.FLOAT,
    Sdf.ValueTypeNames.Half3: Precision.HALF,
    Sdf.ValueTypeNames.Quatd: Precision.DOUBLE,
    Sdf.ValueTypeNames.Quatf: Precision.FLOAT,
    Sdf.ValueTypeNames.Quath: Precision.HALF,
}


@dataclass(frozen=True, slots=True)
class Pivot:
    """What constant ops around a rotation R do to the position [stage units]: it is `translate + outer + R inner`."""

    outer: Vec3 = (0.0, 0.0, 0.0)
    """Moves between `translate` and the rotation."""
    inner: Vec3 = (0.0, 0.0, 0.0)
    """Where what comes after the rotation puts the origin."""


@dataclass(frozen=True, slots=True)
class Ops:
    """How one prim's transform is written."""

    types: dict[str, Any]
    """Value type of each op that is written: translate and a rotation, or transform."""
    order: tuple[str, ...] | None
    """A new op order to author once; None leaves the prim's own."""
    scale: Vec3
    """The prim's own scale, which stays as it is."""
    local: Pose
    """Local transform as authored, in stage units."""
    pivot: Pivot = Pivot()
    """What `translate` must make up for."""


def plan_ops(prim: Any) -> Ops:
    """Decide how to override a prim's transform.

    `translate` with `orient` or three Euler angles (`rotateXYZ` and the other orders), with or without pivots and scales, is
    kept, and so is a lone `transform`. Anything else (angles about one axis, several rotations, no ops at all) is replaced in
    the live layer by `translate, orient` and, where there is one, `scale`.

    Raises:
        StageError: The prim's own transform shears or mirrors, so that no translation, rotation and scale equal it.
    """
    xformable = UsdGeom.Xformable(prim)
    names = _names(xformable)
    local = placement(xformable.GetLocalTransformation(Usd.TimeCode.EarliestTime()), 1.0)
    if not local.upright:
        raise StageError(f"{prim.GetPath()}: its own transform shears or mirrors; give it translate, orient and scale ops")
    if names == [TRANSFORM]:
        return Ops({TRANSFORM: Sdf.ValueTypeNames.Matrix4d}, None, local.scale, local.pose)
    turn = _rotation(xformable)
    if turn is not None:
        kept = {name: _type(prim, name) for name in (TRANSLATE, turn)}
        return Ops(kept, None, local.scale, local.pose, _pivot(xformable, turn))
    types = {name: _type(prim, name) for name in (TRANSLATE, ORIENT)}
    order = [RESET] if xformable.GetResetXformStack() else []
    order += [TRANSLATE, ORIENT]
    if not _is_one(local):
        order.append(SCALE)
        types[SCALE] = _type(prim, SCALE)
    return Ops(types, tuple(order), local.scale, local.pose)


def precisions(prim: Any) -> tuple[Precision, Precision]:
    """Return how exactly `plan_ops` lets a prim's position and orientation be written.

    Angles count as exact: what floats lose of them (0.13 urad) is less than any quaternion of floats does.
    """
    if not prim.IsA(UsdGeom.Xformable):
        return Precision.EXACT, Precision.EXACT
    xformable = UsdGeom.Xformable(prim)
    if _names(xformable) == [TRANSFORM]:
        return Precision.EXACT, Precision.EXACT
    turn = Precision.EXACT if _rotation(xformable) in EULER else _LOSSES[_type(prim, ORIENT)]
    return _LOSSES[_type(prim, TRANSLATE)], turn


def initial_values(ops: Ops) -> dict[str, Any]:
    """Return the value of each op at the authored transform."""
    w, x, y, z = ops.local.orientation
    rotation = Gf.Quatd(w, x, y, z)
    matrix = Gf.Matrix4d().SetScale(Gf.Vec3d(*ops.scale)) * Gf.Matrix4d().SetRotate(rotation)
    matrix.SetTranslateOnly(Gf.Vec3d(*ops.local.position))
    turned = rotate(ops.local.orientation, ops.pivot.inner)
    values = {
        TRANSLATE: Gf.Vec3d(*ops.local.position) - Gf.Vec3d(*ops.pivot.outer) - Gf.Vec3d(*turned),
        ORIENT: rotation,
        SCALE: Gf.Vec3d(*ops.scale),
        TRANSFORM: matrix,
    } | {name: Gf.Vec3d(*euler_degrees([ops.local.orientation], name[-3:])[0].tolist()) for name in ops.types if name in EULER}
    return {name: type_name.type.pythonClass(values[name]) for name, type_name in ops.types.items()}


def _rotation(xformable: Any) -> str | None:
    """Return the op that turns a prim whose ops are kept: `translate`, moves, that op, and then only moves and scales."""
    ops = xformable.GetOrderedXformOps()
    names = _names(xformable)
    turns = [name for name in names if name in (ORIENT, *EULER)]
    if names[:1] != [TRANSLATE] or names.count(TRANSLATE) != 1 or len(turns) != 1:
        return None
    at = names.index(turns[0])
    moves, scales = UsdGeom.XformOp.TypeTranslate, UsdGeom.XformOp.TypeScale
    outer = all(op.GetOpType() == moves for op in ops[1:at])
    inner = all(op.GetOpType() in (moves, scales) for op in ops[at + 1 :])
    return turns[0] if outer and inner else None


def _pivot(xformable: Any, turn: str) -> Pivot:
    ops, at = xformable.GetOrderedXformOps(), _names(xformable).index(turn)
    outer, inner = (_product(part).ExtractTranslation() for part in (ops[1:at], ops[at + 1 :]))
    return Pivot(tuple(outer), tuple(inner))


def _product(ops: list[Any]) -> Any:
    """Return what ops make together, as a row-vector matrix: the last of them is applied first."""
    matrix = Gf.Matrix4d(1)
    for op in ops:
        matrix = op.GetOpTransform(Usd.TimeCode.EarliestTime()) * matrix
    return matrix


def _names(xformable: Any) -> list[str]:
    return [str(op.GetOpName()) for op in xformable.GetOrderedXformOps()]


def _type(prim: Any, name: str) -> Any:
    attribute = prim.GetAttribute(name)
    existing = attribute.GetTypeName() if attribute else None
    return existing if existing in _PRECISIONS[name] else _PRECISIONS[name][0]


def _is_one(local: Placement) -> bool:
    return max(abs(part - 1.0) for part in local.scale) < 1e-9  # noqa: PLR2004  (exactly one, but for rounding)
