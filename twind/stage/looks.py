"""The display colours of what moves, and those that say that there is no news of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pxr import Gf, Sdf, Usd, UsdGeom, Vt

from twind.stage.instances import instances_above

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twind.model.topology import Topology

DISPLAY_COLOR = "primvars:displayColor"


@dataclass(frozen=True, slots=True)
class Look:
    """The colour of one shape."""

    prim: str
    entity: int
    fresh: Any
    """What it composes to without the live layer: an array of colours, or a block where there is none."""
    stale: Any
    """As many colours, all of them the stale one: interpolation and indices of the asset go on to hold."""


def find_looks(stage: Any, topology: Topology, stale_color: tuple[float, float, float]) -> list[Look]:
    """Return a look for every shape below the links of robots and below objects, and for every instance there."""
    owners = {
        stage.GetPrimAtPath(prim): entity
        for entity, one in enumerate(topology.entities)
        for prim in ([link.prim for link in one.links] if entity < len(topology.robots) else [one.prim])  # type: ignore[union-attr]
    }
    opened = {instance.GetPath() for instance in instances_above(owners)}
    stale = Gf.Vec3f(*stale_color)
    looks = []
    for body, entity in owners.items():
        for prim in _shapes(body, owners, opened):
            fresh = _color(prim)
            looks.append(
                Look(
                    str(prim.GetPath()),
                    entity,
                    Sdf.ValueBlock() if fresh is None else fresh,
                    Vt.Vec3fArray([stale] * (1 if fresh is None else len(fresh))),
                )
            )
    return looks


def _shapes(body: Any, bodies: dict[Any, int], opened: set[Any]) -> Iterator[Any]:
    """Walk below one body, not into other bodies and not into closed instances, whose shapes can only inherit a colour."""
    walk = iter(Usd.PrimRange(body, Usd.TraverseInstanceProxies()))
    for prim in walk:
        if prim != body and prim in bodies:
            walk.PruneChildren()
        elif prim.IsInstance() and prim.GetPath() not in opened:
            yield prim
            walk.PruneChildren()
        elif prim.IsA(UsdGeom.Gprim):
            yield prim


def _color(prim: Any) -> Any:
    """Return the colours that a prim shows, its own or inherited; None where there are none."""
    primvar = UsdGeom.PrimvarsAPI(prim).FindPrimvarWithInheritance(DISPLAY_COLOR)
    return primvar.Get(Usd.TimeCode.EarliestTime()) if primvar else None
