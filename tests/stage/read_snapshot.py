"""Open a twin's snapshot over and over, as a viewer in another process would, and print what it says of each robot.

It knows nothing of twind: links are where the joints' own relationships, frames and states put them, or they are not.
"""

from __future__ import annotations

import json
import sys

import numpy as np
from pxr import Gf, Sdf, Usd, UsdGeom, UsdPhysics


def main(path: str, count: int) -> None:
    stage = Usd.Stage.Open(path)
    for _ in range(count):
        Sdf.Layer.ReloadLayers(set(stage.GetUsedLayers()), force=True)
        sys.stdout.write(json.dumps(read(stage)) + "\n")


def read(stage: Usd.Stage) -> dict[str, object]:
    """Return seq, joint positions by row, and by how much links miss what the joints give."""
    (seq,) = {prim.GetAttribute("twind:seq").Get() for prim in stage.Traverse() if prim.HasAttribute("twind:seq")}
    cache = UsdGeom.XformCache()
    positions, apart_m, apart_rad = {}, 0.0, 0.0
    for robot in range(2):
        for number in range(1, 6):
            joint = UsdPhysics.RevoluteJoint(stage.GetPrimAtPath(f"/World/robot_{robot}/joint_{number}"))
            position = joint.GetPrim().GetAttribute("state:angular:physics:position").Get()
            positions[robot * 6 + number] = position
            body0, body1 = (
                stage.GetPrimAtPath(relation.GetTargets()[0]) for relation in (joint.GetBody0Rel(), joint.GetBody1Rel())
            )
            axis = Gf.Vec3d(*(float(letter == joint.GetAxisAttr().Get()) for letter in "XYZ"))
            turned = Gf.Matrix4d().SetRotate(Gf.Rotation(axis, position))
            expected = turned * Gf.Matrix4d().SetTranslate(Gf.Vec3d(joint.GetLocalPos0Attr().Get()))
            expected *= cache.GetLocalToWorldTransform(body0)
            difference = np.array(expected) - np.array(cache.GetLocalToWorldTransform(body1))
            apart_m = max(apart_m, float(np.abs(difference[3]).max()))
            apart_rad = max(apart_rad, float(np.abs(difference[:3]).max()))
    return {"seq": seq, "positions": positions, "apart_m": apart_m, "apart_rad": apart_rad}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
