"""Whether a hub is in reach: one answer for health, metrics and the log, out of many small ones."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from twind.api import PermanentError, SourceHealth, events

if TYPE_CHECKING:
    from twind.api import Telemetry, TwindError

HUB = ""
"""What stands for the hub as a whole, beside its partitions."""


class Contact:
    """Remembers what is wrong, with the hub or with single partitions, and tells each outage once.

    Args:
        source: Name of the source.
        address: Where the hub is, without secrets.
        telemetry: Who is told.
    """

    def __init__(self, source: str, address: str, telemetry: Telemetry) -> None:
        self._source = source
        self._address = address
        self._telemetry = telemetry
        self._faults: dict[str, TwindError] = {}
        self._since_s: dict[str, float] = {}
        self._told: set[str] = set()
        self._reached = False
        self.health = SourceHealth(connected=False, since_monotonic_s=time.monotonic(), detail="not connected yet")
        """What `/readyz` and the metrics show."""

    def failed(self, about: str, error: TwindError) -> None:
        """Note that the hub, or one partition, cannot be read."""
        self._faults[about] = error
        self._since_s.setdefault(about, time.monotonic())
        said = str(error)
        if said not in self._told:
            self._told.add(said)
            if about != HUB:
                self._telemetry.emit(events.PartitionFailed(source=self._source, partition=about, reason=said))
            if isinstance(error, PermanentError):
                self._telemetry.emit(events.SourceRefused(source=self._source, address=self._address, reason=said))
            elif about == HUB:
                self._telemetry.emit(events.SourceDisconnected(source=self._source, address=self._address, reason=said))
        self._show()

    def works(self, about: str) -> None:
        """Note that it can be read."""
        if about == HUB:
            self._reached = True
        elif about not in self._faults:
            return
        self._faults.pop(about, None)
        self._since_s.pop(about, None)
        self._show()

    def over(self, detail: str) -> None:
        """Note that there is no connection any more, as was asked for."""
        self._reached = False
        self._faults.clear()
        self._since_s.clear()
        self.health = SourceHealth(connected=False, since_monotonic_s=time.monotonic(), detail=detail)

    def forget(self, about: str) -> None:
        """Forget a partition that is not ours any more."""
        if about in self._faults:
            self.works(about)

    def _show(self) -> None:
        connected = self._reached and not self._faults
        was = self.health
        if connected:
            if not was.connected:
                self._told.clear()
                self._telemetry.emit(events.SourceConnected(source=self._source, address=self._address))
                self.health = SourceHealth(connected=True, since_monotonic_s=time.monotonic())
            return
        faults = [f"partition {about}: {fault}" if about else str(fault) for about, fault in sorted(self._faults.items())]
        since_s = time.monotonic() if was.connected else was.since_monotonic_s
        self.health = SourceHealth(connected=False, since_monotonic_s=since_s, detail="; ".join(faults[:3]) or was.detail)
