"""What the listener may ask of the daemon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from twind.flow.sinks import TwinKeeper
    from twind.model.stage_file import StageFile
    from twind.runtime.health import Health
    from twind.viewers.hub import Hub


class NotNowError(Exception):
    """Says in a sentence why what was asked for cannot be had now, though it may later."""


class StageFiles(Protocol):
    """The stage as files."""

    def index(self) -> Mapping[str, object]:
        """Return the document of `/stage/`."""

    async def find(self, path: str, /) -> StageFile | None:
        """Return what stands at a path, or None."""


@dataclass(frozen=True, slots=True)
class Views:
    """Functions that answer at once, on the event loop. What they return is encoded as JSON; NaN and infinity become null."""

    health: Callable[[], Health]
    """The answers of the three probes, now."""
    status: Callable[[], object]
    """The document of `/api/v1/status` (`StatusDocument`)."""
    entities: Callable[[], Sequence[Mapping[str, object]]]
    """The documents of `/api/v1/entities`; only asked once start-up is done."""
    entity: Callable[[str], Mapping[str, object] | None]
    """The document of one entity, or None when there is no such id; only asked once start-up is done."""
    streams: Callable[[int], Mapping[str, object]]
    """The document of `/api/v1/streams` from a stream on; only asked once start-up is done."""
    metrics: Callable[[], bytes]
    """All metrics in the Prometheus text format."""
    stage: Callable[[], StageFiles | None] = lambda: None
    """The stage as files; None until it is open."""
    scene: Callable[[], Awaitable[StageFile] | None] = lambda: None
    """What the stage looks like, as glTF; None until it is open. Raises NotNowError where it cannot be made."""
    trace: Callable[[str, str, int], Mapping[str, object] | None] = lambda _entity, _joint, _after: None
    """The document of `/api/v1/trace`, or None when there is no such joint; only asked once start-up is done. Raises
    NotNowError where too many are looked at."""
    live: Callable[[], Hub | None] = lambda: None
    """Those who watch; None until the stage is open."""
    twins: Callable[[], TwinKeeper | None] = lambda: None
    """Who keeps device twins; None where nobody does, and until start-up is done."""
