"""The kinds of source, and what makes them. A guarantee is a type, not a flag: what acknowledges is another protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

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


class StreamKeeper(Protocol):
    """What the daemon does for a `ResumableSource`: it knows how far each stream is contained in its state.

    Belongs to the event loop, like the source. A stream is what numbers messages: a partition.
    """

    async def assigned(self, stream: str) -> int | None:
        """Begin a stream, before it is read: return the number to read from, None where the source's own settings decide.

        The event of that number may be sent again: what is contained of it is passed over, as is everything before it. Call it
        each time that a stream is assigned, also after it was revoked or lost: another daemon may have gone on with it.
        """

    async def revoked(self, stream: str, *, budget_s: float) -> bool:
        """Give up a stream in good order, while it is still owned and nothing more of it is put into the intake.

        Everything of it that was put there is processed, and a snapshot that contains it is written (and `contained` called).

        Args:
            stream: Which.
            budget_s: How long that may take [s].

        Returns:
            Whether it was done in time; otherwise what is not contained has to be read again by whoever comes next.
        """

    def lost(self, stream: str) -> None:
        """Give up a stream that belongs to somebody else already: nothing of it is processed or written any more."""


@runtime_checkable
class ResumableSource(LossySource, Protocol):
    """A log that can be read again from any number, such as Event Hubs: nothing is dropped, a full queue blocks the reading.

    Its messages carry a `token` other than 0, `stream`, `number`, `part` and `parts`; within a stream they come in order. Where
    to begin, it asks its keeper; what the broker may forget, it is told by `contained`.
    """

    def keep_with(self, keeper: StreamKeeper) -> None:
        """Take the keeper; called once, before `run`."""

    async def contained(self, numbers: Mapping[str, int]) -> None:
        """Take note that every event up to and with these numbers survives a restart: move the broker's checkpoint there.

        Args:
            numbers: By stream, of those that are assigned; the same ones again and again. One may stem from an earlier life of
                the daemon, so that this source has never seen its event: then there is nothing to move.

        Failures are this method's own to report and to forget: the checkpoint is a hint, the next call moves it further.
        """


S = TypeVar("S", bound="SourceSettings")


class SourceAdapter(Protocol[S]):
    """What an entry point of the group `twind.sources` names: everything twind knows about one kind of source."""

    @property
    def settings(self) -> type[S]:
        """The settings of one such source; its field `type` is a Literal that holds the entry point's name."""

    def open(
        self, name: str, settings: S, *, instance: str, telemetry: Telemetry
    ) -> LossySource | AcknowledgingSource | ResumableSource:
        """Make a source, not yet connected. Its type says what it guarantees."""

    def acknowledges(self, settings: S) -> bool:
        """Whether a source with these settings is an `AcknowledgingSource` or a `ResumableSource`."""

    async def probe(self, name: str, settings: S, *, instance: str) -> str:
        """Connect once, without disturbing a running daemon, and return one line that says what was found.

        Raises:
            TwindError: It cannot be reached or used; the message names the cause and the cure.
        """
