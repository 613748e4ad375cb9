"""What `/api/v1/status` says of the daemon."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import twind
from twind.runtime.documents import ComponentDocument, SourceStatus, StageStatus, StatusDocument
from twind.stage.snapshot import TWIN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twind.config.settings import Settings
    from twind.runtime.app import Inlet
    from twind.runtime.health import Health
    from twind.runtime.supervisor import ComponentStatus


def status_document(
    settings: Settings,
    *,
    health: Health,
    uptime_s: float,
    seq: int,
    written_values: int,
    url: str | None,
    inlets: Mapping[str, Inlet],
    components: Sequence[ComponentStatus],
) -> StatusDocument:
    """Gather the document."""
    snapshot = settings.stage.snapshot
    now_s = asyncio.get_running_loop().time()
    return StatusDocument(
        instance=settings.instance,
        version=twind.__version__,
        uptime_s=uptime_s,
        live=health.live.ok,
        ready=health.ready.ok,
        reasons=health.ready.reasons,
        stage=StageStatus(
            root=settings.stage.root,
            rate_hz=settings.stage.rate_hz,
            seq=seq,
            written_values=written_values,
            snapshot=None if snapshot is None else str(snapshot.path / TWIN),
            url=url,
        ),
        sources=tuple(_source(name, inlet) for name, inlet in inlets.items()),
        components=tuple(
            ComponentDocument(one.name, one.state, one.critical, one.restarts, now_s - one.since_monotonic_s, one.error)
            for one in components
        ),
        now_ns=time.time_ns(),
    )


def _source(name: str, inlet: Inlet) -> SourceStatus:
    health, intake = inlet.source.health(), inlet.source.intake
    return SourceStatus(
        name=name,
        type=inlet.type,
        connected=health.connected,
        since_s=time.monotonic() - health.since_monotonic_s,
        detail=health.detail,
        received=inlet.pump.received,
        refused=inlet.pump.refused,
        dropped=intake.dropped_messages,
        waiting=len(intake),
    )
