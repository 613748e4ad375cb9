"""Notices as CloudEvents 1.0 in JSON (https://github.com/cloudevents/spec, structured content mode)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

import msgspec

from twind.flow.outbox import Outgoing

if TYPE_CHECKING:
    from twind.model.notices import Notice, NoticeKind

CONTENT_TYPE = "application/cloudevents+json"
TYPE_PREFIX = "io.twind."
"""Before the kind of a notice in `type`."""

_ENCODER = msgspec.json.Encoder(enc_hook=str)


class CloudEvents:
    """Numbers and encodes the notices of one start of one daemon.

    `source` and `id` together are unique, and the same when an event is sent again: a consumer that keeps the ids it has seen
    counts each event once. `sequence` (the extension of that name) orders the events of one source as text.

    Args:
        instance: Name of the daemon; `source` is `/twind/INSTANCE`.
        generation: Number of this start; ids of an earlier one are never used again.
    """

    def __init__(self, instance: str, generation: int) -> None:
        self._source = f"/twind/{quote(instance, safe='')}"
        self._generation = generation
        self._number = 0

    def encode(self, notice: Notice) -> Outgoing:
        """Return the next event."""
        self._number += 1
        sequence = f"{self._generation:010d}{self._number:016d}"
        event = {
            "specversion": "1.0",
            "id": f"{self._generation}-{self._number}",
            "source": self._source,
            "type": TYPE_PREFIX + notice.kind,
            **({"subject": notice.subject} if notice.subject else {}),
            "time": rfc3339(notice.time_ns),
            "datacontenttype": "application/json",
            "dataschema": data_schema(notice.kind),
            "sequence": sequence,
            **({"partitionkey": notice.subject} if notice.subject else {}),
            "data": notice.data,
        }
        return Outgoing(notice, _ENCODER.encode(event), sequence)


def data_schema(kind: NoticeKind) -> str:
    """Return the name of the schema of a kind's data; its number grows when a consumer of the one before would trip."""
    return f"urn:twind:{kind}:1"


def rfc3339(time_ns: int) -> str:
    """Return an instant as text in UTC, to the microsecond."""
    instant = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC)
    return f"{instant:%Y-%m-%dT%H:%M:%S}.{time_ns % 1_000_000_000 // 1000:06d}Z"
