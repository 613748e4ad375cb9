"""From where a partition is read: the daemon's own snapshot first, then the checkpoint, then the settings.

The SDK asks its checkpoint store for positions after it claimed partitions and before it reads them; that is where the answers
are worked out. They are handed over as "starting positions", because a checkpoint of the SDK cannot say "from number 0 on".
"""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING, Any

from azure.eventhub.aio import CheckpointStore

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from twind_eventhubs.checkpoints import Record
    from twind_eventhubs.settings import EventHubsSettings

FROM_THE_BEGINNING = "-1"
Position = str | int | dt.datetime
Begin = tuple[Position, int | None]
"""Where to begin, for the SDK; and the number of the first event that is expected there, as far as that is known."""


class Positions(CheckpointStore):
    """Between the SDK and the store.

    Args:
        settings: Of the source.
        store: Who owns what, and checkpoints.
        number_of: Asks the keeper from which number to read a partition; None where it knows none.
        properties_of: Asks the hub about a partition.
        is_open: Whether a partition is being read already.
        begun: Told where each partition begins.
    """

    def __init__(
        self,
        settings: EventHubsSettings,
        store: CheckpointStore,
        *,
        number_of: Callable[[str], Awaitable[int | None]],
        properties_of: Callable[[str], Awaitable[dict[str, Any]]],
        is_open: Callable[[str], bool],
        begun: Callable[[str, int | None], None],
    ) -> None:
        self._settings = settings
        self._store = store
        self._number_of = number_of
        self._properties_of = properties_of
        self._is_open = is_open
        self._begun = begun
        self._claimed: list[str] = []
        self._held_back_s: dict[str, float] = {}
        self.starting: dict[str, Position] = {}
        """What the SDK is given as `starting_position`; it looks a partition up when it opens it."""
        self.scope: dict[str, str] = {}
        """Namespace, hub and group as the SDK names them in ownerships and checkpoints."""
        self.inclusive: dict[str, bool] = {}
        """Likewise as `starting_position_inclusive`."""

    def hold_back(self, partition: str, seconds: float) -> None:
        """Do not claim a partition for some time: somebody took it, and two who take it back at once never end."""
        self._held_back_s[partition] = time.monotonic() + seconds

    async def list_ownership(  # noqa: D102
        self, fully_qualified_namespace: str, eventhub_name: str, consumer_group: str, **kwargs: Any
    ) -> Iterable[Record]:
        return await self._store.list_ownership(fully_qualified_namespace, eventhub_name, consumer_group, **kwargs)

    async def claim_ownership(self, ownership_list: Iterable[Record], **kwargs: Any) -> Iterable[Record]:  # noqa: D102
        now_s = time.monotonic()
        asked = [
            record
            for record in ownership_list
            if not record["owner_id"] or self._held_back_s.get(record["partition_id"], 0.0) <= now_s
        ]
        claimed = list(await self._store.claim_ownership(asked, **kwargs)) if asked else []
        if not any(record["owner_id"] == "" for record in asked):  # else a partition is being released, and the rest stays
            self._claimed = [record["partition_id"] for record in claimed]
        return claimed

    async def list_checkpoints(  # noqa: D102
        self, fully_qualified_namespace: str, eventhub_name: str, consumer_group: str, **kwargs: Any
    ) -> Iterable[Record]:
        self.scope = {
            "fully_qualified_namespace": fully_qualified_namespace,
            "eventhub_name": eventhub_name,
            "consumer_group": consumer_group,
        }
        new = [partition for partition in self._claimed if not self._is_open(partition)]
        known: dict[str, Record] | None = None
        for partition in new:
            number = await self._number_of(partition)
            position: Position | None = None
            if number is None:
                if known is None:
                    found = await self._store.list_checkpoints(
                        fully_qualified_namespace, eventhub_name, consumer_group, **kwargs
                    )
                    known = {record["partition_id"]: record for record in found}
                number, position = await self._without_keeper(partition, known.get(partition))
            # Numbers ascend by one, so what comes after number - 1 is number; "-1" is the service's word for the beginning.
            self.starting[partition] = position or (number - 1 if number else FROM_THE_BEGINNING)
            self.inclusive[partition] = isinstance(position, dt.datetime)
            self._begun(partition, number)
        return ()

    async def _without_keeper(self, partition: str, checkpoint: Record | None) -> tuple[int | None, Position | None]:
        start = self._settings.start
        if checkpoint is not None and isinstance(checkpoint.get("sequence_number"), int):
            number: int = checkpoint["sequence_number"] + 1
            properties = await self._properties_of(partition)
            # A checkpoint beyond the end is of another hub: one that was deleted and made anew begins at 0 again.
            if number <= properties["last_enqueued_sequence_number"] + 1:
                return number, None
        if start == "latest":
            # As a number: "@latest" would be another one after every reconnection, and what came between would be lost.
            properties = await self._properties_of(partition)
            return properties["last_enqueued_sequence_number"] + 1, None
        if isinstance(start, dict) and partition in start:
            return start[partition], None
        return None, start if isinstance(start, dt.datetime) else None

    async def update_checkpoint(self, checkpoint: Record, **kwargs: Any) -> None:  # noqa: D102
        await self._store.update_checkpoint(checkpoint, **kwargs)
