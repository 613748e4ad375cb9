"""What `twind bind` did, for people and for machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twind.cli.bind import Outcome


def report(outcome: Outcome, *, written: bool) -> Iterator[str]:
    """Say what was bound, what was decided without being asked, and what to do next."""
    before = {one.prim: one for one in outcome.before}
    width = max((len(one.id) for one in outcome.topology.entities), default=0)
    for entity in outcome.topology.entities:
        topics = ", ".join(f"{hint.topic} ({hint.codec})" for hint in outcome.hints if hint.entity == entity.id)
        yield f"{entity.id:<{width}}  {entity.prim}  {topics or 'no topic: nothing of it is measured'}"
        one = before.get(entity.prim)
        if one is not None and one.ambiguous and entity.id == one.proposed_id:
            yield f"{'':<{width}}  several prims are called {one.found_id!r}; another id: --entity {entity.prim}=ID"
    for note in outcome.layer.notes():
        yield f"note: {note}"
    yield f"{_became(changed=outcome.layer.changed, written=written)} {outcome.layer.path}"
    if outcome.config is not None:
        yield f"{_became(changed=bool(outcome.config_text), written=written)} {outcome.config}"
        if written:
            yield f"next: twind check {outcome.config} --connect, then twind run {outcome.config}"
    elif written:
        yield f"next: name {outcome.layer.path.name} as stage.root, or bind again with --config twind.yaml"


def _became(*, changed: bool, written: bool) -> str:
    if not changed:
        return "unchanged:"
    return "wrote" if written else "would write"


def as_json(outcome: Outcome, *, written: bool) -> dict[str, Any]:
    """Return the same for machines."""
    before = {one.prim: one for one in outcome.before}
    robots = {robot.prim for robot in outcome.topology.robots}
    return {
        "asset": outcome.layer.asset,
        "layer": {
            "path": str(outcome.layer.path),
            "changed": outcome.layer.changed,
            "written": written and outcome.layer.changed,
        },
        "config": None
        if outcome.config is None
        else {
            "path": str(outcome.config),
            "changed": bool(outcome.config_text),
            "written": written and bool(outcome.config_text),
        },
        "entities": [
            {
                "id": entity.id,
                "prim": entity.prim,
                "kind": "robot" if entity.prim in robots else "object",
                "was": before[entity.prim].found_id if entity.prim in before else None,
                "ambiguous": entity.prim in before and before[entity.prim].ambiguous,
                "joints": list(before[entity.prim].joints) if entity.prim in before else [],
                "routes": [
                    {"topic": hint.topic, "codec": hint.codec, "source": hint.source}
                    for hint in outcome.hints
                    if hint.entity == entity.id
                ],
            }
            for entity in outcome.topology.entities
        ],
        "ignored": [{"prim": one.prim, "reason": one.reason} for one in outcome.topology.ignored],
        "notes": outcome.layer.notes(),
    }
