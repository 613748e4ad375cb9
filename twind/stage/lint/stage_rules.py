"""Rules for the stage as a whole: its metadata, its files, and whether there is anything to follow."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from pxr import Usd, UsdGeom, UsdPhysics

from twind.stage.instances import instances_above
from twind.stage.lint import rules
from twind.stage.lint.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twind.stage.lint.rules import Rule
    from twind.stage.lint.subject import Subject

_STAGE = ("/",)


def check(subject: Subject) -> Iterator[Finding]:
    """Look at metadata, paths, entities and payloads."""
    yield from _metadata(subject.stage)
    yield from _paths(subject.stage)
    yield from _entities(subject)
    yield from _payloads(subject)


def _metadata(stage: Any) -> Iterator[Finding]:
    root = stage.GetRootLayer().pseudoRoot
    if not UsdGeom.StageHasAuthoredMetersPerUnit(stage):
        yield Finding(rules.UNITS_UNDECLARED, _STAGE, "metersPerUnit is not authored")
    elif UsdGeom.GetStageMetersPerUnit(stage) != 1.0:
        yield Finding(rules.UNITS_NOT_METRES, _STAGE, f"metersPerUnit is {UsdGeom.GetStageMetersPerUnit(stage):g}")
    if not stage.HasAuthoredMetadata("upAxis"):
        yield Finding(rules.UP_AXIS_UNDECLARED, _STAGE, "upAxis is not authored")
    elif UsdGeom.GetStageUpAxis(stage) != UsdGeom.Tokens.z:
        yield Finding(rules.UP_AXIS_NOT_Z, _STAGE, f"upAxis is {UsdGeom.GetStageUpAxis(stage)}")
    if UsdPhysics.GetStageKilogramsPerUnit(stage) != 1.0:
        yield Finding(rules.KILOGRAMS, _STAGE, f"kilogramsPerUnit is {UsdPhysics.GetStageKilogramsPerUnit(stage):g}")
    if stage.GetTimeCodesPerSecond() != 1.0:
        authored = root.HasInfo("timeCodesPerSecond") or root.HasInfo("framesPerSecond")
        said = "" if authored else ", USD's default"
        yield Finding(rules.TIME_CODES, _STAGE, f"timeCodesPerSecond is {stage.GetTimeCodesPerSecond():g}{said}")
    if not stage.HasDefaultPrim():
        yield Finding(rules.DEFAULT_PRIM, _STAGE, "defaultPrim is not authored")
    elif not stage.GetDefaultPrim():
        yield Finding(rules.DEFAULT_PRIM, _STAGE, "defaultPrim names no prim of the stage")


def _paths(stage: Any) -> Iterator[Finding]:
    named = defaultdict(set)
    for layer in stage.GetUsedLayers():
        if layer.anonymous:
            continue
        for path in layer.GetCompositionAssetDependencies():
            if path.startswith("/") or path[1:3] in (":/", ":\\"):
                named[layer.GetDisplayName()].add(path)
    for layer, paths in named.items():
        yield Finding(rules.ABSOLUTE_PATH, _STAGE, f"{layer} names {', '.join(sorted(paths))}")


def _entities(subject: Subject) -> Iterator[Finding]:
    topology = subject.topology
    if not topology.entities:
        yield Finding(rules.NO_ENTITY, _STAGE, "no prim is recognised as a robot or an object")
    by_id = defaultdict(list)
    for entity in topology.entities:
        by_id[entity.id].append(entity.prim)
    for name, paths in by_id.items():
        if len(paths) > 1:
            yield Finding(rules.DUPLICATE_ID, tuple(paths), f"the id {name!r} stands for {len(paths)} prims")
    if (
        subject.joints
        and not topology.robots
        and not any(prim.HasAPI(UsdPhysics.ArticulationRootAPI) for prim in subject.prims)
    ):
        found = f"{len(subject.joints)} joints, and no prim with PhysicsArticulationRootAPI"
        yield Finding(rules.NO_ARTICULATION, tuple(str(prim.GetPath()) for prim in subject.joints), found)
    yield from _instances(subject)


def _instances(subject: Subject) -> Iterator[Finding]:
    links = {link.prim for robot in subject.topology.robots for link in robot.links}
    inside: dict[tuple[Rule, str], int] = defaultdict(int)
    for prim in subject.prims:
        if prim.IsInstanceProxy() and prim.HasAPI(UsdPhysics.RigidBodyAPI):
            rule = rules.INSTANCED_ROBOT if str(prim.GetPath()) in links else rules.INSTANCED
            inside[rule, str(instances_above([prim])[-1].GetPath())] += 1
    for (rule, instance), count in inside.items():
        yield Finding(rule, (instance,), f"{count} rigid bodies are inside this instance")


def _payloads(subject: Subject) -> Iterator[Finding]:
    if not any(prim.HasAuthoredPayloads() for prim in subject.prims):
        return
    unloaded = Usd.Stage.Open(subject.stage.GetRootLayer(), Usd.Stage.LoadNone)
    for robot in subject.topology.robots:
        paths = [joint.prim for joint in robot.joints] + [link.prim for link in robot.links]
        gone = [path for path in paths if not unloaded.GetPrimAtPath(path)]
        if gone:
            yield Finding(rules.PAYLOAD, (robot.prim,), f"{len(gone)} links and joints of {robot.id} are behind a payload")
