"""Rules for the transforms of prims that are moved."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from pxr import Usd, UsdGeom

from twind.model.topology import Precision
from twind.stage.lint import rules
from twind.stage.lint.findings import Finding
from twind.stage.space import placement
from twind.stage.xform_ops import precisions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twind.stage.lint.rules import Rule
    from twind.stage.lint.subject import Subject

_PLAIN = {"xformOp:translate", "xformOp:orient"}
_IDENTITY = 1e-6


def check(subject: Subject) -> Iterator[Finding]:
    """Look at ops, scale, precision and animation, one finding per rule and robot, and per rule for all objects."""
    found: dict[tuple[str, Rule, str], list[str]] = defaultdict(list)
    objects = {one.prim for one in subject.topology.objects}
    for entity, paths in subject.moving.items():
        for path in paths:
            for rule, what in _of_prim(subject.prim(path)):
                found["" if entity in objects else entity, rule, what].append(path)
        yield from _above(subject, entity, set(paths))
    for (_, rule, what), prims in found.items():
        yield Finding(rule, tuple(prims), what)


def _of_prim(prim: Any) -> Iterator[tuple[Rule, str]]:
    xformable = UsdGeom.Xformable(prim)
    ops = xformable.GetOrderedXformOps()
    names = [str(op.GetOpName()) for op in ops]
    local = placement(xformable.GetLocalTransformation(Usd.TimeCode.EarliestTime()), 1.0)
    if not local.upright:
        yield rules.SHEARED, "its own transform shears, mirrors or flattens"
    elif max(abs(part - 1) for part in local.scale) > _IDENTITY:
        yield rules.SCALED, f"scaled by ({', '.join(f'{part:g}' for part in local.scale)})"
    elif not set(names) <= _PLAIN:
        yield rules.OPS, f"its ops are {', '.join(name.removeprefix('xformOp:') for name in names)}"
    translate, orient = precisions(prim)
    if Precision.HALF in (translate, orient):
        yield rules.HALF, "translate or orient is half precision"
    elif orient is Precision.FLOAT:
        named = "xformOp:orient" in names
        yield rules.SINGLE, "orient is a quatf" if named else "it has no orient; twind adds one that is a quatf"
    if any(op.GetNumTimeSamples() for op in ops):
        yield rules.SAMPLES, "its transform has time samples"


def _above(subject: Subject, entity: str, moved: set[str]) -> Iterator[Finding]:
    """Look at what carries the entity, up to the world."""
    carriers = {path: subject.prim(path).GetParent() for path in sorted(moved)}
    animated = set()
    for prim in carriers.values():
        while prim and not prim.IsPseudoRoot():
            if str(prim.GetPath()) not in moved and prim.IsA(UsdGeom.Xformable) and _sampled(prim):
                animated.add(str(prim.GetPath()))
            prim = prim.GetParent()  # noqa: PLW2901
    if animated:
        yield Finding(rules.CARRIED, tuple(sorted(animated)), f"carries {entity} and has time samples")


def _sampled(prim: Any) -> bool:
    return any(op.GetNumTimeSamples() for op in UsdGeom.Xformable(prim).GetOrderedXformOps())
