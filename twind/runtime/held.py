"""What of its sources a recording holds already: read from its end."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from twind.flow.sinks import Mark
from twind.flow.watermark import Watermark
from twind.model.errors import PermanentError
from twind.sources.recording import Recording

if TYPE_CHECKING:
    from twind.flow.sinks import LogSink
    from twind.model.messages import RawMessage

MOST = 200_000
"""Messages that are looked at: more than a broker sends without acknowledgement (65,535), and done in a second."""

_Found = list[tuple[str, str, "RawMessage"]]
"""Source, topic and message, in the order of the file."""


def held_at_end(log: LogSink, *, most: int = MOST) -> dict[str, Watermark]:
    """Return how far each source was taken, by its name, as the newest messages of a recording show it.

    Blocks. What cannot be read holds nothing.

    Args:
        log: The recording, before anything is offered to it.
        most: Messages to look at.
    """
    pieces: list[_Found] = []
    left = most
    for path, _ in reversed(log.files_since(Mark(0, 0))):
        if left <= 0:
            break
        try:
            with Recording(path) as recording:
                for block in reversed(recording.blocks):
                    pieces.append(
                        [
                            (*message.topic.split("\0", 1), message)  # type: ignore[misc]
                            for message in recording.messages(block, lambda channel: f"{channel.source}\0{channel.topic}")
                        ]
                    )
                    left -= len(pieces[-1])
                    if left <= 0:
                        break
        except PermanentError:  # empty, or damaged in its beginning: what it held is recorded again
            continue
    held: dict[str, Watermark] = {}
    for source, topic, message in chain.from_iterable(reversed(pieces)):
        held.setdefault(source, Watermark()).fresh_in_recording(message, topic=topic)
    return held
