"""What an event is: something noteworthy that happened, which knows its log level and its counter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events."""

    level: ClassVar[str] = "info"
    """debug | info | warning | error. Data lost or a human needed is an error; unexpected but nothing lost, a warning."""
    counter: ClassVar[str] = ""
    """Name of the counter metric without `twind_` and `_total`; empty: none."""
    labels: ClassVar[tuple[str, ...]] = ()
    """Fields that become metric labels."""
    limited: ClassVar[bool] = True
    """Whether repeats of the same event with the same labels are held back in the log (they are always counted)."""
    told: ClassVar[bool] = True
    """Whether sinks may tell it to others as an incident; what is about the telling itself is not."""


def event_name(kind: type[Event]) -> str:
    """Return the name of an event in the log: its class name in snake case."""
    return _snake_case(kind.__name__)


@cache
def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
