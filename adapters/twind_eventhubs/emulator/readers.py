"""Who reads a partition for a consumer group: at most one with an epoch, or five without."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twind_eventhubs.emulator.amqp.errors import AmqpError

if TYPE_CHECKING:
    from collections.abc import Callable

WITHOUT_EPOCH = 5
"""Readers without an epoch that one group may have at one partition."""


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """One receiver."""

    group: str
    partition: str
    epoch: int | None
    """The higher wins, and of equals the later. None shares."""
    detach: Callable[[AmqpError], None]
    """What ends it."""


class Readers:
    """All that read one hub."""

    def __init__(self) -> None:
        self._readers: list[Reader] = []

    def of(self, group: str, partition: str) -> list[Reader]:
        """Return who reads a partition for a group."""
        return [reader for reader in self._readers if reader.group == group and reader.partition == partition]

    def admit(self, new: Reader) -> None:
        """Let a reader in, and end those that it takes the partition from.

        Raises:
            AmqpError: Somebody else has a better right to it.
        """
        others = self.of(new.group, new.partition)
        owner = max((reader.epoch for reader in others if reader.epoch is not None), default=None)
        if owner is not None and (new.epoch is None or new.epoch < owner):
            has = "no epoch" if new.epoch is None else f"epoch {new.epoch}"
            raise _stolen(f"a receiver with {has} cannot read partition {new.partition}: there is one with epoch {owner}")
        if new.epoch is None and len(others) >= WITHOUT_EPOCH:
            raise AmqpError(
                "amqp:resource-limit-exceeded",
                f"exceeded the maximum number of allowed receivers per partition in a consumer group, which is {WITHOUT_EPOCH}",
            )
        self._readers.append(new)
        if new.epoch is not None:
            for reader in others:
                self.steal(reader, f"new receiver with epoch {new.epoch} of partition {new.partition} was created")

    def remove(self, reader: Reader) -> None:
        """Forget a reader that is gone."""
        if reader in self._readers:
            self._readers.remove(reader)

    def end_all(self, error: AmqpError) -> int:
        """End every reader with an error; return how many there were."""
        readers, self._readers = self._readers, []
        for reader in readers:
            reader.detach(error)
        return len(readers)

    def steal(self, reader: Reader, why: str) -> None:
        """Take the partition from a reader."""
        self.remove(reader)
        reader.detach(_stolen(f"{why}, hence the current receiver is disconnected"))


def _stolen(description: str) -> AmqpError:
    return AmqpError("amqp:link:stolen", description)
