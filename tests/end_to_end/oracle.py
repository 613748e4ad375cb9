"""Independent answers to where the links are: MuJoCo for kinematics, a fresh USD stage for what was written."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import mujoco  # noqa: TID253  (an oracle is what this module is)
import numpy as np
from pxr import Usd, UsdGeom

from tests.twin.test_real_robots import mjcf

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from twind.model.topology import Robot


class Kinematics:
    """Forward kinematics of one robot by MuJoCo."""

    def __init__(self, robot: Robot) -> None:
        self._robot = robot
        self._model = mujoco.MjModel.from_xml_string(mjcf(robot))
        self._data = mujoco.MjData(self._model)

    def disagreement(self, document: Mapping[str, Any]) -> tuple[float, float]:
        """Return the largest distance [m] and angle [rad] between the links of a document and what its joints make of them."""
        for index, joint in enumerate(self._robot.joints):
            if joint.movable:
                address = self._model.jnt_qposadr[self._model.joint(str(index)).id]
                self._data.qpos[address] = document["joints"][joint.name]["position"]
        mujoco.mj_kinematics(self._model, self._data)
        distance = angle = 0.0
        for index, link in enumerate(self._robot.links):
            body, shown = self._data.body(str(index)), document["links"][link.prim]
            distance = max(distance, float(np.linalg.norm(body.xpos - shown["position"])))
            difference = np.zeros(3)
            mujoco.mju_subQuat(difference, np.array(body.xquat), np.array(shown["orientation"]))
            angle = max(angle, float(np.linalg.norm(difference)))
        return distance, angle


class Shown:
    """One robot as a USD tool sees it that opens the snapshot now."""

    def __init__(self, file: Path, robot: Robot) -> None:
        stage = Usd.Stage.Open(str(file))
        prim = stage.GetPrimAtPath(robot.prim)
        self.seq = int(prim.GetAttribute("twind:seq").Get() or 0)
        time_s = prim.GetAttribute("twind:time").Get()
        self.stamp_ns = None if time_s is None else round(time_s * 1e9)
        """Its instant, as exactly as seconds in a double say it [ns]."""
        self.joints: dict[str, float] = {}
        """Positions [rad or m]."""
        metres = UsdGeom.GetStageMetersPerUnit(stage)
        for joint in robot.joints:
            kind = "linear" if joint.kind.unit == "m" else "angular"
            attribute = stage.GetPrimAtPath(joint.prim).GetAttribute(f"state:{kind}:physics:position")
            if joint.movable and attribute and attribute.Get() is not None:
                self.joints[joint.name] = attribute.Get() * metres if kind == "linear" else math.radians(attribute.Get())
        transforms = UsdGeom.XformCache()
        self.links = {
            link.prim: np.array(transforms.GetLocalToWorldTransform(stage.GetPrimAtPath(link.prim)).ExtractTranslation())
            * metres
            for link in robot.links
        }
        """World positions [m]."""
