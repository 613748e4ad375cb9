"""Recordings made by hand, and the payloads in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mcap.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Message = tuple[int, str, bytes]
"""Receive stamp [ns], topic, payload."""


def joint_state(stamp_ns: int, *position: float) -> bytes:
    """Return a payload of codec `joint_state` without names."""
    return json.dumps({"stamp": stamp_ns, "position": position}).encode()


def pose(stamp_ns: int, x: float, y: float, z: float) -> bytes:
    """Return a payload of codec `pose` that is not turned."""
    turned = {"w": 1, "x": 0, "y": 0, "z": 0}
    where = {"position": {"x": x, "y": y, "z": z}, "orientation": turned}
    return json.dumps({"stamp": stamp_ns, "pose": where}).encode()


def write_recording(path: Path, messages: Iterable[Message], *, source: str = "floor") -> Path:
    """Write an MCAP file, in small chunks; the codec of a topic is its last level. Return its path."""
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=20_000)
        writer.start()
        channels: dict[str, int] = {}
        for stamp, topic, payload in messages:
            if topic not in channels:
                codec = topic.rpartition("/")[2]
                schema = writer.register_schema(codec, "", b"")
                channels[topic] = writer.register_channel(topic, codec, schema, {"source": source} if source else {})
            writer.add_message(channels[topic], stamp, payload, stamp)
        writer.finish()  # type: ignore[no-untyped-call]
    return path
