"""What the API shows: entities of one update as JSON documents in SI, and the daemon's own status."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twind.model.estimates import Status
from twind.model.time import NO_STAMP, NS_PER_MS
from twind.model.topology import Robot

if TYPE_CHECKING:
    from twind.model.state import Update
    from twind.model.topology import Topology

Document = dict[str, object]


def entity_list(topology: Topology, update: Update, now_ns: int) -> list[Document]:
    """Return `id`, `kind`, `prim`, `status` and `age_ms` of every entity, in discovery order."""
    return [_head(topology, update, now_ns, index) for index in range(len(topology.entities))]


def entity_document(
    topology: Topology, update: Update, now_ns: int, entity_id: str, *, events: list[Document] | None = None
) -> Document | None:
    """Return everything about one entity, or None when there is no such id. Positions in metres or radians, poses in world."""
    index = topology.entity_index.get(entity_id)
    if index is None:
        return None
    sampled = int(update.sample_ns[index]) != NO_STAMP
    document = _head(topology, update, now_ns, index)
    document["stamp_ns"] = int(update.stamp_ns[index]) if sampled else None
    document["seq"] = int(update.entity_seq[index])
    if events:
        document["events"] = events
    entity = topology.entities[index]
    if isinstance(entity, Robot):
        document["joints"] = _joints(entity, topology.first_joint[index], update)
        first = topology.first_frame[index]
        document["links"] = {link.prim: _pose(update, first + row) for row, link in enumerate(entity.links)}
    else:
        frame = topology.first_frame[-1] + index - len(topology.robots)
        document["pose"] = {
            **_pose(update, frame),
            "position_std": float(update.position_std[index]),
            "rotation_std": float(update.rotation_std[index]),
        }
    return document


def _head(topology: Topology, update: Update, now_ns: int, index: int) -> Document:
    entity = topology.entities[index]
    sample_ns = int(update.sample_ns[index])
    return {
        "id": entity.id,
        "kind": "robot" if isinstance(entity, Robot) else "object",
        "prim": entity.prim,
        "status": _word(update.status[index]),
        "age_ms": None if sample_ns == NO_STAMP else (now_ns - sample_ns) / NS_PER_MS,
    }


def _joints(robot: Robot, first: int, update: Update) -> Document:
    return {
        joint.name: {
            "position": float(update.joint_position[row]),
            "velocity": float(update.joint_velocity[row]),
            **_effort(update, row),
            "position_std": float(update.joint_std[row]),
            "unit": joint.kind.unit,
            "lower": joint.lower,
            "upper": joint.upper,
            "status": _word(update.joint_status[row]),
            **({"limited": True} if update.limited[row] else {}),
        }
        for row, joint in enumerate(robot.joints, first)
        if joint.movable
    }


def _effort(update: Update, row: int) -> Document:
    """Return the effort where one is known [N m or N]."""
    if update.joint_effort is None or math.isnan(update.joint_effort[row]):
        return {}
    return {"effort": float(update.joint_effort[row])}


def _pose(update: Update, frame: int) -> Document:
    return {"position": update.position[frame].tolist(), "orientation": update.orientation[frame].tolist()}


def _word(status: int) -> str:
    return Status(int(status)).name.lower()


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """One source in `/api/v1/status`."""

    name: str
    type: str
    connected: bool
    since_s: float
    """How long it has been connected, or away [s]."""
    detail: str
    received: int
    """Messages taken from the source since start."""
    refused: int
    dropped: int
    waiting: int
    """Messages in its queue."""


@dataclass(frozen=True, slots=True)
class ComponentDocument:
    """One supervised component in `/api/v1/status`."""

    name: str
    state: str
    critical: bool
    restarts: int
    since_s: float
    error: str


@dataclass(frozen=True, slots=True)
class StageStatus:
    """The stage in `/api/v1/status`."""

    root: str
    rate_hz: float
    seq: int
    """Number of the newest update; 0 before the first."""
    written_values: int
    snapshot: str | None
    """Path of the layer that composes the snapshot over the root layer; None when snapshots are off."""
    url: str | None = None
    """Where this listener has the layer that composes the live layer over the root layer; None before the stage is open,
    and for a root layer that is not a file."""


@dataclass(frozen=True, slots=True)
class StatusDocument:
    """`/api/v1/status`: what the daemon says of itself. The page polls it too."""

    instance: str
    version: str
    uptime_s: float
    live: bool
    ready: bool
    reasons: tuple[str, ...]
    """Why it is not ready."""
    stage: StageStatus
    sources: tuple[SourceStatus, ...]
    components: tuple[ComponentDocument, ...]
    now_ns: int = 0
    """Daemon wall clock when this was made [ns]: who asks can tell how far the own clock is off."""
