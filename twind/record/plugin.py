"""What the entry point `mcap` names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind.record.recorder import Recorder
from twind.record.settings import McapSettings

if TYPE_CHECKING:
    from twind.flow.sinks import SinkContext


class McapAdapter:
    """Opens recorders."""

    settings = McapSettings

    def open(self, name: str, settings: McapSettings, context: SinkContext) -> Recorder:
        """Make a recorder; its first file is begun by the first message."""
        return Recorder(name, settings, context)


adapter = McapAdapter()
