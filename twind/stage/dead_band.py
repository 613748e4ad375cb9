"""Decide which entities an update must show: those that differ enough from what stands in the stage.

An entity is written as a whole or not at all, so that its joints, links and provenance always belong to one estimate. It is
compared with what was last written, never with the update before, so that no sum of small steps is ever lost.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from twind.model.time import s_to_ns
from twind.model.topology import JointKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.config.settings import DeadBandSettings
    from twind.model.state import Update
    from twind.model.topology import Topology

    Bools = NDArray[np.bool_]

_OF_ENTITIES = ("entity_seq", "stamp_ns", "status")
_OF_JOINTS = ("joint_position", "joint_velocity", "joint_status", "limited")
_OF_FRAMES = ("position", "orientation", "local_translate", "local_orient")
"""What belongs to the instant that is shown. Stamps of samples and sigmas go on all the time."""


class DeadBand:
    """Knows what was last written of every entity. E entities, J joints, F frames."""

    def __init__(self, topology: Topology, settings: DeadBandSettings) -> None:
        entities, robots = len(topology.entities), len(topology.robots)
        self.shown: Update | None = None
        """What stands in the stage: of each entity the state that was last written; None before the first write."""
        self._refresh_ns = s_to_ns(settings.refresh_s)
        self._joint_owner = np.repeat(np.arange(robots), np.diff(topology.first_joint))
        frames = [*np.diff(topology.first_frame).tolist(), *[1] * (entities - robots)]
        self._frame_owner = np.repeat(np.arange(entities), frames)
        linear = np.array([joint.kind is JointKind.PRISMATIC for robot in topology.robots for joint in robot.joints], bool)
        self._joint_band = np.where(linear, settings.position_m, settings.rotation_rad)
        self._speed_band = np.where(linear, settings.velocity_m_s, settings.velocity_rad_s)
        self._metres = settings.position_m
        self._chord = 2 * np.sin(min(settings.rotation_rad, np.pi) / 4)
        """Distance of two unit quaternions that are `rotation_rad` apart."""
        self._written_ns = np.zeros(entities, np.int64)
        self._owed = np.zeros(entities, bool)
        """What changed since it was written."""

    def due(self, update: Update) -> Bools:
        """Return (E,) which entities must be written.

        Of those that changed since they were written: all whose status is another, that are off by more than the dead band, or
        whose last write is `refresh_s` ago. At first all.
        """
        if self.shown is None:
            return np.ones(len(self._owed), bool)
        self._owed[update.changed] = True
        far = update.status != self.shown.status
        far[self._joint_owner[self._joints_off(update, self.shown)]] = True
        far[self._frame_owner[self._frames_off(update, self.shown)]] = True
        since = update.made_ns - self._written_ns
        far |= (since < 0) | (since >= self._refresh_ns)  # below zero after the wall clock was set back
        due: Bools = self._owed & far
        return due

    def written(self, update: Update, due: Bools) -> None:
        """Take note that the entities `due` (E,) were written."""
        self._written_ns[due] = update.made_ns
        self._owed[due] = False
        if self.shown is None or due.all():
            self.shown = update
            return
        newest = {name: getattr(update, name) for name in ("sample_ns", "joint_std", "position_std", "rotation_std")}
        if due.any():
            newest |= {"seq": update.seq, "made_ns": update.made_ns, "changed": np.flatnonzero(due)}
            for names, rows in (
                (_OF_ENTITIES, due),
                (_OF_JOINTS, due[self._joint_owner]),
                (_OF_FRAMES, due[self._frame_owner][:, None]),
            ):
                newest |= {name: np.where(rows, getattr(update, name), getattr(self.shown, name)) for name in names}
        self.shown = replace(self.shown, **newest)

    def forget(self) -> None:
        """Take nothing for written any more: the layer may hold anything."""
        self.shown = None

    def _joints_off(self, update: Update, shown: Update) -> Bools:
        off: Bools = np.abs(update.joint_position - shown.joint_position) > self._joint_band
        off |= np.abs(update.joint_velocity - shown.joint_velocity) > self._speed_band
        off |= update.joint_status != shown.joint_status
        off |= update.limited != shown.limited
        return off

    def _frames_off(self, update: Update, shown: Update) -> Bools:
        off: Bools = _length2(update.position - shown.position) > self._metres**2
        # A quaternion and its negative are the same orientation.
        apart, beyond = update.orientation - shown.orientation, update.orientation + shown.orientation
        off |= np.minimum(_length2(apart), _length2(beyond)) > self._chord**2
        return off


def _length2(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = np.einsum("ij,ij->i", rows, rows)
    return squares
