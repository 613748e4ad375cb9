"""Innovations under given settings: each sample against its prediction from all that had arrived before it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twind.model.estimates import Verdict
from twind.model.messages import Channel
from twind.model.time import NS_PER_S
from twind.model.topology import JointKind
from twind.runtime.estimators import over
from twind.runtime.tune.search import joint_noise
from twind.runtime.tune.series import turned
from twind.runtime.tune.trial import Trial

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.config.settings import EstimationSettings
    from twind.model.topology import Topology
    from twind.runtime.tune.decoded import Decoded

    Floats = NDArray[np.float64]

MOST = 30_000
"""Messages of joints, and as many of bodies, that are looked at: the first ones."""


@dataclass(frozen=True, slots=True)
class Innovations:
    """N samples of one quantity with A axes, in order of arrival; outliers are left out."""

    time_s: Floats
    """(N,) since the first message of the recording."""
    value: Floats
    """(N, A) measured minus predicted [rad or m]."""
    std: Floats
    """(N,) one sigma that they should have, of each axis."""
    nis: Floats
    """(N,) normalised innovation squared, as the filter's own gate sees it."""
    freedom: int
    """Degrees of freedom of `nis`."""


def innovations(
    topology: Topology, decoded: Decoded, settings: EstimationSettings
) -> dict[tuple[str, str | None], tuple[Innovations, ...]]:
    """Return the innovations of every joint (entity, name), and position and rotation of every body (entity, None)."""
    trial = Trial(topology, decoded, settings)
    origin = decoded.span_ns[0]
    found: dict[tuple[str, str | None], tuple[Innovations, ...]] = {}
    found.update(_of_joints(topology, decoded, settings, trial, origin))
    found.update(_of_bodies(topology, decoded, settings, trial, origin))
    return found


def _of_joints(
    topology: Topology, decoded: Decoded, settings: EstimationSettings, trial: Trial, origin_ns: int
) -> dict[tuple[str, str | None], tuple[Innovations, ...]]:
    names, variance, stamp_var, modulus = _joint_columns(topology, settings)
    joints, bank, size = decoded.joints, trial.estimators.joints, topology.n_joints
    target = np.empty(size, np.int64)
    position, velocity, std = np.empty(size), np.empty(size), np.empty(size)
    layouts = [np.array(layout, np.int64) for layout in decoded.layouts]
    taken: list[tuple[NDArray[np.int64], int, int, Floats, Floats]] = []
    for message in range(min(MOST, len(joints.t_ns))):
        begin, end = int(joints.offset[message]), int(joints.offset[message + 1])
        rows = layouts[joints.layout[message]][: end - begin]
        target[:] = joints.t_ns[message]
        bank.predict(target, position, velocity, std)
        late = bank.last_ns[rows] >= joints.t_ns[message]
        stamp = stamp_var[rows] + joints.sigma_t[message] ** 2
        sigma = np.sqrt(std[rows] ** 2 + variance[rows] + velocity[rows] ** 2 * stamp)
        taken.append((np.where((rows >= 0) & ~late, rows, -1), message, begin, position[rows], sigma))
        trial.use_joints(message, message + 1)
    if not taken:
        return {}
    row = np.concatenate([one[0] for one in taken])
    count = [len(one[0]) for one in taken]
    messages = np.repeat([one[1] for one in taken], count)
    values = np.concatenate([np.arange(one[2], one[2] + len(one[0])) for one in taken])
    predicted, sigma = np.concatenate([one[3] for one in taken]), np.concatenate([one[4] for one in taken])
    off = joints.position[values] - predicted
    turn = modulus[np.maximum(row, 0)]
    off -= turn * np.round(np.divide(off, turn, out=np.zeros_like(off), where=turn > 0))
    nis = trial.nis[values]
    good = (row >= 0) & (joints.verdict[values] == Verdict.ACCEPTED) & np.isfinite(sigma) & np.isfinite(nis)
    # The filter that was gated with knows more: the uncertainty of the velocity, learnt jitter of stamps, and what moves unseen
    # while a joint is shown at rest. Where there is an innovation to tell it by, its sigma is drawn.
    told = good & (nis > 0.0) & (off != 0.0)
    sigma[told] = np.abs(off[told]) / np.sqrt(nis[told])
    found: dict[tuple[str, str | None], tuple[Innovations, ...]] = {}
    for one in np.unique(row[good]).tolist():
        mine = np.flatnonzero(good & (row == one))
        time_s: Floats = (joints.receive_ns[messages[mine]] - origin_ns) / NS_PER_S
        found[names[one]] = (Innovations(time_s, off[mine, None], sigma[mine], nis[mine], 1),)
    return found


def _joint_columns(
    topology: Topology, settings: EstimationSettings
) -> tuple[list[tuple[str, str | None]], Floats, Floats, Floats]:
    """Return name, variances of position and of stamps, and modulus of every joint row."""
    names: list[tuple[str, str | None]] = []
    columns = []
    for robot in topology.robots:
        for joint in robot.joints:
            noise = joint_noise(settings, robot.id, joint)
            std = noise.position_std_m if joint.kind is JointKind.PRISMATIC else noise.position_std_rad
            turn = math.tau if joint.kind is JointKind.CONTINUOUS else 0.0
            names.append((robot.id, joint.name))
            columns.append((std**2, (noise.stamp_std_ms * 1e-3) ** 2, noise.wraps_rad or turn))
    variance, stamp_var, modulus = np.array(columns, np.float64).reshape(-1, 3).T
    return names, variance, stamp_var, modulus


def _of_bodies(
    topology: Topology, decoded: Decoded, settings: EstimationSettings, trial: Trial, origin_ns: int
) -> dict[tuple[str, str | None], tuple[Innovations, ...]]:
    bodies, bank, size = decoded.bodies, trial.estimators.poses, len(topology.entities)
    target = np.empty(size, np.int64)
    position, orientation, std, turn_std = np.empty((size, 3)), np.empty((size, 4)), np.empty(size), np.empty(size)
    count = min(MOST, len(bodies.t_ns))
    guess, turn_guess, sigma = np.empty((count, 3)), np.empty((count, 4)), np.full((count, 2), np.nan)
    speed, scale = np.zeros((count, 2)), np.ones((count, 2, 2))
    for sample in range(count):
        entity = bodies.entity[sample]
        if bodies.channel[sample] == Channel.POSE and bank.last_ns[entity] < bodies.t_ns[sample]:
            target[:] = bodies.t_ns[sample]
            bank.predict(target, position, orientation, std, turn_std)
            guess[sample], turn_guess[sample] = position[entity], orientation[entity]
            sigma[sample] = std[entity], turn_std[entity]
            speed[sample] = bank.speed_square(entity)
        scale[sample] = bank.noise_scale(entity)
        trial.use_bodies(sample, sample + 1)
    good = np.isfinite(sigma[:, 0]) & (bodies.verdict[:count] == Verdict.ACCEPTED) & np.isfinite(trial.body_nis[:count])
    found: dict[tuple[str, str | None], tuple[Innovations, ...]] = {}
    for entity in np.unique(bodies.entity[:count][good]).tolist():
        mine = np.flatnonzero(good & (bodies.entity[:count] == entity))
        name = topology.entities[entity].id
        own = settings.overrides.get(name)
        noise = over(settings.poses, None if own is None else own.poses)
        time_s: Floats = (bodies.receive_ns[mine] - origin_ns) / NS_PER_S
        nis = trial.body_nis[mine]
        late = bodies.sigma_t[mine, None] ** 2 * speed[mine]
        r = (
            _used(bodies.linear_var[mine], noise.position_std_m, scale[mine, 0]) + late[:, 0],
            _used(bodies.angular_var[mine], noise.rotation_std_rad, scale[mine, 1]) + late[:, 1],
        )
        actual = bodies.angular[mine] / np.linalg.norm(bodies.angular[mine], axis=1, keepdims=True)
        found[name, None] = (
            Innovations(time_s, bodies.linear[mine] - guess[mine], np.sqrt(sigma[mine, 0] ** 2 + r[0]), nis, 6),
            Innovations(time_s, turned(turn_guess[mine], actual), np.sqrt(sigma[mine, 1] ** 2 + r[1]), nis, 6),
        )
    return found


def _used(variance: Floats, std: float, scale: Floats) -> Floats:
    """Return the variance that a measurement counts with: what is stated or else set, times what was learnt of either."""
    mean = np.mean(variance, axis=1)
    stated = mean > 0
    return np.where(stated, mean, std**2) * np.where(stated, scale[:, 1], scale[:, 0])
