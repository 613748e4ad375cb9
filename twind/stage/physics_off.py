"""What to switch off so that a viewer that simulates leaves alone what is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pxr import Usd, UsdPhysics

from twind.stage.schemas import target

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twind.model.topology import Topology

BODY, JOINT, ARTICULATION = "physics:rigidBodyEnabled", "physics:jointEnabled", "physxArticulation:articulationEnabled"


def switches(stage: Any, topology: Topology) -> Iterator[tuple[str, str]]:
    """Yield (prim, attribute) of every switch of the twin's bodies, of the joints between them, and of its articulations.

    Bodies that are not of the twin go on being simulated, against bodies that do not give way.
    """
    bodies = {link.prim for robot in topology.robots for link in robot.links} | {one.prim for one in topology.objects}
    above = {str(prefix) for body in bodies for prefix in stage.GetPrimAtPath(body).GetPath().GetPrefixes()}
    joints = {joint.prim for robot in topology.robots for joint in robot.joints}
    for prim in Usd.PrimRange(stage.GetPseudoRoot(), Usd.TraverseInstanceProxies()):
        path = str(prim.GetPath())
        if path in bodies and prim.HasAPI(UsdPhysics.RigidBodyAPI):
            yield path, BODY
        if prim.IsA(UsdPhysics.Joint) and (
            path in joints or any(str(target(prim, end)) in bodies for end in ("physics:body0", "physics:body1"))
        ):
            yield path, JOINT
            joints.add(path)
        if (path in joints or path in above) and prim.HasAPI(UsdPhysics.ArticulationRootAPI):
            yield path, ARTICULATION
