"""Takes streams over from the daemon that had them before, with the state of what comes on them, and leaves them likewise."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from twind import __version__
from twind.flow.rosters import Rival, Roster, Seat, Standing, decide
from twind.flow.rosters import decode as decode_roster
from twind.flow.rosters import encode as encode_roster
from twind.flow.shared_streams import ROSTER, STATE
from twind.flow.snapshot_file import decode, encode
from twind.model.errors import FencedError, PermanentError, RetryableError, SnapshotError
from twind.runtime.restart.state import from_parts, part_of, restore, to_parts
from twind.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from twind.flow.shared_streams import Claim, SharedStreams
    from twind.flow.watermark import Place, Watermark
    from twind.runtime.bindings import Bindings
    from twind.runtime.estimators import Estimators
    from twind.runtime.restart.state import State
    from twind.telemetry import Telemetry

_NOBODY: frozenset[str] = frozenset()
_CERTAIN = 3
"""So many looks may be missed before it is not certain any more that our streams are ours."""
_BEATS = 4
"""How often a roster is written at least, in the time after which it is nobody's."""


def _now_s() -> float:
    """Return the time since the machine started [s]; it goes on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class HandOver:
    """The streams of one source that are this daemon's. Belongs to the event loop.

    An entity belongs to the stream that its messages come on, and so to whoever owns that: its robot has to be published with
    a partition key, or as a device. One that comes on streams of several daemons belongs to one of them, by their rosters.

    Args:
        source: Name of the source, the same in all daemons.
        shared: The folder that they share.
        instance: Name of this daemon.
        estimators: Where the state goes, and comes from.
        bindings: What topics stand for.
        gate: Held by whoever changes the state.
        on_taken: Told after a state was put into the banks.
        telemetry: Is told whose streams are whose.
        look_s: How often it is looked what other daemons have and hear [s].
        moved_s: After which silence an entity is left to another daemon that hears it [s].
    """

    def __init__(
        self,
        source: str,
        shared: SharedStreams,
        *,
        instance: str,
        estimators: Estimators,
        bindings: Bindings,
        gate: asyncio.Lock,
        on_taken: Callable[[], None],
        telemetry: Telemetry,
        look_s: float = 1.0,
        moved_s: float = 30.0,
    ) -> None:
        self.source = source
        self.shared = shared
        self._instance = instance
        self.claims: dict[str, Claim] = {}
        """Of the streams that are ours."""
        self.topics: dict[str, set[str]] = {}
        """What has come on each of them since somebody looked; filled by the pump."""
        self.elsewhere: dict[str, frozenset[str]] = {}
        """Topics on each of them that are about entities of other daemons only: the pump refuses what comes."""
        self.entities: dict[str, frozenset[str]] = {}
        """Ids of what each of them is about, when that was last asked for."""
        self._topics: dict[str, set[str]] = {}
        """Everything that has come on each of them."""
        self._seats: dict[str, dict[str, Seat]] = {}
        """How entities stand on each of them."""
        self._beats: dict[str, tuple[int, float]] = {}
        """Of the rosters of others, and when we saw each change [s]."""
        self._written: dict[str, tuple[bytes, float]] = {}
        """Our rosters as they stand, and when they were written [s]."""
        self._news = asyncio.Event()
        self._look_s = look_s
        self._moved_s = moved_s
        self._verified_s: float | None = None
        """When our claims were last seen to be the newest, by the clock that goes on while everything stands still [s]."""
        self._theirs: frozenset[str] | None = None
        """Whom other daemons had when it was last looked; None before that."""
        self._open: frozenset[str] = frozenset()
        """Who were this daemon's, on streams that nobody has claimed since."""
        self._left: dict[str, tuple[Claim, Place, frozenset[str]]] = {}
        """What was written of each last."""
        self._estimators = estimators
        self._bindings = bindings
        self._gate = gate
        self._on_taken = on_taken
        self._telemetry = telemetry

    def __repr__(self) -> str:
        return f"<HandOver {self.source}: {sorted(self.claims)}>"

    @property
    def certain(self) -> bool:
        """Whether our claims were the newest a moment ago; not after this process, or the machine, stood still."""
        return not self.claims or (self._verified_s is not None and _now_s() - self._verified_s < _CERTAIN * self._look_s)

    @property
    def living(self) -> bool:
        """Whether others still take our rosters for kept, so that nobody has taken an entity that one of our layers shows."""
        return not self.claims or (self._verified_s is not None and _now_s() - self._verified_s < self._moved_s / 2)

    def had_elsewhere(self, entity: str) -> bool | None:
        """Whether another daemon has an entity that is not ours; None while that is not known, or still open."""
        if self._theirs is None or self._verified_s is None or _now_s() - self._verified_s >= _CERTAIN * self._look_s:
            return None
        return True if entity in self._theirs else None if entity in self._open else False

    def yields(self, stream: str) -> bool:
        """Whether a stream of ours is about entities that are others', which its layer must not show."""
        return bool(self._in(stream, Standing.WAITING, Standing.RELEASED))

    def _in(self, stream: str, *standings: Standing) -> frozenset[str]:
        return frozenset([entity for entity, seat in self._seats.get(stream, {}).items() if seat.standing in standings])

    def _about(self, stream: str) -> frozenset[str]:
        """Return the ids of what a stream of ours is about; the same object as long as it is the same."""
        found = self._in(stream, Standing.HELD)
        if found != self.entities.get(stream, _NOBODY):
            self.entities[stream] = found
        return self.entities.get(stream, _NOBODY)

    async def take(self, stream: str, watermark: Watermark) -> None:
        """Claim a stream, and go on where its last owner was, if that is further than what is known here.

        Raises:
            RetryableError: The shared folder cannot be used.
        """
        started_s = time.perf_counter()
        self._begin(stream)
        try:
            claim, before = await asyncio.to_thread(self.shared.claim, self.source, stream)
            taken = await self._load(stream, claim, watermark)
            await self._seat(stream)
        except BaseException:
            self.leave(stream)
            raise
        self.claims[stream] = claim
        self._news.set()
        self._telemetry.emit(
            events.StreamTaken(
                source=self.source,
                stream=stream,
                epoch=claim.epoch,
                before="" if before is None else before.instance,
                entities=taken,
                number=watermark.streams.get(stream, (-1, 0, 0))[0],
                seconds=round(time.perf_counter() - started_s, 3),
            )
        )

    async def _load(self, stream: str, claim: Claim, watermark: Watermark) -> int:
        """Go on with what the last owner left, if there is anything; return how many entities that were."""
        content = await asyncio.to_thread(self.shared.read, claim, STATE)
        try:
            return 0 if content is None else await self._restore(stream, content, watermark)
        except SnapshotError as error:
            file = f"{self.source}/{stream}/{STATE}"
            self._telemetry.emit(events.SnapshotRefused(reason=error.fault, file=file, error=str(error)))
            return 0

    async def _restore(self, stream: str, content: bytes, watermark: Watermark) -> int:
        """Put what an owner left into the banks, unless more is known here already; return how many entities that were."""
        header, parts = await asyncio.to_thread(decode, content)
        self._seats[stream] = {entity: Seat(Standing.ASKING, 0, time.monotonic()) for entity in header["entities"]}
        number, messages, of = header["place"]
        place: Place = (number, messages, of)
        if watermark.streams.get(stream, (-1, 0, 0)) >= place:
            return 0
        state = await asyncio.to_thread(from_parts, header["state"], parts, self._estimators)
        async with self._gate:  # on the loop: what predicts from the banks never sees half of it
            restored = restore(self._estimators, state)
            watermark.restore({stream: place}, ())
        self._on_taken()
        return restored.entities

    def leave(self, stream: str) -> None:
        """Write nothing about a stream any more."""
        self._open |= self._in(stream, Standing.HELD)
        for known in (self.claims, self._left, self.entities, self._written, self.elsewhere):
            known.pop(stream, None)
        for filled in (self.topics, self._topics, self._seats):
            filled.pop(stream, None)

    def about(self) -> dict[str, tuple[Claim, frozenset[str]]]:
        """Return claim and entities of every stream of ours, as they are now."""
        return {stream: (claim, self._about(stream)) for stream, claim in self.claims.items()}

    def to_leave(self) -> dict[str, tuple[Claim, frozenset[str]]]:
        """Return the same with those that may be another's, or are to be: the next owner must find what is contained."""
        self._note_heard()
        standings = (Standing.HELD, Standing.ASKING, Standing.RELEASED)
        return {stream: (claim, self._in(stream, *standings)) for stream, claim in self.claims.items()}

    async def write(self, state: State, places: Mapping[str, Place], about: Mapping[str, tuple[Claim, frozenset[str]]]) -> None:
        """Leave the state of every stream for the next owner; those that belong to somebody else by now are given up.

        Args:
            state: What was copied between two batches.
            places: How far each stream was contained in it.
            about: What `to_leave` returned then.

        Raises:
            OSError: The folder cannot be written.
        """
        for stream, (claim, entities) in about.items():
            if stream not in places or self._left.get(stream) == (claim, places[stream], entities):
                continue
            try:
                await asyncio.to_thread(self._write, claim, state, places[stream], entities)
                self._left[stream] = (claim, places[stream], entities)
            except FencedError as error:
                self.fenced(claim, error)

    def fenced(self, claim: Claim, error: FencedError) -> None:
        """Take note that a claim has ended."""
        if self.claims.get(claim.stream) == claim:
            self.leave(claim.stream)
            self._telemetry.emit(
                events.StreamFenced(source=self.source, stream=claim.stream, epoch=claim.epoch, error=str(error))
            )

    # Whose an entity is that several hear.

    async def run(self) -> None:
        """Look what other daemons have and hear, for ever. What is shared cannot be used for a while: it is tried again."""
        while True:
            self._news.clear()
            try:
                await self.look()
            except (RetryableError, PermanentError, OSError) as error:
                self._telemetry.emit(events.RosterFailed(source=self.source, error=str(error)))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._look_s):
                    await self._news.wait()

    async def look(self) -> None:
        """Write down whom we hear, read whom others hear, and decide whose they are.

        Raises:
            RetryableError: What is shared cannot be read.
            PermanentError: It cannot be read before somebody cures it.
            OSError: It cannot be written.
        """
        self._note_heard()
        await self._write_rosters()
        started_s = _now_s()
        found = await asyncio.to_thread(self.shared.read_all, self.source, ROSTER)
        for stream, claim in list(self.claims.items()):
            newest = found.get(stream)
            if newest is not None and newest[0].epoch > claim.epoch:
                who = f"instance {newest[0].instance!r} (epoch {newest[0].epoch})"
                self.fenced(claim, FencedError(f"{self.source} {stream} belongs to {who} now; epoch {claim.epoch} has ended"))
        self._verified_s = started_s
        ours = {stream: self._seats[stream] for stream in self.claims}
        rivals = self._rivals(found)
        self._note_others(rivals)
        decided = decide(ours, rivals, now_s=time.monotonic(), moved_s=self._moved_s)
        for stream, entity, before in decided.gained:
            if before:
                await self._adopt(stream, entity, before, found[before][0])
        for stream, entity, rival in decided.refused:
            self._telemetry.emit(
                events.EntityElsewhere(
                    source=self.source,
                    entity=entity,
                    stream=stream,
                    elsewhere=rival.stream,
                    instance=rival.instance,
                    cure="set a partition key: each robot must come on one partition",
                )
            )
        self._refuse()
        if decided.changed:
            await self._write_rosters()
            self._news.set()

    def _begin(self, stream: str) -> None:
        self.topics[stream], self._topics[stream], self._seats[stream] = set(), set(), {}

    async def _seat(self, stream: str) -> None:
        """Have at once whom the last owner had, unless somebody else has them, or asks for them, on another stream."""
        found = await asyncio.to_thread(self.shared.read_all, self.source, ROSTER)
        rivals = self._rivals(found)
        left = decode_roster(found[stream][1]).entities if stream in found else {}
        for entity, seat in self._seats.get(stream, {}).items():
            standing, seat.term = left.get(entity, (Standing.HELD, 0))
            taken = any(one.standing in {Standing.HELD, Standing.ASKING} for one in rivals.get(entity, ()))
            if standing is Standing.HELD and not taken:
                seat.standing = Standing.HELD
        if not self.claims:
            self._verified_s = _now_s()
            self._note_others(rivals)

    def _note_heard(self) -> None:
        """Give those a seat that were heard since this was last called."""
        now_s = time.monotonic()
        for stream, topics in self.topics.items():
            if not topics or stream not in self.claims:
                continue
            seats = self._seats[stream]
            self._topics[stream] |= topics
            for entity in self._entities_of(topics):
                if entity in seats:
                    seats[entity].heard_s = now_s
                else:
                    seats[entity] = Seat(Standing.ASKING, 0, now_s)
                    self._news.set()
            topics.clear()

    def _entities_of(self, topics: Iterable[str]) -> set[str]:
        bindings = [self._bindings.known.get(topic) for topic in topics]
        return {self._estimators.topology.entities[row].id for one in bindings if one is not None for row in one.entities}

    async def _write_rosters(self) -> None:
        """Write what has changed of our rosters, and now and then what has not, for others to see that we live."""
        for stream, claim in list(self.claims.items()):
            seats, now_s = self._seats.get(stream, {}), time.monotonic()
            asking = [seat for seat in seats.values() if seat.standing is Standing.ASKING]
            content = encode_roster(Roster(0, {entity: (seat.standing, seat.term) for entity, seat in sorted(seats.items())}))
            known, written_s = self._written.get(stream, (b"", -1e9))
            if content == known and now_s - written_s < self._moved_s / _BEATS:
                continue
            beat = encode_roster(msgspec.structs.replace(decode_roster(content), beat=time.time_ns()))
            try:
                await asyncio.to_thread(self.shared.write, claim, ROSTER, beat)
            except FencedError as error:
                self.fenced(claim, error)
                continue
            self._written[stream] = content, now_s
            for seat in asking:
                seat.asked = True

    def _rivals(self, found: Mapping[str, tuple[Claim, bytes]]) -> dict[str, list[Rival]]:
        """Return what the rosters of other daemons say, by entity; of those that nobody keeps any more, as if released."""
        rivals: dict[str, list[Rival]] = {}
        now_s = time.monotonic()
        for stream, (claim, content) in found.items():
            if stream in self._seats:  # ours, or about to be
                continue
            roster = decode_roster(content)
            beat, since_s = self._beats.get(stream, (-1, now_s))
            if roster.beat != beat:
                beat, since_s = roster.beat, now_s
            self._beats[stream] = beat, since_s
            kept = now_s - since_s <= self._moved_s
            for entity, (standing, term) in roster.entities.items():
                if kept or standing is Standing.HELD:
                    now = standing if kept else Standing.RELEASED
                    rivals.setdefault(entity, []).append(Rival(stream, claim.instance, now, term))
        return rivals

    def _note_others(self, rivals: Mapping[str, Iterable[Rival]]) -> None:
        """Note whom others have, and who may be anybody's yet: of streams that were ours, and who is asked for."""
        theirs, still_open = set(), set()
        for entity, others in rivals.items():
            for one in others:
                if one.standing is Standing.HELD and one.instance != self._instance:
                    theirs.add(entity)
                elif one.standing in {Standing.HELD, Standing.ASKING}:
                    still_open.add(entity)
        self._theirs, self._open = frozenset(theirs), frozenset(still_open)

    async def _adopt(self, stream: str, entity: str, before: str, claim: Claim) -> None:
        """Go on with what another stream's owner left of an entity that has moved."""
        content = await asyncio.to_thread(self.shared.read, claim, STATE)
        if content is not None:
            try:
                header, parts = await asyncio.to_thread(decode, content)
                state = await asyncio.to_thread(from_parts, header["state"], parts, self._estimators)
                async with self._gate:
                    restore(self._estimators, part_of(state, {entity}, self.source))
                self._on_taken()
            except SnapshotError as error:
                name = f"{self.source}/{before}/{STATE}"
                self._telemetry.emit(events.SnapshotRefused(reason=error.fault, file=name, error=str(error)))
        self._telemetry.emit(events.EntityMoved(source=self.source, entity=entity, stream=stream, before=before))

    def _refuse(self) -> None:
        """Tell the pump what is about entities of others."""
        for stream, topics in self._topics.items():
            theirs = self._in(stream, Standing.WAITING)
            refused = {topic for topic in topics if theirs and (of := self._entities_of([topic])) and of <= theirs}
            if refused:
                self.elsewhere[stream] = frozenset(refused)
            else:
                self.elsewhere.pop(stream, None)

    def _write(self, claim: Claim, state: State, place: Place, entities: frozenset[str]) -> None:
        description, parts = to_parts(part_of(state, entities, self.source))
        header: dict[str, Any] = {
            "twind": __version__,
            "instance": claim.instance,
            "generation": claim.generation,
            "epoch": claim.epoch,
            "stream": claim.stream,
            "place": place,
            "entities": sorted(entities),
            "written_ns": time.time_ns(),
            "state": description,
        }
        self.shared.write(claim, STATE, encode(header, parts), durable=True)


class Ours:
    """Which entities are this daemon's to tell of: those of its streams, and those that come by sources that it has to itself.

    Args:
        estimators: Know the streams of all sources.
        hand_overs: By source, those whose streams go from daemon to daemon; may be filled later.
    """

    def __init__(self, estimators: Estimators, hand_overs: Mapping[str, HandOver]) -> None:
        self._estimators = estimators
        self._hand_overs = hand_overs
        self._key: object = None
        self._sets: list[frozenset[str]] = []
        self._mask = np.zeros(len(estimators.topology.entities), np.bool_)

    def __call__(self) -> NDArray[np.bool_]:
        """Return (E,) whether each is ours. Cheap while nothing changes."""
        streams, index = self._estimators.streams, self._estimators.topology.entity_index
        sets = [ids for hand_over in self._hand_overs.values() for ids in hand_over.entities.values()]
        key = (len(streams), *map(id, sets))
        if key != self._key:
            ids = {stream.entity for stream in streams if stream.source not in self._hand_overs}.union(*sets)
            self._mask = np.zeros(len(self._mask), np.bool_)
            self._mask[[index[one] for one in ids if one in index]] = True
            self._key, self._sets = key, sets  # kept, so that no other set gets the id of one
        return self._mask

    def tells(self, entity: str) -> bool | None:
        """Return whether an entity, or anything that is none, is ours to tell of; None while that is not certain.

        What nobody has is told by whoever has something to tell of it: it had it then, perhaps before it was started anew.
        """
        row = self._estimators.topology.entity_index.get(entity)
        if row is None:
            return True
        if not all(hand_over.certain for hand_over in self._hand_overs.values()):
            return None
        if self()[row]:
            return True
        elsewhere = [hand_over.had_elsewhere(entity) for hand_over in self._hand_overs.values()]
        return False if True in elsewhere else None if None in elsewhere else True
