"""The stage that is looked at, with what discovery makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pxr import Usd, UsdPhysics

from twind.stage.structure import moving_links

if TYPE_CHECKING:
    from twind.model.topology import Topology


@dataclass(frozen=True)
class Subject:
    """A composed stage, complete or not."""

    stage: Any
    topology: Topology
    root: str
    """What it was opened from."""

    def prim(self, path: str) -> Any:
        """Return a prim of the stage."""
        return self.stage.GetPrimAtPath(path)

    @cached_property
    def prims(self) -> tuple[Any, ...]:
        """Every prim, those inside instances included."""
        return tuple(self.stage.Traverse(Usd.TraverseInstanceProxies()))

    @cached_property
    def moving(self) -> dict[str, tuple[str, ...]]:
        """Paths of the prims that are moved, by entity id and prim."""
        found = {
            robot.prim: tuple(robot.links[link].prim for link in sorted(moving_links(robot))) for robot in self.topology.robots
        }
        return found | {one.prim: (one.prim,) for one in self.topology.objects}

    @cached_property
    def robot_of(self) -> dict[str, str]:
        """Prim of the robot that each moving joint belongs to."""
        return {joint.prim: robot.prim for robot in self.topology.robots for joint in robot.joints if joint.movable}

    @cached_property
    def joints(self) -> tuple[Any, ...]:
        """Every joint prim that is enabled."""
        found = [prim for prim in self.prims if prim.IsA(UsdPhysics.Joint)]
        return tuple(prim for prim in found if UsdPhysics.Joint(prim).GetJointEnabledAttr().Get() is not False)
