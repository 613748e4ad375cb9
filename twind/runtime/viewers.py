"""Joins the live stage to those who watch it over the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind.stage.live import SCHEMA_VERSION
from twind.stage.snapshot import LIVE
from twind.viewers.hub import Hub
from twind.viewers.protocol.selection import LiveSource

if TYPE_CHECKING:
    from twind.config.settings import Settings
    from twind.runtime.stage_view import StageView
    from twind.stage.live import LiveStage
    from twind.telemetry import Telemetry


def viewer_hub(settings: Settings, stage: LiveStage, files: StageView, *, telemetry: Telemetry) -> Hub:
    """Make the hub of a live stage that was not written yet, and have it told of every write."""
    source = LiveSource(
        layout=stage.layout,
        topology=stage.topology,
        instance=stage.instance,
        generation=stage.holder.generation,
        session=stage.holder.session,
        schema_version=SCHEMA_VERSION,
        rate_hz=settings.stage.rate_hz,
        stage_url=files.url,
        live_url=f"/stage/{LIVE}",
    )
    hub = Hub(source, settings.viewers, telemetry=telemetry)
    stage.tell(hub.on_flush)
    return hub
