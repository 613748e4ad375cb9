"""`$management`: what hubs and partitions there are, and how far they got."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind_eventhubs.emulator.amqp import messages
from twind_eventhubs.emulator.amqp.errors import AmqpError
from twind_eventhubs.emulator.amqp.values import Array, Int, Timestamp
from twind_eventhubs.emulator.partition import NEVER_MS

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind_eventhubs.emulator.amqp.messages import Request
    from twind_eventhubs.emulator.amqp.values import Value
    from twind_eventhubs.emulator.hub import Hub

HUB = "com.microsoft:eventhub"
PARTITION = "com.microsoft:partition"

_STATUS = {"amqp:not-found": 404, "amqp:unauthorized-access": 401, "com.microsoft:argument-out-of-range": 400}
_FAILED = 500


def answer(request: Request, *, find: Callable[[str], Hub]) -> bytes:
    """Answer a request.

    Args:
        request: What is asked.
        find: Returns a hub the asker may know of, or raises `AmqpError`.
    """
    try:
        body = _read(request, find)
    except AmqpError as error:
        status: dict[Value, Value] = {
            "status-code": Int(_STATUS.get(error.condition, _FAILED)),
            "status-description": error.description,
        }
        return messages.reply(request, status, None)
    return messages.reply(request, {"status-code": Int(200), "status-description": "OK"}, body)


def _read(request: Request, find: Callable[[str], Hub]) -> Value:
    ask = {str(name): value for name, value in request.properties.items()}
    if ask.get("operation") != "READ":
        raise AmqpError("amqp:not-implemented", "the only operation here is READ")
    hub = find(str(ask.get("name", "")))
    match ask.get("type"):
        case "com.microsoft:eventhub":
            return _hub(hub)
        case "com.microsoft:partition":
            return _partition(hub, str(ask.get("partition", "")))
    raise AmqpError("amqp:not-implemented", "what is read is a hub or a partition")


def _hub(hub: Hub) -> Value:
    return {
        "name": hub.name,
        "type": HUB,
        "created_at": Timestamp(hub.created_ms),
        "partition_count": Int(len(hub.partitions)),
        "partition_ids": Array(str, tuple(hub.partitions)),
        "georeplication_factor": Int(1),
    }


def _partition(hub: Hub, ident: str) -> Value:
    partition = hub.partition(ident)
    last = partition.last
    return {
        "name": hub.name,
        "type": PARTITION,
        "partition": ident,
        "begin_sequence_number": partition.first_sequence if len(partition) else 0,
        "last_enqueued_sequence_number": -1 if last is None else last.sequence,
        "last_enqueued_offset": "-1" if last is None else str(last.offset),
        "last_enqueued_time_utc": Timestamp(NEVER_MS if last is None else last.enqueued_ms),
        "is_partition_empty": len(partition) == 0,
    }
