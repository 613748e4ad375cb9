"""The one current state of every entity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from twind.model.state import Update
from twind.model.time import NO_STAMP
from twind.model.topology import Joint, JointKind, Link, RigidObject, Robot, Topology
from twind.twin.kinematics import move
from twind.twin.settle import settle_joints
from twind.twin.status import find_changed, grade
from twind.twin.tables import flatten

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bytes = NDArray[np.uint8]

_NOT_SHOWN = 255
"""A status that no entity can have, so the first update speaks about all of them."""


class Twin:
    """Holds the state that is shown, and makes an `Update` from each set of estimates. Pure: it reads no clock.

    E entities, J joints, F frames, numbered as in `twind.model.topology`.
    """

    def __init__(self, topology: Topology, *, fresh_ns: int, coast_ns: int, lost_ns: int) -> None:
        """Start with every entity at rest and lost.

        Args:
            topology: What the stage declares.
            fresh_ns: Age from which an entity coasts [ns].
            coast_ns: Age from which it is stale [ns].
            lost_ns: Age from which it is lost [ns].

        Raises:
            StageError: The topology cannot be walked (see `flatten`).
        """
        self._limits = (fresh_ns, coast_ns, lost_ns)
        self._tables = flatten(topology)
        entities, joints, frames = len(topology.entities), topology.n_joints, topology.n_frames
        self.seq = 0
        """Number of the last update."""
        self.latest: Update | None = None
        """The last update."""

        # What is shown. Estimates of entities that did not change are not looked at, so their rows stay as they were.
        self._entity_seq = np.zeros(entities, np.int64)
        self._shown_at_ns = np.zeros(entities, np.int64)
        self._stamp_ns = np.zeros(entities, np.int64)
        self._sample_ns = np.full(entities, NO_STAMP, np.int64)
        self._status = np.full(entities, _NOT_SHOWN, np.uint8)
        self._joint_position = np.zeros(joints)
        self._joint_velocity = np.zeros(joints)
        self._joint_std = np.zeros(joints)
        self._joint_status = np.zeros(joints, np.uint8)
        self._limited = np.zeros(joints, np.uint8)
        self._joint_effort: Floats | None = None
        self._owner: Ints = np.repeat(np.arange(len(topology.robots)), np.diff(topology.first_joint))
        self._position = self._tables.frames["rest_position"].copy()
        self._orientation = self._tables.frames["rest_orientation"].copy()
        self._local_translate = np.zeros((frames, 3))
        self._local_orient = np.zeros((frames, 4))
        self._position_std = np.zeros(entities)
        self._rotation_std = np.zeros(entities)

        # Scratch of one tick. Estimates are copied in: another layout or type would make numba compile the kernels anew.
        self._new_status = np.zeros(entities, np.uint8)
        self._new_stamp_ns = np.zeros(entities, np.int64)
        self._new_sample_ns = np.zeros(entities, np.int64)
        self._changed = np.zeros(entities, np.int64)
        self._posed = np.zeros(entities, np.uint8)
        self._body_position = np.zeros((entities, 3))
        self._body_orientation = np.zeros((entities, 4))
        self._estimate = np.zeros((3, joints))
        self._shown_position = np.zeros((frames, 3))
        self._shown_orientation = np.zeros((frames, 4))
        self._joint_sample_ns = np.zeros(joints, np.int64)
        self._sampled_status = np.zeros(joints, np.uint8)

    def __repr__(self) -> str:
        """Show how many entities are in which state."""
        names = ("ok", "coasting", "stale", "lost", "not shown")
        counts = np.bincount(np.minimum(self._status, len(names) - 1), minlength=len(names))
        states = ", ".join(f"{count} {name}" for name, count in zip(names, counts, strict=True) if count)
        return f"<Twin update {self.seq}: {states or 'empty'}>"

    def advance(
        self,
        *,
        now_ns: int,
        target_ns: Ints,
        sample_ns: Ints,
        joint_position: Floats,
        joint_velocity: Floats,
        joint_std: Floats,
        joint_sample_ns: Ints,
        body_position: Floats,
        body_orientation: Floats,
        body_position_std: Floats,
        body_rotation_std: Floats,
        posed: Bytes,
        joint_effort: Floats | None = None,
        everything: bool = False,
    ) -> Update | None:
        """Take over the estimates of the entities that changed and return what is shown now, or None when nothing changed.

        Args:
            now_ns: Daemon wall clock [ns].
            target_ns: (E,) the instant that each entity's estimates are for [ns].
            sample_ns: (E,) stamp of each entity's newest sample [ns]; `NO_STAMP` before the first.
            joint_position: (J,) [rad or m]; rows of fixed, mimic and never sampled joints are ignored.
            joint_velocity: (J,) [rad/s or m/s].
            joint_std: (J,) one sigma of the position [rad or m].
            joint_sample_ns: (J,) stamp of each joint's newest sample [ns]; `NO_STAMP` before the first.
            body_position: (E, 3) world position of an object, or of a floating robot's base [m].
            body_orientation: (E, 4) its world orientation (w, x, y, z), of any norm but zero.
            body_position_std: (E,) one sigma [m].
            body_rotation_std: (E,) one sigma [rad].
            posed: (E,) 1 where the entity has a measured pose; the body rows of the others are ignored.
            joint_effort: (J,) [N m or N], NaN where none is known; None where no joint listens to efforts.
            everything: Whether to take over all entities, changed or not.
        """
        np.copyto(self._new_sample_ns, sample_ns)
        np.copyto(self._joint_sample_ns, joint_sample_ns)
        self._new_stamp_ns[:] = np.where(self._new_sample_ns == NO_STAMP, 0, target_ns)
        grade(self._new_sample_ns, now_ns, *self._limits, self._new_status)
        grade(self._joint_sample_ns, now_ns, *self._limits, self._sampled_status)
        count = find_changed(
            now_ns,
            self._new_sample_ns,
            self._new_status,
            self._new_stamp_ns,
            self._sample_ns,
            self._status,
            self._stamp_ns,
            self._shown_at_ns,
            self._changed,
        )
        if everything:
            count = len(self._changed)
            self._changed[:] = np.arange(count)
        if not count:
            return None

        changed = self._changed[:count].copy()
        self.seq += 1
        self._entity_seq[changed] = self.seq
        self._shown_at_ns[changed] = now_ns
        self._stamp_ns[changed] = self._new_stamp_ns[changed]
        self._sample_ns[changed] = self._new_sample_ns[changed]
        self._status[changed] = self._new_status[changed]
        np.copyto(self._posed, posed)
        self._position_std[changed] = np.where(self._posed, body_position_std, 0.0)[changed]
        self._rotation_std[changed] = np.where(self._posed, body_rotation_std, 0.0)[changed]
        self._estimate[0], self._estimate[1], self._estimate[2] = joint_position, joint_velocity, joint_std
        if joint_effort is not None:
            if self._joint_effort is None:
                self._joint_effort = np.full(len(joint_effort), np.nan)
            rows = np.isin(self._owner, changed)
            self._joint_effort[rows] = joint_effort[rows]
        np.copyto(self._body_position, body_position)
        np.copyto(self._body_orientation, body_orientation)
        settle_joints(
            self._tables,
            changed,
            self._status,
            self._joint_sample_ns,
            self._sampled_status,
            self._estimate,
            self._joint_position,
            self._joint_velocity,
            self._joint_std,
            self._joint_status,
            self._limited,
        )
        move(
            self._tables,
            changed,
            self._posed,
            self._body_position,
            self._body_orientation,
            self._joint_position,
            self._position,
            self._orientation,
            self._shown_position,
            self._shown_orientation,
            self._local_translate,
            self._local_orient,
        )
        self.latest = self._freeze(now_ns, changed)
        return self.latest

    def _freeze(self, now_ns: int, changed: Ints) -> Update:
        """Copy what is shown into arrays that nobody writes again."""
        return Update(
            seq=self.seq,
            made_ns=now_ns,
            changed=changed,
            entity_seq=self._entity_seq.copy(),
            stamp_ns=self._stamp_ns.copy(),
            sample_ns=self._sample_ns.copy(),
            status=self._status.copy(),
            joint_position=self._joint_position.copy(),
            joint_velocity=self._joint_velocity.copy(),
            joint_std=self._joint_std.copy(),
            joint_status=self._joint_status.copy(),
            limited=self._limited.copy(),
            position=self._position.copy(),
            orientation=self._orientation.copy(),
            local_translate=self._local_translate.copy(),
            local_orient=self._local_orient.copy(),
            position_std=self._position_std.copy(),
            rotation_std=self._rotation_std.copy(),
            joint_effort=None if self._joint_effort is None else self._joint_effort.copy(),
        )


def warm_up() -> None:
    """Compile every kernel of this room, or load it from the cache, so that no tick pays for it."""
    links = (Link("base", "/r/base"), Link("tip", "/r/tip"))
    joints = (Joint("tip", "/r/joint", JointKind.REVOLUTE, axis=2, parent=0, child=1),)
    robot = Robot("r", "/r", links, joints)
    topology = Topology("", robots=(robot,), objects=(RigidObject("o", "/o"),))
    twin = Twin(topology, fresh_ns=1, coast_ns=2, lost_ns=3)
    stamps, poses = np.zeros(2, np.int64), np.ones((2, 4))
    twin.advance(
        now_ns=0,
        target_ns=stamps,
        sample_ns=stamps,
        joint_position=np.zeros(1),
        joint_velocity=np.zeros(1),
        joint_std=np.zeros(1),
        joint_sample_ns=stamps[:1],
        body_position=poses[:, :3],
        body_orientation=poses,
        body_position_std=np.zeros(2),
        body_rotation_std=np.zeros(2),
        posed=np.ones(2, np.uint8),
    )
