"""What one joint or body reported: the truth that predictions are judged by, and what likelihoods are computed from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twind.model.estimates import Verdict
from twind.model.messages import Channel
from twind.model.time import NS_PER_MS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twind.runtime.tune.decoded import Decoded

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

_MAX_GAP_NS = 100 * NS_PER_MS
"""Between measurements further apart than this the truth is not known well enough to judge by."""
_USED = (Verdict.ACCEPTED, Verdict.RESET)


@dataclass(frozen=True, slots=True)
class Series:
    """N samples that were not outliers, in order of their stamps, no two of one instant; D numbers each.

    A joint has one number [rad or m]; a body's position three [m]; its orientation four, a quaternion (w, x, y, z) whose
    sign goes with its neighbour's.
    """

    t_ns: Ints
    """Stamps in the daemon's clock [ns]."""
    receive_ns: Ints
    """When each had arrived [ns]."""
    value: Floats
    """(N, D)"""
    late: Floats
    """Variance of the mapping of each stamp [s^2]."""
    stated: Floats
    """(N,) variance that the message states, the mean over the axes; NaN where it states none."""

    def at(self, instants_ns: Ints) -> Floats:
        """Return (I, D) the value at some instants, interpolated; NaN where it is not known."""
        if len(self.t_ns) < 2:  # noqa: PLR2004  (nothing lies between fewer than two)
            return np.full((len(instants_ns), self.value.shape[1]), np.nan)
        after = np.searchsorted(self.t_ns, instants_ns)
        inside = (after > 0) & (after < len(self.t_ns))
        after = np.clip(after, 1, len(self.t_ns) - 1)
        between = self.t_ns[after] - self.t_ns[after - 1]
        share = (instants_ns - self.t_ns[after - 1]) / between
        found = self.value[after - 1] + share[:, None] * (self.value[after] - self.value[after - 1])
        return np.where((inside & (between <= _MAX_GAP_NS))[:, None], found, np.nan)

    def held_at(self, instants_ns: Ints) -> Floats:
        """Return (I, D) the newest value that had arrived by some instants, NaN before the first."""
        order = np.argsort(self.receive_ns, kind="stable")
        newest = np.maximum.accumulate(order)  # of those arrived, the one with the latest stamp
        index = np.searchsorted(self.receive_ns[order], instants_ns, side="right") - 1
        return np.where((index >= 0)[:, None], self.value[newest[np.maximum(index, 0)]], np.nan)


def joint_series(decoded: Decoded, modulus: Floats) -> dict[int, Series]:
    """Return the series of every joint row that was measured; `modulus` (J,) is what one turn measures where it wraps."""
    joints = decoded.joints
    found: dict[int, list[tuple[Ints, Ints]]] = {}
    for number, rows in enumerate(decoded.layouts):
        messages = np.flatnonzero(joints.layout == number)
        for place, row in enumerate(rows):
            if row >= 0:
                found.setdefault(row, []).append((messages, joints.offset[messages] + place))
    series = {}
    for row, parts in sorted(found.items()):
        messages = np.concatenate([part[0] for part in parts])
        values = np.concatenate([part[1] for part in parts])
        used = np.isin(joints.verdict[values], _USED)
        messages, values = messages[used], values[used]
        messages, values = _in_order(joints.t_ns, messages, values)
        position = joints.position[values]
        if modulus[row] > 0:
            position = np.unwrap(position, period=modulus[row])
        if len(messages):
            series[row] = Series(
                joints.t_ns[messages], joints.receive_ns[messages], position[:, None],
                np.square(joints.sigma_t[messages]), np.full(len(messages), np.nan),
            )  # fmt: skip
    return series


def body_series(decoded: Decoded) -> dict[int, tuple[Series, Series]]:
    """Return position and orientation of every entity that sent poses."""
    bodies = decoded.bodies
    used = (bodies.channel == Channel.POSE) & np.isin(bodies.verdict, _USED)
    found = {}
    for entity in np.unique(bodies.entity[used]).tolist():
        rows = np.flatnonzero(used & (bodies.entity == entity))
        rows, _ = _in_order(bodies.t_ns, rows, rows)
        t_ns, receive_ns, late = bodies.t_ns[rows], bodies.receive_ns[rows], np.square(bodies.sigma_t[rows])
        orientation = bodies.angular[rows]
        orientation = orientation / np.linalg.norm(orientation, axis=1, keepdims=True)
        turns = np.where(np.sum(orientation[1:] * orientation[:-1], axis=1) < 0, -1.0, 1.0)
        orientation = orientation * np.cumprod(np.concatenate([[1.0], turns]))[:, None]
        found[entity] = (
            Series(t_ns, receive_ns, bodies.linear[rows], late, np.mean(bodies.linear_var[rows], axis=1)),
            Series(t_ns, receive_ns, orientation, late, np.mean(bodies.angular_var[rows], axis=1)),
        )
    return found


def _in_order(t_ns: Ints, messages: Ints, values: Ints) -> tuple[Ints, Ints]:
    """Sort by stamp; of one instant the first to arrive counts."""
    _, first = np.unique(t_ns[messages], return_index=True)
    return messages[first], values[first]


def turned(first: Floats, second: Floats) -> Floats:
    """Return (N, 3) the rotation vector from one orientation to another, in the frame of the first [rad]."""
    w1, v1, w2, v2 = first[..., :1], first[..., 1:], second[..., :1], second[..., 1:]
    real = np.sum(first * second, axis=-1, keepdims=True)
    vector = w1 * v2 - w2 * v1 - np.cross(v1, v2)
    vector = np.where(real < 0, -vector, vector)
    sine = np.linalg.norm(vector, axis=-1, keepdims=True)
    angle = 2.0 * np.arctan2(sine, np.abs(real))
    found: Floats = vector * np.where(sine > 0, angle / np.maximum(sine, math.ulp(0.0)), 2.0)
    return found
