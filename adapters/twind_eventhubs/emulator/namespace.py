"""A namespace: hubs, policies and faults. No I/O."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from twind_eventhubs.emulator.access import Access
from twind_eventhubs.emulator.amqp.errors import AmqpError
from twind_eventhubs.emulator.faults import Faults
from twind_eventhubs.emulator.hub import Hub, HubSettings
from twind_eventhubs.emulator.throughput import Throughput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from twind_eventhubs.emulator.sas import Rule


class Namespace:
    """What all connections share.

    Args:
        hubs: What hubs there are.
        rules: Whose signatures are good.
        throughput_units: What is let through; 0 for everything.
        now_s: Seconds since 1970.
    """

    def __init__(
        self,
        hubs: Iterable[HubSettings],
        *,
        rules: tuple[Rule, ...],
        throughput_units: int = 0,
        now_s: Callable[[], float] = time.time,
    ) -> None:
        self.rules = rules
        self.now_s = now_s
        self.faults = Faults()
        self.throughput = Throughput(throughput_units, now=time.monotonic)
        self.hubs = {settings.name.lower(): Hub(settings, now_ms=lambda: int(now_s() * 1000)) for settings in hubs}

    def hub(self, name: str) -> Hub:
        """Return a hub.

        Raises:
            AmqpError: There is none of that name.
        """
        found = self.hubs.get(name.lower())
        if found is None:
            raise AmqpError("amqp:not-found", f"the messaging entity {name:.200} could not be found")
        return found

    def access(self) -> Access:
        """Return the container of a new connection."""
        return Access(self)

    def expire(self) -> None:
        """Forget events beyond their retention."""
        for hub in self.hubs.values():
            for partition in hub.partitions.values():
                partition.expire()
