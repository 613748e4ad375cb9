"""Turns events into metrics and log lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twind.telemetry.events import Event


class Telemetry:
    """One per daemon; passed to whatever has something to say."""

    def emit(self, event: Event) -> None:
        """Count the event and log it, at a limited rate."""
        raise NotImplementedError(event)
