"""Forward kinematics of real assets and of the demo cell against plain matrices from the same stages."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pxr import Gf, Usd, UsdGeom, UsdPhysics

from twind.runtime.documents import entity_document
from twind.stage.live import LiveStage
from twind.twin.state import Twin

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Matrix = NDArray[np.float64]

CELL = Path(__file__).parents[2] / "stages" / "demo_cell" / "cell.usda"
NOW_NS = 1_800_000_000_000_000_000


class Oracle:
    """The links of a stage in plain matrices (column vectors, stage units), by its joints' own attributes."""

    def __init__(self, stage: Any) -> None:
        self.stage = stage
        self.transforms = UsdGeom.XformCache()
        joints = (prim for prim in stage.Traverse() if prim.IsA(UsdPhysics.Joint))
        self.joint_of = {str(self._body(prim, "1").GetPath()): prim for prim in joints}

    def _body(self, joint: Any, end: str) -> Any:
        targets = joint.GetRelationship(f"physics:body{end}").GetForwardedTargets()
        return self.stage.GetPrimAtPath(targets[0]) if targets else None

    def position(self, prim: Any, drawn: dict[str, float]) -> float:
        """Return a joint's position [deg or stage units], a follower's by what it follows."""
        leader = prim.GetRelationship("newton:mimicJoint")
        if leader and leader.GetForwardedTargets():
            multiplier, offset = (prim.GetAttribute(f"newton:mimicCoef{term}").Get() for term in (1, 0))
            followed = self.position(self.stage.GetPrimAtPath(leader.GetForwardedTargets()[0]), drawn)
            return (1.0 if multiplier is None else multiplier) * followed + (offset or 0.0)
        return drawn[str(prim.GetPath())]

    def world(self, path: str, drawn: dict[str, float], bases: dict[str, Matrix]) -> Matrix:
        """Return a body's pose; `bases` has those of the bodies that no joint holds."""
        if path in bases:
            return bases[path]
        joint = self.joint_of.get(path)
        held = None if joint is None else self._body(joint, "0")
        if held is None or not held.HasAPI(UsdPhysics.RigidBodyAPI):
            return np.array(self.transforms.GetLocalToWorldTransform(self.stage.GetPrimAtPath(path))).T
        motion = np.eye(4)
        if not joint.IsA(UsdPhysics.FixedJoint):
            axis = np.eye(3)["XYZ".index(joint.GetAttribute("physics:axis").Get())]
            at = self.position(joint, drawn)
            motion = rotation(axis, np.radians(at)) if joint.IsA(UsdPhysics.RevoluteJoint) else translation(axis * at)
        return self.world(str(held.GetPath()), drawn, bases) @ frame(joint, "0") @ motion @ np.linalg.inv(frame(joint, "1"))


def frame(joint: Any, end: str) -> Matrix:
    turn = joint.GetAttribute(f"physics:localRot{end}").Get()
    imaginary = np.array([*turn.imaginary], float)
    angle = 2 * np.arctan2(np.linalg.norm(imaginary), turn.real)
    return translation(np.array(joint.GetAttribute(f"physics:localPos{end}").Get(), float)) @ rotation(imaginary, angle)


def translation(by: Matrix) -> Matrix:
    matrix = np.eye(4)
    matrix[:3, 3] = by
    return matrix


def rotation(axis: Matrix, angle: float) -> Matrix:
    """Rodrigues' formula."""
    matrix = np.eye(4)
    if np.any(axis):
        x, y, z = axis / np.linalg.norm(axis)
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        matrix[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return matrix


@pytest.mark.parametrize("name", ["panda", "iiwa14", "double_pendulum", "demo_cell"])
def test_links_are_where_plain_matrices_have_them_and_where_the_stage_shows_them(request: Any, name: str) -> None:
    root = CELL if name == "demo_cell" else request.getfixturevalue("data_dir") / "robots" / name / f"{name}.usda"
    live = LiveStage.open(str(root), instance="test")
    topology = live.topology
    oracle = Oracle(Usd.Stage.Open(str(root)))
    assert UsdGeom.GetStageMetersPerUnit(oracle.stage) == 1.0
    twin = Twin(topology, fresh_ns=10, coast_ns=20, lost_ns=30)
    rng = np.random.default_rng(11)
    joints = [joint for robot in topology.robots for joint in robot.joints]
    entities = len(topology.entities)
    for number in range(10):
        at = [float(rng.uniform(max(joint.lower, -2.5), min(joint.upper, 2.5))) for joint in joints]
        drawn = {one.prim: q if one.kind.unit == "m" else np.degrees(q) for one, q in zip(joints, at, strict=True)}
        body_position, body_orientation = rng.normal(size=(entities, 3)), rng.normal(size=(entities, 4))
        bases = {}
        for index, one in enumerate(topology.entities):
            robot = index < len(topology.robots)
            if not robot or one.floating:
                w, *imaginary = body_orientation[index]
                turn = rotation(np.array(imaginary), 2 * np.arctan2(np.linalg.norm(imaginary), w))
                bases[one.links[one.base].prim if robot else one.prim] = translation(body_position[index]) @ turn
        update = twin.advance(
            now_ns=NOW_NS + number,
            target_ns=np.full(entities, NOW_NS + number),
            sample_ns=np.full(entities, NOW_NS + number),
            joint_position=np.array(at),
            joint_velocity=np.zeros(len(at)),
            joint_std=np.zeros(len(at)),
            joint_sample_ns=np.full(len(at), NOW_NS + number),
            body_position=body_position,
            body_orientation=body_orientation,
            body_position_std=np.zeros(entities),
            body_rotation_std=np.zeros(entities),
            posed=np.ones(entities, np.uint8),
        )
        live.write(update)
        shown = UsdGeom.XformCache()
        for one in topology.entities:
            document = entity_document(topology, update, NOW_NS + number, one.id)
            for prim, pose in (document["links"] if "links" in document else {one.prim: document["pose"]}).items():
                expected = oracle.world(prim, drawn, bases)
                assert np.linalg.norm(np.array(pose["position"]) - expected[:3, 3]) < 1e-9
                axes = np.array(Gf.Matrix3d(Gf.Quatd(*pose["orientation"]))).T
                assert np.linalg.norm(axes - expected[:3, :3]) / np.sqrt(2) < 1e-9
                composed = np.array(shown.GetLocalToWorldTransform(live.stage.GetPrimAtPath(prim)).ExtractTranslation())
                assert np.linalg.norm(composed - pose["position"]) < 1e-5
    live.close()
