"""Route hints on entity prims, `twind:route:INSTANCE:topic|codec|source`: which topics carry an entity's measurements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twind.model.routes import RouteHint
from twind.stage.schemas import authored_text

if TYPE_CHECKING:
    from twind.model.topology import Topology

PREFIX = "twind:route"


def attribute(instance: str, what: str) -> str:
    """Return the name of one attribute of a hint: its `topic`, `codec` or `source`."""
    return f"{PREFIX}:{instance}:{what}"


def read_routes(stage: Any, topology: Topology) -> list[RouteHint]:
    """Return every hint on the entities of a stage, with or without the schema applied; one without a topic says nothing."""
    found: list[RouteHint] = []
    for entity in topology.entities:
        prim = stage.GetPrimAtPath(entity.prim)
        for instance in _instances(prim):
            topic = authored_text(prim, attribute(instance, "topic"))
            if topic is not None:
                codec = authored_text(prim, attribute(instance, "codec")) or "joint_state"  # the schema's default
                found.append(RouteHint(entity.id, topic, codec, authored_text(prim, attribute(instance, "source")) or ""))
    return found


def _instances(prim: Any) -> list[str]:
    parts = [str(name).split(":") for name in prim.GetPropertyNames(lambda name: name.startswith(f"{PREFIX}:"))]
    return sorted({part[2] for part in parts if len(part) == 4})  # noqa: PLR2004  (twind, route, INSTANCE, what)
