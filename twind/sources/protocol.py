"""The two kinds of source, and what makes them. A guarantee is a type, not a flag: what acknowledges is another protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from twind.config.base import SourceSettings
    from twind.flow.queues import Intake
    from twind.model.messages import RawMessage
    from twind.telemetry import Telemetry


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
    intake: Intake
    """What arrived and was not taken yet; its counters become metrics."""

    async def run(self) -> None:
        """Keep the connection up; reconnecting is this method's own work. Ends by cancellation, or after `stop`."""

    async def receive(self, max_messages: int) -> list[RawMessage]:
        """Wait for at least one message, then return at most `max_messages`, in order of arrival."""

    def health(self) -> SourceHealth:
        """Say whether the source is connected now."""

    def stop(self) -> None:
        """Take no more messages. What has arrived can still be taken, and acknowledged, until `aclose`.

        Afterwards `receive` returns an empty list instead of waiting, once everything was taken.
        """

    async def aclose(self) -> None:
        """Stop, send the acknowledgements that are due, and disconnect in good order. Must be called in any case."""


@runtime_checkable
class AcknowledgingSource(LossySource, Protocol):
    """A stream that repeats what was not acknowledged: nothing is dropped, a full queue blocks the sender."""

    def acknowledge(self, count: int) -> None:
        """Acknowledge the oldest `count` messages that `receive` returned and that are not acknowledged yet."""


S = TypeVar("S", bound="SourceSettings")


class SourceAdapter(Protocol[S]):
    """What an entry point of the group `twind.sources` names: everything twind knows about one kind of source."""

    @property
    def settings(self) -> type[S]:
        """The settings of one such source; its field `type` is a Literal that holds the entry point's name."""

    def open(self, name: str, settings: S, *, instance: str, telemetry: Telemetry) -> LossySource | AcknowledgingSource:
        """Make a source, not yet connected. Its type says whether it acknowledges."""

    def acknowledges(self, settings: S) -> bool:
        """Whether a source with these settings is an `AcknowledgingSource`."""

    async def probe(self, name: str, settings: S, *, instance: str) -> str:
        """Connect once, without disturbing a running daemon, and return one line that says what was found.

        Raises:
            TwindError: It cannot be reached or used; the message names the cause and the cure.
        """
