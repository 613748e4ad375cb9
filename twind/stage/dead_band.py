"""Decide which entities an update must show: those that differ enough from what stands in the stage.

An entity is written as a whole or not at all, so that its joints, links and provenance always belong to one estimate. It is
compared with what was last written, never with the update before, so that no sum of small steps is ever lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twind.model.time import s_to_ns
from twind.model.topology import JointKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.config.settings import DeadBandSettings
    from twind.model.state import Update
    from twind.model.topology import Topology

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

_NEVER = 255
"""A status that no entity can have, so the first update shows all of them."""


class DeadBand:
    """What was last written of every entity, as the twin had it. E entities, J joints, F frames."""

    def __init__(self, topology: Topology, settings: DeadBandSettings) -> None:
        entities, robots = len(topology.entities), len(topology.robots)
        self._refresh_ns = s_to_ns(settings.refresh_s)
        self._joint_owner = np.repeat(np.arange(robots), np.diff(topology.first_joint))
        frames = [*np.diff(topology.first_frame).tolist(), *[1] * (entities - robots)]
        self._frame_owner = np.repeat(np.arange(entities), frames)
        linear = np.array([joint.kind is JointKind.PRISMATIC for robot in topology.robots for joint in robot.joints], bool)
        self._joint_band = np.where(linear, settings.position_m, settings.rotation_rad)
        self._speed_band = np.where(linear, settings.velocity_m_s, settings.velocity_rad_s)
        self._metres = settings.position_m
        self._radians = settings.rotation_rad

        self._joint_position = np.zeros(topology.n_joints)
        self._joint_velocity = np.zeros(topology.n_joints)
        self._position = np.zeros((topology.n_frames, 3))
        self._orientation = np.zeros((topology.n_frames, 4))
        self._status = np.full(entities, _NEVER, np.uint8)
        self._written_ns = np.zeros(entities, np.int64)
        self._owed = np.zeros(entities, bool)

    def due(self, update: Update) -> Bools:
        """Return (E,) which entities must be written.

        Of those that changed since they were written: all whose status is another, that are off by more than the dead band, or
        whose last write is `refresh_s` ago.
        """
        self._owed[update.changed] = True
        far = update.status != self._status
        far[self._joint_owner[self._joints_off(update)]] = True
        far[self._frame_owner[self._frames_off(update)]] = True
        since = update.made_ns - self._written_ns
        far |= (since < 0) | (since >= self._refresh_ns)  # below zero after the wall clock was set back
        due: Bools = self._owed & far
        return due

    def written(self, update: Update, due: Bools) -> None:
        """Take note that the entities `due` (E,) were written."""
        joints, frames = due[self._joint_owner], due[self._frame_owner]
        np.copyto(self._joint_position, update.joint_position, where=joints)
        np.copyto(self._joint_velocity, update.joint_velocity, where=joints)
        np.copyto(self._position, update.position, where=frames[:, None])
        np.copyto(self._orientation, update.orientation, where=frames[:, None])
        np.copyto(self._status, update.status, where=due)
        self._written_ns[due] = update.made_ns
        self._owed[due] = False

    def forget(self) -> None:
        """Take nothing for written any more: the layer may hold anything."""
        self._status[:] = _NEVER
        self._owed[:] = True

    def _joints_off(self, update: Update) -> Bools:
        off: Bools = np.abs(update.joint_position - self._joint_position) > self._joint_band
        off |= np.abs(update.joint_velocity - self._joint_velocity) > self._speed_band
        return off

    def _frames_off(self, update: Update) -> Bools:
        step = update.position - self._position
        off: Bools = np.einsum("ij,ij->i", step, step) > self._metres**2
        # Unit quaternions a and b are 2 sin(angle / 4) apart, or as much from -b; written so it is exact for small angles.
        apart, beyond = update.orientation - self._orientation, update.orientation + self._orientation
        chord2 = np.minimum(np.einsum("ij,ij->i", apart, apart), np.einsum("ij,ij->i", beyond, beyond))
        off |= chord2 > (2 * np.sin(min(self._radians, np.pi) / 4)) ** 2
        return off
