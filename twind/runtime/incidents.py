"""What an event of the log is as an incident that others are told of, and the pages and the schema that say so.

`python -m twind.runtime.incidents` writes the page, with `--schema` the JSON Schema of every event's `data`.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
import typing
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any

from twind.flow.cloud_events import TYPE_PREFIX, CloudEvents, data_schema
from twind.model.estimates import Status
from twind.model.notices import Notice, NoticeKind
from twind.telemetry.counters import event_types
from twind.telemetry.event import event_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.telemetry.event import Event

LEVELS = {"none": (), "error": ("error",), "warning": ("warning", "error")}
"""Levels of the events that are told, by what a sink wants."""
_SUBJECTS = ("entity", "source", "sink", "topic", "task", "component")
"""Fields of an event that say what it is about, the most telling first."""
_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
_EXAMPLE_NS = 1_795_372_802_113_204_000


def subject_of(event: Event) -> str:
    """Return what an event is about; empty for the daemon as a whole."""
    return next((str(value) for name in _SUBJECTS if (value := getattr(event, name, ""))), "")


def data_of(event: Event) -> dict[str, object]:
    """Return an event as the data of a notice."""
    values = {field.name: getattr(event, field.name) for field in fields(event)}
    return {"event": event_name(type(event)), "level": event.level, **values}


def incident_types() -> Sequence[type[Event]]:
    """Return every event that is told as an incident."""
    return [kind for kind in event_types() if kind.told and kind.level in LEVELS["warning"]]


# What they look like.

_HEAD = """# Incidents

Generated from the code by `make docs`; do not edit.

What the sinks [`mqtt` and `eventhubs`](../downlink.md) tell as `io.twind.incident`: every event of the log whose level is
`warning` or `error`, but for those about the telling itself. The whole of one, as it arrives:

```json
{whole}
```

Repeats of one incident about one subject are told at most every `log.repeat_s`, with the number of those held back as
`suppressed`. [events.schema.json](events.schema.json) is the JSON Schema (2020-12) of `data`, for each type of event by its
`dataschema`. Robots that go offline and come back are `io.twind.entity.status`.

| `event` | `level` | `subject` | what happened | `data`, an example |
|---|---|---|---|---|
"""

_EXAMPLES: dict[str, object] = {
    "entity": "arm_a",
    "source": "floor",
    "sink": "events",
    "topic": "cell/arm_a/joint_state",
    "task": "publisher",
    "component": "publisher",
    "joint": "joint_2",
    "joints": 6,
    "kind": "joint",
    "channel": "velocity",
    "direction": "back",
    "distance": 0.42,
    "count": 3,
    "seconds": 0.31,
    "address": "mqtts://broker:8883",
    "instance": "cell-7",
    "partition": "0",
    "stream": "hub/0",
}
"""Values that say more than a type does, by field."""


def example(kind: type[Event]) -> Event:
    """Return an event as it might happen."""
    given: dict[str, Any] = {}
    types = typing.get_type_hints(kind)
    for field in fields(kind):
        plain = types[field.name]
        if field.name in _EXAMPLES and isinstance(_EXAMPLES[field.name], plain):
            given[field.name] = _EXAMPLES[field.name]
        elif field.default is MISSING:
            given[field.name] = "..." if plain is str else plain(1)
    return kind(**given)


def page() -> str:
    """Return the page as Markdown."""
    kinds = incident_types()
    first = example(next(kind for kind in kinds if event_name(kind) == "estimate_reset"))
    whole = CloudEvents("cell-7", 4).encode(Notice(NoticeKind.INCIDENT, subject_of(first), _EXAMPLE_NS, data_of(first))).payload
    rows = []
    for kind in kinds:
        event = example(kind)
        named = next((name for name in _SUBJECTS if getattr(event, name, "")), "")
        subject = f"its `{named}`" if named else "none"
        text = re.sub(r"\s+", " ", inspect.getdoc(kind) or "").replace("|", "\\|")
        data = json.dumps(data_of(event))
        rows.append(f"| `{event_name(kind)}` | {kind.level} | {subject} | {text} | `{data}` |\n")
    return _HEAD.replace("{whole}", json.dumps(json.loads(whole), indent=1)) + "".join(rows)


def schema() -> dict[str, Any]:
    """Return the JSON Schema of the data of every event, each under its `dataschema`."""
    words = [status.name.lower() for status in Status]
    number = {"type": ["number", "null"]}
    pose = {"type": "object", "properties": {"position": {"type": "array"}, "orientation": {"type": "array"}}}
    joint = {
        "type": "object",
        "properties": {"position": number, "velocity": number, "position_std": number, "unit": {"enum": ["rad", "m"]}},
        "required": ["position", "velocity", "position_std", "unit", "status"],
    }
    state = {
        "type": "object",
        "properties": {
            "id": {"type": "string"},
            "kind": {"enum": ["robot", "object"]},
            "prim": {"type": "string"},
            "status": {"enum": words},
            "age_ms": number,
            "stamp_ns": {"type": ["integer", "null"]},
            "seq": {"type": "integer"},
            "joints": {"type": "object", "additionalProperties": joint},
            "links": {"type": "object", "additionalProperties": pose},
            "pose": pose,
        },
        "required": ["id", "kind", "prim", "status", "age_ms", "stamp_ns", "seq"],
    }
    status = {
        "type": "object",
        "properties": {
            "status": {"enum": words},
            "was": {"enum": [*words, None]},
            "prim": {"type": "string"},
            "seq": {"type": "integer"},
        },
        "required": ["status", "was", "prim", "seq"],
    }
    incident: dict[str, Any] = {"oneOf": [_schema_of(kind) for kind in incident_types()]}
    of_kind: dict[NoticeKind, dict[str, Any]] = {
        NoticeKind.STATE: state,
        NoticeKind.STATUS: status,
        NoticeKind.INCIDENT: incident,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Data of the events that twind tells",
        "$defs": {TYPE_PREFIX + kind: {"$id": data_schema(kind), **body} for kind, body in of_kind.items()},
    }


def _schema_of(kind: type[Event]) -> dict[str, Any]:
    types = typing.get_type_hints(kind)
    properties: dict[str, Any] = {"event": {"const": event_name(kind)}, "level": {"const": kind.level}}
    for field in fields(kind):
        name = _TYPES[types[field.name]]
        properties[field.name] = {"type": [name, "null"] if name == "number" else name}
    return {
        "type": "object",
        "description": re.sub(r"\s+", " ", inspect.getdoc(kind) or ""),
        "properties": properties | {"suppressed": {"type": "integer"}},
        "required": list(properties),
        "additionalProperties": False,
    }


def schema_text() -> str:
    """Return the schema as it stands in its file."""
    return json.dumps(schema(), indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text() if "--schema" in sys.argv[1:] else page())
