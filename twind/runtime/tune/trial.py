"""Trials: what given settings would have predicted, each prediction from only what had arrived by then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twind.model.time import NS_PER_MS
from twind.runtime.estimators import Estimators

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.config.settings import EstimationSettings
    from twind.model.topology import Topology
    from twind.runtime.tune.decoded import Decoded

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

HORIZONS_MS = (20, 50, 100, 200)


@dataclass(frozen=True, slots=True)
class Predicted:
    """H horizons, I instants, J joints, E entities."""

    joints: Floats
    """(H, I, J) [rad or m]."""
    position: Floats
    """(H, I, E, 3) [m]."""
    orientation: Floats
    """(H, I, E, 4) (w, x, y, z)."""


class Trials:
    """Feeds one decoded recording to estimators with any settings."""

    def __init__(self, topology: Topology, decoded: Decoded) -> None:
        self._topology = topology
        self._decoded = decoded

    def predicted(self, settings: EstimationSettings, instants_ns: Ints) -> Predicted:
        """Predict from each instant, ascending on the receive clock [ns], over every horizon."""
        trial = Trial(self._topology, self._decoded, settings)
        shape = (len(HORIZONS_MS), len(instants_ns))
        entities = len(self._topology.entities)
        found = Predicted(
            np.empty((*shape, self._topology.n_joints)), np.empty((*shape, entities, 3)), np.empty((*shape, entities, 4))
        )
        of_joints = np.searchsorted(self._decoded.joints.receive_ns, instants_ns, side="right").tolist()
        of_bodies = np.searchsorted(self._decoded.bodies.receive_ns, instants_ns, side="right").tolist()
        joint = body = 0
        for index, instant in enumerate(instants_ns.tolist()):
            joint = trial.use_joints(joint, of_joints[index])
            body = trial.use_bodies(body, of_bodies[index])
            for place, horizon in enumerate(HORIZONS_MS):
                state = trial.estimators.predict_to(instant + horizon * NS_PER_MS)
                found.joints[place, index] = state.joint_position
                found.position[place, index] = state.body_position
                found.orientation[place, index] = state.body_orientation
        return found


class Trial:
    """One pass over the recording."""

    def __init__(self, topology: Topology, decoded: Decoded, settings: EstimationSettings) -> None:
        self.estimators = Estimators(topology, settings)
        for layout in decoded.layouts:
            self.estimators.new_layout(layout)
        self.nis = np.full(len(decoded.joints.position), np.nan)
        """Of every joint position used so far."""
        self.body_nis = np.full(len(decoded.bodies.t_ns), np.nan)
        """Of every sample of a body used so far."""
        self._joints = decoded.joints
        self._bodies = decoded.bodies

    def use_joints(self, start: int, end: int) -> int:
        """Take some messages in; return where the next ones begin."""
        if end > start:
            given = self._joints
            offset = given.offset[start : end + 1]
            values = slice(int(offset[0]), int(offset[-1]))
            self.estimators.joints.ingest(
                given.layout[start:end], given.t_ns[start:end], given.sigma_t[start:end], given.skip[start:end],
                offset - offset[0], given.position[values], np.empty(values.stop - values.start, np.uint8), self.nis[values],
                rates=given.velocity[values],
            )  # fmt: skip
        return end

    def use_bodies(self, start: int, end: int) -> int:
        """Take some samples in; return where the next ones begin."""
        if end > start:
            part, given = slice(start, end), self._bodies
            self.estimators.poses.ingest(
                given.entity[part], given.t_ns[part], given.sigma_t[part], given.skip[part], given.linear[part],
                given.angular[part], given.linear_var[part], given.angular_var[part],
                np.empty(end - start, np.uint8), self.body_nis[part], channel=given.channel[part],
            )  # fmt: skip
        return end
