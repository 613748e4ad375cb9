"""From estimates to the joint state that is shown: rest, mimic joints, limits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from twind.model.estimates import Status
from twind.model.time import NO_STAMP
from twind.model.topology import JointKind
from twind.twin.jit import kernel

if TYPE_CHECKING:
    from twind.twin.tables import Bytes, Floats, Ints, Tables

_FIXED = int(JointKind.FIXED)
_LOST = int(Status.LOST)
_AT_LIMIT = 1e-6
"""Rad or m by which single precision may put a joint beyond its limit."""


@kernel
def _lead_back(tables: Tables, changed: Ints, sample_ns: Ints, sampled_status: Bytes, estimate: Floats) -> None:
    """Give a joint that nobody measures, but whose mimic joint somebody does, the estimate that follows from the mimic joint.

    Assets and drivers do not always agree on which of two coupled fingers leads. `estimate` (3, J), `sample_ns` (J,) and
    `sampled_status` (J,) are completed in place, for the `changed` entities.
    """
    for entity in changed:
        robot = tables.entities[entity]
        for place in range(robot.end_joint - 1, robot.first_joint - 1, -1):
            joint = tables.order[place]
            row = tables.joints[joint]
            leader, factor = row.leader, row.multiplier
            if leader >= 0 and factor != 0.0 and sample_ns[leader] == NO_STAMP and sample_ns[joint] != NO_STAMP:
                estimate[0, leader] = (estimate[0, joint] - row.offset) / factor
                estimate[1, leader] = estimate[1, joint] / factor
                estimate[2, leader] = estimate[2, joint] / abs(factor)
                sample_ns[leader] = sample_ns[joint]
                sampled_status[leader] = sampled_status[joint]


@kernel
def settle_joints(
    tables: Tables,
    changed: Ints,
    entity_status: Bytes,
    sample_ns: Ints,
    sampled_status: Bytes,
    estimate: Floats,
    position: Floats,
    velocity: Floats,
    std: Floats,
    status: Bytes,
    limited: Bytes,
) -> None:
    """Turn estimates into the joint state that is shown, for the `changed` entities: rest, mimic, then limits.

    `estimate` (3, J) holds position, velocity and sigma of the position, `sampled_status` (J,) goes by each joint's own age.
    The last five arrays (J,) are written. A joint that was never sampled stands as authored, even beyond its limits, with an
    infinite sigma; a fixed one is as good as its robot; a mimic joint takes everything from the joint it follows, and gives
    it everything when nobody measures that one.
    """
    _lead_back(tables, changed, sample_ns, sampled_status, estimate)
    for entity in changed:
        robot = tables.entities[entity]
        for place in range(robot.first_joint, robot.end_joint):
            joint = tables.order[place]
            row = tables.joints[joint]
            leader = row.leader
            limited[joint] = 0
            if row.kind == _FIXED:
                position[joint], velocity[joint], std[joint] = 0.0, 0.0, 0.0
                status[joint] = entity_status[entity]
                continue
            if leader >= 0:
                sample_ns[joint] = sample_ns[leader]
            if sample_ns[joint] == NO_STAMP:
                position[joint], velocity[joint], std[joint] = row.rest, 0.0, math.inf
                status[joint] = _LOST
                continue
            if leader >= 0:
                factor = row.multiplier
                position[joint] = factor * position[leader] + row.offset
                velocity[joint] = factor * velocity[leader]
                std[joint] = abs(factor) * std[leader]
                status[joint] = status[leader]
            else:
                position[joint], velocity[joint], std[joint] = estimate[0, joint], estimate[1, joint], estimate[2, joint]
                status[joint] = sampled_status[joint]
            beyond = max(row.lower - position[joint], position[joint] - row.upper)
            if beyond > 0.0:
                position[joint] = min(max(position[joint], row.lower), row.upper)
                limited[joint] = beyond > _AT_LIMIT


@kernel
def settle_instants(
    tables: Tables,
    everything: Ints,
    entity_status: Bytes,
    sample_ns: Ints,
    sampled_status: Bytes,
    estimate: Floats,
    numbers: Floats,
    status: Bytes,
    limited: Bytes,
) -> None:
    """Do `settle_joints` for all entities at N instants.

    `estimate` is (N, 3, J), the `numbers` (3, N, J) are position, velocity and sigma; the others are (N, E) and (N, J), but for
    `limited` (J,), which is that of the last instant.
    """
    for instant in range(len(sample_ns)):
        settle_joints(
            tables, everything, entity_status[instant], sample_ns[instant], sampled_status[instant], estimate[instant],
            numbers[0, instant], numbers[1, instant], numbers[2, instant], status[instant], limited,
        )  # fmt: skip
