"""Entity documents (those of `/api/v1/entities/ID`) as messages of Foxglove. SI units, as there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from foxglove.messages import (
    FrameTransform,
    FrameTransforms,
    JointState,
    JointStates,
    Log,
    LogLevel,
    Quaternion,
    Timestamp,
    Vector3,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from twind.api import Notice

_LEVELS = {"warning": LogLevel.Warning, "error": LogLevel.Error}
_NS_PER_S = 1_000_000_000


def timestamp(time_ns: int) -> Timestamp:
    """Return an instant [ns since the epoch]."""
    return Timestamp(time_ns // _NS_PER_S, time_ns % _NS_PER_S)


def transforms(notice: Notice, world: str) -> FrameTransforms:
    """Return where each link of a robot, or an object, stands in the world; before its first sample, where the stage has it."""
    document: Mapping[str, Any] = notice.data
    stamp = timestamp(document["stamp_ns"] or notice.time_ns)
    return FrameTransforms(
        transforms=[
            FrameTransform(
                timestamp=stamp,
                parent_frame_id=world,
                child_frame_id=prim,
                translation=Vector3(x=x, y=y, z=z),
                rotation=Quaternion(w=qw, x=qx, y=qy, z=qz),
            )
            for prim, (x, y, z), (qw, qx, qy, qz) in _poses(document)
        ]
    )


def _poses(document: Mapping[str, Any]) -> Iterator[tuple[str, list[float], list[float]]]:
    if "links" in document:
        for prim, pose in document["links"].items():
            yield prim, pose["position"], pose["orientation"]
    else:
        pose = document["pose"]
        yield document["prim"], pose["position"], pose["orientation"]


def joint_states(document: Mapping[str, Any]) -> JointStates | None:
    """Return the joints of a robot; None for an object, and before its first sample."""
    stamp_ns, joints = document["stamp_ns"], document.get("joints")
    if stamp_ns is None or not joints:
        return None
    return JointStates(
        timestamp=timestamp(stamp_ns),
        joints=[
            JointState(name=name, position=one["position"], velocity=one["velocity"], effort=one.get("effort"))
            for name, one in joints.items()
            if math.isfinite(one["position"])
        ],
    )


def status_log(notice: Notice) -> Log:
    """Return a change of status as a line of the log."""
    status, was = notice.data["status"], notice.data["was"]
    said = f"{notice.subject} is {status}" + (f", was {was}" if was else "")
    level = LogLevel.Info if status == "ok" or was is None else LogLevel.Warning
    return Log(timestamp=timestamp(notice.time_ns), level=level, message=said, name=notice.subject)


def incident_log(notice: Notice) -> Log:
    """Return an incident as a line of the log: the event, then its fields."""
    data = dict(notice.data)
    event, level = str(data.pop("event")), str(data.pop("level"))
    fields = " ".join(f"{name}={value}" for name, value in data.items())
    message = f"{event.replace('_', ' ')}: {fields}" if fields else event.replace("_", " ")
    return Log(
        timestamp=timestamp(notice.time_ns), level=_LEVELS.get(level, LogLevel.Info), message=message, name=notice.subject
    )
