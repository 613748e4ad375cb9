"""What goes wrong on purpose. The state; the server acts on it."""

from __future__ import annotations

import random

from twind_eventhubs.emulator.amqp.errors import AmqpError


class Faults:
    """Faults of a namespace; none until asked for."""

    def __init__(self) -> None:
        self._busy = 0
        self._throttled = 0
        self._duplicates = 0.0
        self._random = random.Random()  # noqa: S311  (chooses faults)
        self.latency_s = 0.0
        """Delay of everything that is sent [s]."""
        self.stalled = False
        """Whether nothing is read or sent, while connections stay."""

    def __repr__(self) -> str:
        """Show what is wrong now."""
        sent = f"busy={self._busy} duplicates={self._duplicates} latency_s={self.latency_s}"
        return f"<Faults {sent} throttled={self._throttled} stalled={self.stalled}>"

    def busy(self, sends: int) -> None:
        """Answer the next so many sends with `com.microsoft:server-busy`."""
        self._busy = sends

    def throttle(self, attaches: int) -> None:
        """Answer the next so many receivers with `com.microsoft:server-busy`."""
        self._throttled = attaches

    def duplicate(self, share: float, *, seed: int = 1) -> None:
        """Deliver this share of the events twice, the same ones for the same seed and order of reading."""
        self._duplicates = share
        self._random = random.Random(seed)  # noqa: S311

    def before_append(self) -> None:
        """See whether a send fails.

        Raises:
            AmqpError: It does.
        """
        if self._busy > 0:
            self._busy -= 1
            raise server_busy("as asked for")

    def before_reading(self) -> None:
        """See whether a receiver is refused.

        Raises:
            AmqpError: It is.
        """
        if self._throttled > 0:
            self._throttled -= 1
            raise server_busy("as asked for")

    def repeats(self) -> bool:
        """See whether an event is delivered twice."""
        return self._duplicates > 0 and self._random.random() < self._duplicates


def server_busy(why: str) -> AmqpError:
    """Return what a peer that sends too much is told."""
    return AmqpError("com.microsoft:server-busy", f"the server is busy, please retry the operation: {why}")
