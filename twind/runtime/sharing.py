"""What this daemon shares of its streams with others, as the configuration says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind.config.settings import FolderSettings
from twind.flow.shared_folder import SharedFolder
from twind.flow.shared_streams import SharingContext

if TYPE_CHECKING:
    from twind.config.load import Loaded
    from twind.flow.shared_streams import SharedStreams
    from twind.telemetry import Telemetry

_COPIES = "streams"
"""Below the snapshot's folder: layers of other daemons, where they come by other ways than a shared volume."""


def open_shared(loaded: Loaded, telemetry: Telemetry, *, generation: int) -> SharedStreams | None:
    """Make what streams are handed over through; None where they are not. Nothing is connected yet.

    Args:
        loaded: The configuration.
        telemetry: Of the daemon.
        generation: Number of this start.

    Raises:
        MissingExtraError: Its adapter is not installed.
    """
    settings = loaded.settings
    chosen = settings.restart.hand_over
    if chosen is None:
        return None
    if isinstance(chosen, FolderSettings):
        return SharedFolder(chosen.path, instance=settings.instance, generation=generation)
    snapshot = settings.stage.snapshot
    layers = (settings.state_dir if snapshot is None else snapshot.path) / _COPIES
    context = SharingContext(settings.instance, generation, layers, telemetry)
    shared: SharedStreams = loaded.registry.hand_overs.load(chosen.type).open(chosen, context)
    return shared
