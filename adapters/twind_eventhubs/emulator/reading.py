"""What a receiver's link leads to: one partition, from a position, for a consumer group."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from twind_eventhubs.emulator.amqp import messages
from twind_eventhubs.emulator.amqp.values import Timestamp
from twind_eventhubs.emulator.partition import NEVER_MS
from twind_eventhubs.emulator.readers import Reader

if TYPE_CHECKING:
    from twind_eventhubs.emulator.access import Access
    from twind_eventhubs.emulator.amqp.endpoints import Link
    from twind_eventhubs.emulator.hub import Hub
    from twind_eventhubs.emulator.selector import Position


class PartitionOutlet:
    """Sends the events of a partition.

    Args:
        access: Who reads.
        hub: From where.
        address: Address of the link, for which a right is needed.
        group: For which consumer group.
        partition: Which partition.
        position: Where to begin.
        epoch: Who wins when several would read; None shares.
        metrics: Whether each event tells what the newest one is.
        link: Where the events go.

    Raises:
        AmqpError: There is no such group, partition or position, or somebody else has a better right to it.
    """

    def __init__(
        self,
        access: Access,
        hub: Hub,
        *,
        address: str,
        group: str,
        partition: str,
        position: Position,
        epoch: int | None,
        metrics: bool,
        link: Link,
    ) -> None:
        self._access = access
        self._hub = hub
        self._address = address
        self._partition = hub.partition(partition)
        self._metrics = metrics
        self._reader = Reader(hub.group(group), partition, epoch, link.detach)
        self._next = position.sequence_in(self._partition)
        hub.readers.admit(self._reader)
        self._again = False
        self._partition.subscribe(self, link.wake)

    def next(self) -> bytes | None:
        """Return the next event."""
        event = self._partition.read(self._next)
        if event is None or not self._access.throughput.may_leave():
            return None
        if self._again or not self._access.faults.repeats():
            self._next = event.sequence + 1
            self._again = False
        else:
            self._again = True  # the same once more, as after a reconnection from an older checkpoint
        self._access.throughput.left(len(event.payload))
        return self._newest() + event.payload if self._metrics else event.payload

    def _newest(self) -> bytes:
        last = self._partition.last
        return messages.section(
            messages.DELIVERY_ANNOTATIONS,
            {
                "last_enqueued_sequence_number": -1 if last is None else last.sequence,
                "last_enqueued_offset": "-1" if last is None else str(last.offset),
                "last_enqueued_time_utc": Timestamp(NEVER_MS if last is None else last.enqueued_ms),
                "runtime_info_retrieval_time_utc": Timestamp(int(time.time() * 1000)),
            },
        )

    def check(self) -> None:
        """See whether the peer may still read.

        Raises:
            AmqpError: It may not.
        """
        self._access.grants.require(self._address, listen=True)

    def close(self) -> None:
        """Read no more."""
        self._partition.unsubscribe(self)
        self._hub.readers.remove(self._reader)
