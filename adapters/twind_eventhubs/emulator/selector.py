"""Where a receiver begins: the selector filter of its source."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from twind_eventhubs.emulator.amqp.errors import AmqpError
from twind_eventhubs.emulator.amqp.values import Described

if TYPE_CHECKING:
    from twind_eventhubs.emulator.amqp.values import Value
    from twind_eventhubs.emulator.partition import Partition

FILTER = "apache.org:selector-filter:string"
_EXPRESSION = re.compile(
    r"\s*amqp\.annotation\.x-opt-(?P<what>offset|sequence-number|enqueued-time)(?:-utc)?\s*(?P<operator>>=?)\s*'(?P<value>[^']*)'\s*"
)
_LATEST = "@latest"


@dataclass(frozen=True, slots=True)
class Position:
    """Where to begin."""

    what: Literal["offset", "sequence-number", "enqueued-time"]
    value: int | None
    """None for the end of the log."""
    inclusive: bool

    def sequence_in(self, partition: Partition) -> int:
        """Return the sequence number of the first event to deliver.

        Raises:
            AmqpError: It is beyond the newest event, as a checkpoint is after a hub was made anew.
        """
        if self.value is None:
            return partition.end_sequence
        last = partition.last
        newest = {"offset": -1 if last is None else last.offset, "sequence-number": partition.end_sequence - 1}.get(self.what)
        if newest is not None and self.value > newest:
            raise AmqpError(
                "com.microsoft:argument-error",
                f"the supplied {self.what} '{self.value}' is invalid: the last {self.what} in the system is '{newest}'",
            )
        if self.what == "offset":
            return partition.sequence_at_offset(self.value, inclusive=self.inclusive)
        if self.what == "enqueued-time":
            return partition.sequence_at_time(self.value, inclusive=self.inclusive)
        return self.value if self.inclusive else self.value + 1


BEGINNING = Position("offset", -1, inclusive=False)


def position_of(filters: Value) -> Position:
    """Return where the filters of a source say to begin; without one, at the oldest event.

    Raises:
        AmqpError: The selector says something that the hub does not understand.
    """
    expression = _selector(filters)
    return BEGINNING if expression is None else parse(expression)


def parse(expression: str) -> Position:
    """Read a selector.

    Raises:
        AmqpError: It says something that the hub does not understand.
    """
    match = _EXPRESSION.fullmatch(expression)
    if match is None:
        raise AmqpError("amqp:invalid-field", f"the selector {expression:.200} is not understood")
    what, inclusive, value = match["what"], match["operator"] == ">=", match["value"]
    if value == _LATEST and what == "offset":
        return Position("offset", None, inclusive)
    if re.fullmatch(r"-?\d{1,18}", value) is None:
        raise AmqpError("com.microsoft:argument-error", f"the {what} {value:.50} is no number")
    return Position(what, int(value), inclusive)  # type: ignore[arg-type]


def _selector(filters: Value) -> str | None:
    if not isinstance(filters, dict):
        return None
    for name, value in filters.items():
        content = value.value if isinstance(value, Described) else value
        if name == FILTER and content is not None:
            if isinstance(content, bytes):
                content = content.decode(errors="replace")
            if not isinstance(content, str):
                raise AmqpError("amqp:invalid-field", "a selector that is no text")
            return content
    return None
