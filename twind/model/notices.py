"""What the daemon tells others about the twin, before anybody decided how it is sent."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class NoticeKind(enum.StrEnum):
    """What a notice is about; the last part of its type on the wire."""

    STATE = "entity.state"
    """The whole state of one entity. A newer one replaces an older one that was not sent yet."""
    STATUS = "entity.status"
    """An entity became ok, coasting, stale or lost."""
    INCIDENT = "incident"
    """Something that a person may have to look at: the warnings and errors of the log."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell."""

    kind: NoticeKind
    subject: str
    """The entity id; of an incident the entity, source or part that it is about, empty for the daemon as a whole."""
    time_ns: int
    """When it was so, in the daemon's clock [ns since the epoch]."""
    data: Mapping[str, object]
    """What JSON can hold; a number that is not finite becomes null."""
