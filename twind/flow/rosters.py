"""Whose an entity is that is heard on several streams: decided by the daemons themselves, from what each writes down.

Each stream's owner keeps a roster: whom it hears there, and how that stands. To have an entity it first asks for it in its
roster, then reads those of the others, and only then has it; whoever does both in this order cannot miss another who does.
Two who ask at once see it, and the one with the later stream steps back. So at no time have two daemons the same entity.

    asking -> held        nobody else has it or asks for it
    asking -> waiting     somebody else has it, or asks with more right: what comes here is refused
    waiting -> asking     nobody has it any more
    held -> released      nothing came here for a while, and somebody else waits for it: it has moved
    held -> waiting       somebody took it while this daemon stood still
    released -> (gone)    somebody else has it

Nothing here does I/O or asks a clock.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from twind.model.errors import RetryableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Standing(enum.StrEnum):
    """How an entity stands on a stream."""

    ASKING = "asking"
    HELD = "held"
    WAITING = "waiting"
    RELEASED = "released"


Entry = tuple[Standing, int]
"""How an entity stands, and how often it has moved: of two that both have it, the higher number is right."""


class Roster(msgspec.Struct, frozen=True):
    """What the owner of a stream writes down."""

    beat: int
    """Changes as long as the owner lives."""
    entities: dict[str, Entry]


def encode(roster: Roster) -> bytes:
    """Return a roster as it is written."""
    return msgspec.json.encode(roster)


def decode(content: bytes) -> Roster:
    """Return a roster that was written; nothing is an empty one.

    Raises:
        RetryableError: It is none.
    """
    if not content:
        return Roster(0, {})
    try:
        return msgspec.json.decode(content, type=Roster)
    except msgspec.DecodeError as error:
        raise RetryableError(f"a roster cannot be read: {error}") from error


@dataclass(slots=True)
class Seat:
    """One entity on one stream of ours."""

    standing: Standing
    term: int
    heard_s: float
    """When it was heard there last, or the stream taken; monotonic [s]."""
    asked: bool = False
    """Whether the others can read that it asks."""
    told: str = ""
    """The stream that has it in our place, as far as that was told."""


@dataclass(frozen=True, slots=True)
class Rival:
    """One entity on a stream of another daemon."""

    stream: str
    instance: str
    standing: Standing
    term: int


@dataclass(slots=True)
class Decided:
    """What has become of our entities."""

    changed: set[str] = field(default_factory=set)
    """Streams whose rosters are others now."""
    refused: list[tuple[str, str, Rival]] = field(default_factory=list)
    """Stream, entity, and who has it."""
    gained: list[tuple[str, str, str]] = field(default_factory=list)
    """Stream, entity, and the stream that it belonged to; empty where it is new."""


def decide(
    seats: Mapping[str, dict[str, Seat]], rivals: Mapping[str, Iterable[Rival]], *, now_s: float, moved_s: float
) -> Decided:
    """Let every entity of ours take the next step.

    Args:
        seats: Entities by stream of ours; changed.
        rivals: What the rosters of other daemons say, by entity; read after ours were written.
        now_s: Monotonic [s].
        moved_s: After which silence an entity is left to others [s].
    """
    decided = Decided()
    for stream, entities in seats.items():
        for entity, seat in list(entities.items()):
            before = seat.standing
            others = list(rivals.get(entity, ()))
            if _step(stream, seat, others, silent=now_s - seat.heard_s > moved_s):
                del entities[entity]
                decided.changed.add(stream)
                continue
            if seat.standing is not before:
                decided.changed.add(stream)
                seat.asked = False
            holder = max((one for one in others if one.standing is Standing.HELD), key=lambda one: one.term, default=None)
            if seat.standing is Standing.WAITING and holder is not None and holder.stream != seat.told:
                seat.told = holder.stream
                decided.refused.append((stream, entity, holder))
            if seat.standing is Standing.HELD and before is not Standing.HELD:
                seat.told = ""
                left = max((one for one in others if one.standing is Standing.RELEASED), key=lambda one: one.term, default=None)
                decided.gained.append((stream, entity, "" if left is None else left.stream))
    return decided


def _step(stream: str, seat: Seat, others: list[Rival], *, silent: bool) -> bool:  # noqa: C901  (a table of states)
    """Take one step; return whether the entity is gone from the stream."""
    held = [one for one in others if one.standing is Standing.HELD]
    asking = [one for one in others if one.standing is Standing.ASKING]
    wanted = any(one.standing in {Standing.ASKING, Standing.WAITING} for one in others)
    before = seat.standing
    if before is Standing.ASKING:
        if held or any(one.stream < stream for one in asking):
            seat.standing = Standing.WAITING
        elif seat.asked and not asking:
            seat.standing, seat.term = Standing.HELD, max([seat.term, *[one.term + 1 for one in others]])
    elif before is Standing.WAITING and not held and not asking:
        seat.standing = Standing.ASKING
    elif before is Standing.HELD:
        if any((one.term, stream) > (seat.term, one.stream) for one in held):
            seat.standing = Standing.WAITING
        elif silent and wanted:
            seat.standing = Standing.RELEASED
    elif before is Standing.RELEASED:
        if held:
            seat.standing = Standing.WAITING
        elif not silent or not wanted:
            seat.standing = Standing.ASKING
    return silent and seat.standing is Standing.WAITING
