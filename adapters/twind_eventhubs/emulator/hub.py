"""Hubs: partitions, who may write where, and the groups that read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from twind_eventhubs.emulator.amqp.errors import AmqpError
from twind_eventhubs.emulator.partition import PARTITION_KEY, Partition, Retention
from twind_eventhubs.emulator.partition_key import partition_of
from twind_eventhubs.emulator.readers import Readers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twind_eventhubs.emulator.amqp.messages import Message

DEFAULT_GROUP = "$Default"


@dataclass(frozen=True, slots=True)
class HubSettings:
    """What a hub is like."""

    name: str
    partitions: int = 4
    groups: tuple[str, ...] = ()
    """Consumer groups beside `$Default`."""
    retention: Retention = field(default_factory=Retention)


class Hub:
    """A hub.

    Args:
        settings: What it is like.
        now_ms: The time.
    """

    def __init__(self, settings: HubSettings, *, now_ms: Callable[[], int]) -> None:
        self.name = settings.name
        self.created_ms = now_ms()
        self.groups = (DEFAULT_GROUP, *settings.groups)
        self.partitions = {
            str(number): Partition(str(number), retention=settings.retention, now_ms=now_ms)
            for number in range(settings.partitions)
        }
        self.readers = Readers()
        self._turn = 0

    def __repr__(self) -> str:
        """Show what it holds."""
        return f"<Hub {self.name} {sum(len(partition) for partition in self.partitions.values())} events>"

    def partition(self, ident: str) -> Partition:
        """Return a partition.

        Raises:
            AmqpError: There is none of that name.
        """
        found = self.partitions.get(ident)
        if found is None:
            last = len(self.partitions) - 1
            raise AmqpError(
                "com.microsoft:argument-out-of-range",
                f"the partition {ident:.50} of {self.name} does not exist: they are 0 to {last}",
            )
        return found

    def group(self, name: str) -> str:
        """Return the name of a consumer group as it was given.

        Raises:
            AmqpError: There is none of that name.
        """
        for group in self.groups:
            if group.lower() == name.lower():
                return group
        raise AmqpError("amqp:not-found", f"the messaging entity {self.name}/ConsumerGroups/{name:.50} could not be found")

    def append(self, messages: Sequence[Message], *, partition: str | None = None, key: str | None = None) -> None:
        """Append messages to one partition: the one given, else that of the key, else the next in turn.

        Raises:
            AmqpError: There is no such partition.
        """
        if partition is not None:
            chosen = self.partition(partition)
        elif key is not None:
            chosen = self.partitions[str(partition_of(key, len(self.partitions)))]
        else:
            chosen = self.partitions[str(self._turn % len(self.partitions))]
            self._turn += 1
        if key is not None:
            for message in messages:
                message.annotations[PARTITION_KEY] = key
        chosen.append(messages)
