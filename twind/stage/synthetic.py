"""Stages of many robots built in memory, and updates to write into them: for benchmarks and tests, no asset needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pxr import Gf, Kind, Usd, UsdGeom, UsdPhysics

from twind.model.estimates import Status
from twind.model.state import Update
from twind.model.time import NS_PER_MS

if TYPE_CHECKING:
    from twind.model.topology import Topology

_LINK_M = 0.2


def serial_robots(robots: int, *, joints: int = 7, objects: int = 0, meters_per_unit: float = 1.0) -> Any:
    """Return an in-memory stage of fixed-base serial robots with nested links, and of free objects beside them."""
    stage = Usd.Stage.CreateInMemory()
    UsdGeom.SetStageMetersPerUnit(stage, meters_per_unit)
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.z)
    UsdGeom.Xform.Define(stage, "/World")
    unit = 1 / meters_per_unit
    for number in range(robots):
        _serial_robot(stage, f"/World/robot_{number}", Gf.Vec3d(number * unit, 0, 0), joints, unit)
    for number in range(objects):
        _body(stage, f"/World/part_{number}", Gf.Vec3d(number * unit, unit, 0))
    return stage


def _serial_robot(stage: Any, path: str, at: Any, joints: int, unit: float) -> None:
    robot = UsdGeom.Xform.Define(stage, path)
    robot.AddTranslateOp().Set(at)
    Usd.ModelAPI(robot).SetKind(Kind.Tokens.component)
    link = _body(stage, f"{path}/base", Gf.Vec3d(0))
    UsdPhysics.ArticulationRootAPI.Apply(link)
    root = UsdPhysics.FixedJoint.Define(stage, f"{path}/root_joint")
    root.CreateBody0Rel().SetTargets([robot.GetPath()])
    root.CreateBody1Rel().SetTargets([link.GetPath()])
    for number in range(1, joints + 1):
        offset = Gf.Vec3d(0, 0, _LINK_M * unit)
        parent, link = link, _body(stage, f"{link.GetPath()}/link_{number}", offset)
        joint = UsdPhysics.RevoluteJoint.Define(stage, f"{path}/joint_{number}")
        joint.CreateBody0Rel().SetTargets([parent.GetPath()])
        joint.CreateBody1Rel().SetTargets([link.GetPath()])
        joint.CreateLocalPos0Attr(Gf.Vec3f(offset))
        joint.CreateAxisAttr("XYZ"[number % 3])
        joint.CreateLowerLimitAttr(-170.0)
        joint.CreateUpperLimitAttr(170.0)


def _body(stage: Any, path: str, at: Any) -> Any:
    xform = UsdGeom.Xform.Define(stage, path)
    xform.AddTranslateOp().Set(at)
    xform.AddOrientOp().Set(Gf.Quatf(1))
    UsdPhysics.RigidBodyAPI.Apply(xform.GetPrim())
    return xform.GetPrim()


def random_update(topology: Topology, *, seq: int, rng: np.random.Generator, changed: list[int] | None = None) -> Update:
    """Return an update of random values (no kinematics in it); all entities changed unless some are named."""
    entities, joints, frames = len(topology.entities), topology.n_joints, topology.n_frames
    orientation = rng.normal(size=(frames, 4))
    orientation /= np.linalg.norm(orientation, axis=1, keepdims=True)
    made_ns = 1_800_000_000_000_000_000 + seq * 33 * NS_PER_MS
    return Update(
        seq=seq,
        made_ns=made_ns,
        changed=np.array(range(entities) if changed is None else changed, np.int64),
        entity_seq=np.full(entities, seq, np.int64),
        stamp_ns=np.full(entities, made_ns - 5 * NS_PER_MS, np.int64),
        sample_ns=np.full(entities, made_ns - 8 * NS_PER_MS, np.int64),
        status=np.full(entities, Status.OK, np.uint8),
        joint_position=rng.uniform(-1, 1, joints),
        joint_velocity=rng.uniform(-1, 1, joints),
        joint_std=np.full(joints, 1e-3),
        joint_status=np.full(joints, Status.OK, np.uint8),
        limited=np.zeros(joints, np.uint8),
        position=rng.normal(size=(frames, 3)),
        orientation=orientation,
        local_translate=rng.normal(size=(frames, 3)),
        local_orient=orientation.copy(),
        position_std=np.zeros(entities),
        rotation_std=np.zeros(entities),
    )
