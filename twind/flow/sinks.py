"""What takes data out of the daemon besides the stage. What a sink takes is its type, as a source's guarantee is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar, runtime_checkable

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from twind.config.base import NoticeSettings, RouteSettings, SettingsModel
    from twind.model.messages import RawMessage
    from twind.model.notices import Notice
    from twind.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class SinkContext:
    """What every sink may know of the daemon that it serves."""

    instance: str
    stage_root: str
    """Root layer of the stage, empty where there is none."""
    routes: Mapping[str, Sequence[RouteSettings]]
    """The routes of each source, by its name."""
    telemetry: Telemetry
    generation: int = 0
    """Number of this start of the daemon; 0 where starts are not counted."""
    state_dir: Path | None = None
    """Where a sink may keep what must survive a restart; None: nowhere."""
    tells: Callable[[str], bool | None] = lambda _: True
    """Whether this daemon is to tell of an entity, or of anything that is none: False where another daemon does, None while it
    is not known, as after this process stood still."""
    robots: Sequence[str] = ()
    """Ids of the robots that this daemon looks after; empty where there is no stage."""


@runtime_checkable
class RawSink(Protocol):
    """Takes messages as they arrived, before anything was believed about them. Belongs to one event loop."""

    name: str

    def offer(self, source: str, messages: Sequence[RawMessage]) -> None:
        """Take one batch. Never waits and never raises: what there is no room for is lost, counted and logged."""

    def offer_durably(self, source: str, messages: Sequence[RawMessage]) -> asyncio.Future[bool]:
        """Take one batch; the future turns true once all of it will survive a power cut.

        It is what a message may be acknowledged on. Batches that wait at the same time share one flush to the disk. While the
        disk takes nothing the batch is held, and tried again: whoever offers must bound how much of that there is. The future
        turns false when the sink is closed before.
        """

    async def run(self) -> None:
        """Write what is offered, for ever. Ends by cancellation; what was offered is written by `aclose`."""

    async def aclose(self) -> None:
        """Write everything that was offered, make it durable, and close. Must be called in any case."""


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a log of messages."""

    segment: int
    """Number of the file."""
    messages: int
    """How many messages of that file come before the place."""


@runtime_checkable
class LogSink(RawSink, Protocol):
    """A `RawSink` that a daemon can read again after a restart, from where its snapshot ends."""

    held_since_s: float | None
    """`time.monotonic()` since when it cannot be written; None while it can."""
    trouble: str
    """Why."""

    def mark(self) -> asyncio.Future[Mark]:
        """Mark the place after everything that was offered so far; the future is there once that is durable."""

    def files_since(self, mark: Mark) -> list[tuple[Path, int]]:
        """Return the files that hold what comes after a mark, oldest first, and how many messages to pass over in each.

        Blocks: to be called off the event loop, before anything is offered.
        """


@runtime_checkable
class NoticeSink(Protocol):
    """Takes what the daemon has to tell: states, changes of status, incidents. Belongs to one event loop."""

    name: str

    @property
    def settings(self) -> NoticeSettings:
        """What it wants to be told."""

    def offer(self, notices: Sequence[Notice]) -> None:
        """Take notices to send. Never waits and never raises: what there is no room for is lost, counted and logged."""

    async def run(self) -> None:
        """Send what is offered, for ever. Ends by cancellation."""

    async def aclose(self) -> None:
        """Send what waits, for a bounded time, and disconnect. Must be called in any case."""


@runtime_checkable
class ServiceSink(Protocol):
    """Works by itself once it runs: nothing is offered to it."""

    name: str

    async def serve(self) -> None:
        """Do its work, for ever; reconnecting is this method's own work. Ends by cancellation."""

    async def aclose(self) -> None:
        """Disconnect in good order. Must be called in any case."""


@runtime_checkable
class TwinKeeper(ServiceSink, Protocol):
    """Keeps a device twin of each robot, which who administers them reads and changes at run time."""

    def device_twins(self) -> Sequence[Mapping[str, object]]:
        """Return `deviceId` and what became of the desired properties, of every robot.

        Raises:
            RetryableError: They are not read yet.
        """

    def device_twin(self, robot: str) -> Mapping[str, object] | None:
        """Return the twin of a robot in the shape of IoT Hub's service, or None where there is no such robot.

        Raises:
            RetryableError: They are not read yet.
        """

    async def change_device_twin(
        self, robot: str, document: Mapping[str, object], *, if_match: str | None, replace: bool
    ) -> Mapping[str, object] | None:
        """Change a twin; once the change is on the disk return the twin, or None where there is no such robot.

        Args:
            robot: The robot's id.
            document: What shall change: `tags`, `properties.desired`.
            if_match: The `etag` that the twin must have; None for any.
            replace: Whether that replaces the sections that are there, rather than being merged into them.

        Raises:
            RefusedChange: It cannot be made, or the twin has another etag.
            RetryableError: The twins are not read yet.
            PermanentError: It cannot be kept.
        """


Sink = RawSink | NoticeSink | ServiceSink
"""Every kind."""

S = TypeVar("S", bound="SettingsModel")


class SinkAdapter(Protocol[S]):
    """What an entry point of the group `twind.sinks` names: everything twind knows about one kind of sink."""

    @property
    def settings(self) -> type[S]:
        """The settings of one such sink; its field `type` is a Literal that holds the entry point's name."""

    def open(self, name: str, settings: S, context: SinkContext) -> Sink:
        """Make a sink; nothing is written or connected before it is used."""
