"""What a sender's link leads to: a hub, or one partition of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind_eventhubs.emulator.amqp import messages
from twind_eventhubs.emulator.amqp.errors import AmqpError
from twind_eventhubs.emulator.partition import PARTITION_KEY

if TYPE_CHECKING:
    from twind_eventhubs.emulator.access import Access
    from twind_eventhubs.emulator.hub import Hub

BATCH = 0x80013700
"""Message format of many events in one message; all go to one partition."""


class PublisherInlet:
    """Appends what is sent.

    Args:
        access: Who sends.
        hub: To where.
        address: Address of the link, for which a right is needed.
        partition: To which partition, None for that of the key, or the next in turn.
    """

    def __init__(self, access: Access, hub: Hub, *, address: str, partition: str | None) -> None:
        self._access = access
        self._hub = hub
        self._address = address
        self._partition = partition

    def receive(self, payload: bytes, message_format: int) -> None:
        """Append a message, or a batch of them.

        Raises:
            AmqpError: It is not appended, nor any part of it.
        """
        self._access.faults.before_append()
        if message_format == BATCH:
            annotations, events = messages.read_batch(payload)
        else:
            event = messages.read(payload)
            annotations, events = event.annotations, [event]
        self._access.throughput.let_in(events=len(events), size_bytes=len(payload))
        key = annotations.get(PARTITION_KEY, events[0].annotations.get(PARTITION_KEY))
        if key is not None and not isinstance(key, str):
            raise AmqpError("com.microsoft:argument-error", "a partition key that is no string")
        if key is not None and self._partition is not None:
            raise AmqpError("com.microsoft:argument-error", "a partition key on the way to one partition")
        self._hub.append(events, partition=self._partition, key=key)

    def check(self) -> None:
        """See whether the peer may still send.

        Raises:
            AmqpError: It may not.
        """
        self._access.grants.require(self._address, send=True)

    def close(self) -> None:
        """Hold nothing."""
