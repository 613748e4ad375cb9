"""What goes wrong on purpose."""

from __future__ import annotations

import random

from twind_eventhubs.emulator.amqp.errors import AmqpError


class Faults:
    """Faults of a namespace; none until asked for."""

    def __init__(self) -> None:
        self._busy = 0
        self.duplicates = 0.0
        """Share of the events that are delivered twice."""
        self.latency_s = 0.0
        """Delay of everything that is sent [s]."""
        self._random = random.Random(1)  # noqa: S311  (chooses faults)

    def busy(self, sends: int) -> None:
        """Answer the next so many sends with `com.microsoft:server-busy`."""
        self._busy = sends

    def before_append(self, hub: str) -> None:
        """See whether a send fails.

        Raises:
            AmqpError: It does.
        """
        if self._busy > 0:
            self._busy -= 1
            raise AmqpError("com.microsoft:server-busy", f"the server is busy, please retry later: {hub}")

    def repeats(self) -> bool:
        """See whether an event is delivered twice."""
        return self.duplicates > 0 and self._random.random() < self.duplicates
