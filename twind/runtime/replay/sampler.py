"""The predicted state at one instant, as rows of `joints.csv` and `bodies.csv`."""

from __future__ import annotations

import csv
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np

from twind.model.estimates import Status
from twind.model.time import NO_STAMP, NS_PER_MS, ms_to_ns
from twind.twin.settle import settle_joints
from twind.twin.status import grade
from twind.twin.tables import flatten

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.config.settings import EstimationSettings
    from twind.model.topology import Topology
    from twind.runtime.estimators import Estimators, Prediction

JOINT_COLUMNS = ("sample_ns", "target_ns", "entity", "joint", "position", "velocity", "position_std", "age_ms", "status")
BODY_COLUMNS = (
    "sample_ns", "target_ns", "entity", "px", "py", "pz", "qw", "qx", "qy", "qz", "position_std", "rotation_std", "age_ms",
    "status",
)  # fmt: skip
_STATUS = [status.name.lower() for status in Status]


class Sampler:
    """Predicts as the daemon does: mimic joints follow, limits clamp, status goes by age."""

    def __init__(self, topology: Topology, estimators: Estimators, settings: EstimationSettings, *, horizon_ns: int) -> None:
        self._estimators = estimators
        self._horizon_ns = horizon_ns
        self._fresh_ns, self._coast_ns, self._lost_ns = map(ms_to_ns, (settings.fresh_ms, settings.coast_ms, settings.lost_ms))
        self._tables = flatten(topology)
        self._everything = np.arange(len(topology.entities), dtype=np.int64)
        joints = [(robot.id, joint) for robot in topology.robots for joint in robot.joints]
        self._movable = np.array([joint.movable for _, joint in joints], np.bool_)
        self._joint_names = [_csv(robot, joint.name) for robot, joint in joints]
        self._body_names = [_csv(entity.id) for entity in topology.entities]
        self._joint_status = np.zeros(len(joints), np.uint8)
        self._sampled_status = np.zeros(len(joints), np.uint8)
        self._limited = np.zeros(len(joints), np.uint8)
        self._body_status = np.zeros(len(topology.entities), np.uint8)
        self._estimate = np.zeros((3, len(joints)))
        self._shown = tuple(np.zeros(len(joints)) for _ in range(3))

    def predict(self, sample_ns: int) -> Prediction:
        """Predict everything from one instant to the horizon beyond it."""
        return self._estimators.predict_to(sample_ns + self._horizon_ns)

    def rows(self, sample_ns: int, prediction: Prediction) -> tuple[list[str], list[str]]:
        """Return the rows of joints and of bodies for what was predicted at one instant; what was never measured has none."""
        target_ns = sample_ns + self._horizon_ns
        head = f"{sample_ns},{target_ns},"
        joint_ns = self._estimators.joints.live_ns
        self._grade(joint_ns, sample_ns, self._sampled_status)
        body_ns = self._estimators.poses.live_ns
        self._grade(body_ns, sample_ns, self._body_status)
        estimate = self._estimate
        estimate[0], estimate[1], estimate[2] = prediction.joint_position, prediction.joint_velocity, prediction.joint_std
        position, velocity, std = self._shown
        settle_joints(
            self._tables,
            self._everything,
            self._body_status,
            joint_ns,
            self._sampled_status,
            estimate,
            position,
            velocity,
            std,
            self._joint_status,
            self._limited,
        )
        seen = np.flatnonzero((joint_ns != NO_STAMP) & self._movable)
        columns = (position[seen].tolist(), velocity[seen].tolist(), std[seen].tolist(), _age_ms(sample_ns, joint_ns[seen]))
        joints = [
            f"{head}{self._joint_names[row]},{p!r},{v!r},{s!r},{age!r},{_STATUS[status]}\n"
            for row, status, p, v, s, age in zip(seen.tolist(), self._joint_status[seen].tolist(), *columns, strict=True)
        ]
        return joints, self._bodies(head, sample_ns, body_ns, prediction)

    def _grade(self, newest_ns: NDArray[np.int64], now_ns: int, status: NDArray[np.uint8]) -> None:
        grade(newest_ns, now_ns, self._fresh_ns, self._coast_ns, self._lost_ns, status)

    def _bodies(self, head: str, sample_ns: int, body_ns: NDArray[np.int64], prediction: Prediction) -> list[str]:
        seen = np.flatnonzero(body_ns != NO_STAMP)
        if not seen.size:
            return []
        numbers = np.column_stack(
            (prediction.body_position, prediction.body_orientation, prediction.position_std, prediction.rotation_std)
        )[seen].tolist()
        ages, statuses = _age_ms(sample_ns, body_ns[seen]), self._body_status[seen].tolist()
        return [
            f"{head}{self._body_names[row]},{','.join(map(repr, values))},{age!r},{_STATUS[status]}\n"
            for row, values, age, status in zip(seen.tolist(), numbers, ages, statuses, strict=True)
        ]


def _age_ms(now_ns: int, stamps_ns: NDArray[np.int64]) -> list[float]:
    ages: list[float] = ((now_ns - stamps_ns) / NS_PER_MS).tolist()
    return ages


def _csv(*fields: str) -> str:
    """Quote fields where they need it."""
    line = StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()
