"""The predicted states, as rows of `joints.csv` and `bodies.csv`."""

from __future__ import annotations

import csv
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np

from twind.model.estimates import Status
from twind.model.time import NO_STAMP, NS_PER_MS, ms_to_ns
from twind.runtime.replay.numerals import numerals
from twind.twin.settle import settle_instants
from twind.twin.status import grade_instants
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
_MAX_ROWS = 4096
"""Joints or bodies, times instants, that are collected before they are written."""
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
        movable = np.array([joint.movable for _, joint in joints], np.bool_)
        joint_names = [_csv(robot, joint.name) for robot, joint in joints]
        body_names = [_csv(entity.id) for entity in topology.entities]
        self._capacity = max(1, _MAX_ROWS // max(1, len(joint_names), len(body_names)))
        self._joint_rows = _Rows(joint_names, movable, numbers=3, capacity=self._capacity)
        self._body_rows = _Rows(body_names, np.ones(len(body_names), np.bool_), numbers=9, capacity=self._capacity)
        self._sampled_ns: list[int] = []
        self._estimate = np.zeros((self._capacity, 3, len(joints)))
        self._limited = np.zeros(len(joints), np.uint8)

    def predict(self, sample_ns: int) -> Prediction:
        """Predict everything from one instant to the horizon beyond it."""
        return self._estimators.predict_to(sample_ns + self._horizon_ns)

    def add(self, sample_ns: int, prediction: Prediction) -> bool:
        """Note what was predicted at one instant; return whether it is time to `take_rows`."""
        place, bodies, estimate = len(self._sampled_ns), self._body_rows, self._estimate[len(self._sampled_ns)]
        estimate[0], estimate[1], estimate[2] = prediction.joint_position, prediction.joint_velocity, prediction.joint_std
        self._joint_rows.newest_ns[place] = self._estimators.joints.live_ns
        bodies.newest_ns[place] = self._estimators.poses.live_ns
        bodies.numbers[:3, place], bodies.numbers[3:7, place] = prediction.body_position.T, prediction.body_orientation.T
        bodies.numbers[7, place], bodies.numbers[8, place] = prediction.position_std, prediction.rotation_std
        self._sampled_ns.append(sample_ns)
        return len(self._sampled_ns) == self._capacity

    def take_rows(self) -> tuple[str, str]:
        """Return the rows of joints and of bodies for all instants since the last call; what was never measured has none."""
        sampled_ns, self._sampled_ns = self._sampled_ns, []
        self._settle(np.array(sampled_ns, np.int64))
        return self._joint_rows.text(sampled_ns, self._horizon_ns), self._body_rows.text(sampled_ns, self._horizon_ns)

    def _settle(self, sampled_ns: NDArray[np.int64]) -> None:
        """Make what is shown of what was predicted, for all instants at once."""
        count, joints, bodies = len(sampled_ns), self._joint_rows, self._body_rows
        ages = (self._fresh_ns, self._coast_ns, self._lost_ns)
        sampled_status = np.empty_like(joints.status[:count])
        grade_instants(joints.newest_ns, sampled_ns, *ages, sampled_status)
        grade_instants(bodies.newest_ns, sampled_ns, *ages, bodies.status)
        settle_instants(
            self._tables,
            self._everything,
            bodies.status,
            joints.newest_ns[:count],
            sampled_status,
            self._estimate,
            joints.numbers,
            joints.status,
            self._limited,
        )


class _Rows:
    """What is to be written of some instants: N columns of numbers, newest samples and status, of R rows each."""

    def __init__(self, names: list[str], written: NDArray[np.bool_], *, numbers: int, capacity: int) -> None:
        self.numbers = np.zeros((numbers, capacity, len(names)))
        self.newest_ns = np.full((capacity, len(names)), NO_STAMP, np.int64)
        self.status = np.zeros((capacity, len(names)), np.uint8)
        self._names = names
        self._written = written

    def text(self, sampled_ns: list[int], horizon_ns: int) -> str:
        """Write the rows of the first instants, those of one after those of the other."""
        count = len(sampled_ns)
        newest_ns = self.newest_ns[:count]
        instants, rows = np.nonzero((newest_ns != NO_STAMP) & self._written)
        age_ms = (np.array(sampled_ns, np.int64)[instants] - newest_ns[instants, rows]) / NS_PER_MS
        heads = [f"{instant},{instant + horizon_ns}," for instant in sampled_ns]
        columns = [*(numerals(column[instants, rows]) for column in self.numbers), numerals(age_ms)]
        return "".join(
            f"{heads[instant]}{self._names[row]},{','.join(values)},{_STATUS[status]}\n"
            for instant, row, status, *values in zip(
                instants.tolist(), rows.tolist(), self.status[instants, rows].tolist(), *columns, strict=True
            )
        )


def _csv(*fields: str) -> str:
    """Quote fields where they need it."""
    line = StringIO()
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()
