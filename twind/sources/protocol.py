"""The two kinds of source. A guarantee is a type, not a flag: what can be acknowledged is a different protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from twind.model.messages import RawMessage


@dataclass(frozen=True, slots=True)
class SourceHealth:
    """Whether a source is in touch with where its bytes come from."""

    connected: bool
    since_monotonic_s: float
    """`time.monotonic()` when `connected` last changed (for a source that never connected: when it was opened)."""
    detail: str = ""
    """Why it is not connected, in the words that the person on call needs."""


@runtime_checkable
class LossySource(Protocol):
    """A stream that cannot be asked again: what is not taken in time is dropped, oldest first, and counted."""

    name: str

    async def run(self) -> None:
        """Keep the connection up, for ever; reconnecting is this method's own work. Ends only by cancellation."""

    async def receive(self, max_messages: int) -> list[RawMessage]:
        """Wait for at least one message, then return at most `max_messages`, in order of arrival."""

    def health(self) -> SourceHealth:
        """Say whether the source is connected now."""

    async def aclose(self) -> None:
        """Stop taking messages and disconnect in good order. What was received can still be taken by `receive`.

        Afterwards `receive` returns an empty list instead of waiting, once everything was taken.
        """


@runtime_checkable
class AcknowledgingSource(LossySource, Protocol):
    """A stream that repeats what was not acknowledged: nothing is dropped, a full queue blocks the sender."""

    def acknowledge(self, count: int) -> None:
        """Acknowledge the oldest `count` messages that `receive` returned and that are not acknowledged yet."""
