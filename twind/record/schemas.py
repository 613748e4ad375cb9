"""JSON Schemas of the codecs' payloads, so that a viewer such as Foxglove knows the fields of a recorded channel."""

from __future__ import annotations

import json
from typing import Any

_NUMBERS: dict[str, Any] = {"type": "array", "items": {"type": "number"}}
_HEADER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "stamp": {"type": "object", "properties": {"sec": {"type": "integer"}, "nanosec": {"type": "integer"}}},
        "frame_id": {"type": "string"},
    },
}
_POSE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "position": {"type": "object", "properties": {name: {"type": "number"} for name in "xyz"}},
        "orientation": {"type": "object", "properties": {name: {"type": "number"} for name in "xyzw"}},
        "covariance": _NUMBERS,
    },
}
_PROPERTIES: dict[str, dict[str, Any]] = {
    "joint_state": {
        "header": _HEADER,
        "name": {"type": "array", "items": {"type": "string"}},
        "position": _NUMBERS,
        "velocity": _NUMBERS,
        "effort": _NUMBERS,
    },
    "pose": {"header": _HEADER, "pose": _POSE},
}


def schema_of(codec: str) -> tuple[str, bytes]:
    """Return the encoding of a codec's schema and the schema itself; both are empty where none is known."""
    properties = _PROPERTIES.get(codec)
    if properties is None:
        return "", b""
    document = {"title": codec, "type": "object", "properties": properties}
    return "jsonschema", json.dumps(document, separators=(",", ":")).encode()
