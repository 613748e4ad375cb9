"""Forward kinematics that others would use for the arms of `robots`: NumPy over all of them at once, and Pinocchio."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from twind.model.topology import Pose

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.model.topology import Joint, Robot

    Floats = NDArray[np.float64]


def _chain(robot: Robot) -> list[Joint]:
    """Return the moving joints of an arm without frames that these short versions leave out."""
    for joint in robot.joints:
        if joint.child_frame != Pose() or joint.parent_frame.orientation != Pose().orientation:
            raise ValueError(f"{joint.prim}: it turns about an axis of its own")
    return [joint for joint in robot.joints if joint.movable]


class NumpyKinematics:
    """Equal arms, link by link, all arms at once: stacked 3 x 3 products."""

    def __init__(self, robot: Robot) -> None:
        self._joints = _chain(robot)

    def place(self, angles: Floats) -> tuple[list[Floats], list[Floats]]:
        """Return the positions (R, 3) and rotations (R, 3, 3) of every link of arms that stand at `angles` (R, joints)."""
        robots = len(angles)
        sines, cosines = np.sin(angles), np.cos(angles)
        position, rotation = np.zeros((robots, 3)), np.tile(np.eye(3), (robots, 1, 1))
        positions, rotations = [], []
        for index, joint in enumerate(self._joints):
            turn = np.zeros((robots, 3, 3))
            first, second = (joint.axis + 1) % 3, (joint.axis + 2) % 3
            turn[:, joint.axis, joint.axis] = 1.0
            turn[:, first, first] = turn[:, second, second] = cosines[:, index]
            turn[:, first, second], turn[:, second, first] = -sines[:, index], sines[:, index]
            position = position + rotation @ np.array(joint.parent_frame.position)
            rotation = rotation @ turn
            positions.append(position)
            rotations.append(rotation)
        return positions, rotations


class Pinocchio:
    """Pinocchio's C++ through its Python bindings: one model of so many arms."""

    def __init__(self, robot: Robot, robots: int) -> None:
        import pinocchio

        joints = _chain(robot)
        kinds = pinocchio.JointModelRX, pinocchio.JointModelRY, pinocchio.JointModelRZ
        self._forward = pinocchio.forwardKinematics
        self._model = pinocchio.Model()
        for number in range(robots):
            parent = 0
            for joint in joints:
                stands = pinocchio.SE3(np.eye(3), np.array(joint.parent_frame.position))
                parent = self._model.addJoint(parent, kinds[joint.axis](), stands, f"{number}/{joint.name}")
        self.data = self._model.createData()

    def place(self, angles: Any) -> None:
        """Place all links at the angles of all arms in turn."""
        self._forward(self._model, self.data, angles)
