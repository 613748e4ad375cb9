"""When to ask for a sign of life, and when to give a connection up. Decides; the link acts.

In place of paho's `loop_misc`, which takes a connection that is paused for back-pressure for a dead one.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

_CHECKS = 8
"""How often the connection is looked at in one keep-alive interval."""


class Pulse(enum.Enum):
    """What is to be done about a connection."""

    FINE = enum.auto()
    ASK = enum.auto()
    """Send a PINGREQ."""
    DEAD = enum.auto()


@dataclass(slots=True)
class KeepAlive:
    """The silence of one connection, on the monotonic clock."""

    interval_s: float
    """Agreed with the broker, which gives us up after 1.5 times this [s]; 0: neither side watches."""
    _asked_s: float | None = None

    @property
    def check_s(self) -> float:
        """When to look again [s]."""
        return (self.interval_s or _CHECKS) / _CHECKS

    def look(self, now_s: float, *, sent_s: float, received_s: float, listening: bool) -> Pulse:
        """Decide, given when bytes last left and came, and whether we read at all."""
        if not self.interval_s:
            return Pulse.FINE
        if not listening or (self._asked_s is not None and received_s >= self._asked_s):
            self._asked_s = None
        if self._asked_s is not None:
            return Pulse.DEAD if now_s - self._asked_s >= self.interval_s / 2 else Pulse.FINE
        quiet_since_s = min(sent_s, received_s) if listening else sent_s
        if now_s - quiet_since_s < self.interval_s * 3 / 4:
            return Pulse.FINE
        self._asked_s = now_s
        return Pulse.ASK
