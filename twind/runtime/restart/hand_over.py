"""Takes streams over from the daemon that had them before, with the state of what comes on them, and leaves them likewise."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from twind import __version__
from twind.flow.shared_streams import STATE
from twind.flow.snapshot_file import decode, encode
from twind.model.errors import FencedError, SnapshotError
from twind.runtime.restart.state import from_parts, part_of, restore, to_parts
from twind.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from twind.flow.shared_streams import Claim, SharedStreams
    from twind.flow.watermark import Place, Watermark
    from twind.runtime.bindings import Bindings
    from twind.runtime.estimators import Estimators
    from twind.runtime.restart.state import State
    from twind.telemetry import Telemetry

_NOBODY: frozenset[str] = frozenset()


class HandOver:
    """The streams of one source that are this daemon's. Belongs to the event loop.

    An entity belongs to the stream that its messages come on, and so to whoever owns that: its robot has to be published with
    a partition key, or as a device.

    Args:
        source: Name of the source, the same in all daemons.
        shared: The folder that they share.
        estimators: Where the state goes, and comes from.
        bindings: What topics stand for.
        gate: Held by whoever changes the state.
        on_taken: Told after a state was put into the banks.
        telemetry: Is told whose streams are whose.
    """

    def __init__(
        self,
        source: str,
        shared: SharedStreams,
        *,
        estimators: Estimators,
        bindings: Bindings,
        gate: asyncio.Lock,
        on_taken: Callable[[], None],
        telemetry: Telemetry,
    ) -> None:
        self.source = source
        self.shared = shared
        self.claims: dict[str, Claim] = {}
        """Of the streams that are ours."""
        self.topics: dict[str, set[str]] = {}
        """What has come on each of them; filled by the pump."""
        self.entities: dict[str, frozenset[str]] = {}
        """Ids of what each of them is about, when that was last asked for."""
        self._brought: dict[str, frozenset[str]] = {}
        """Entities that came with each."""
        self._left: dict[str, tuple[Claim, Place, frozenset[str]]] = {}
        """What was written of each last."""
        self._estimators = estimators
        self._bindings = bindings
        self._gate = gate
        self._on_taken = on_taken
        self._telemetry = telemetry

    def __repr__(self) -> str:
        return f"<HandOver {self.source}: {sorted(self.claims)}>"

    def _about(self, stream: str) -> frozenset[str]:
        """Return the ids of what a stream of ours is about; the same object as long as it is the same."""
        found = set(self._brought.get(stream, _NOBODY))
        for topic in self.topics.get(stream, ()):
            binding = self._bindings.known.get(topic)
            if binding is not None:
                found.update(self._estimators.topology.entities[row].id for row in binding.entities)
        if found != self.entities.get(stream, _NOBODY):
            self.entities[stream] = frozenset(found)
        return self.entities.get(stream, _NOBODY)

    async def take(self, stream: str, watermark: Watermark) -> None:
        """Claim a stream, and go on where its last owner was, if that is further than what is known here.

        Raises:
            RetryableError: The shared folder cannot be used.
        """
        started_s = time.perf_counter()
        claim, before = await asyncio.to_thread(self.shared.claim, self.source, stream)
        content = await asyncio.to_thread(self.shared.read, claim, STATE)
        taken = 0
        self.topics[stream], self._brought[stream] = set(), _NOBODY
        if content is not None:
            try:
                taken = await self._restore(stream, content, watermark)
            except SnapshotError as error:
                self._telemetry.emit(
                    events.SnapshotRefused(reason=error.fault, file=f"{self.source}/{stream}/{STATE}", error=str(error))
                )
        self.claims[stream] = claim
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

    async def _restore(self, stream: str, content: bytes, watermark: Watermark) -> int:
        """Put what an owner left into the banks, unless more is known here already; return how many entities that were."""
        header, parts = await asyncio.to_thread(decode, content)
        self._brought[stream] = frozenset(header["entities"])
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
        self.claims.pop(stream, None)
        self.topics.pop(stream, None)
        self._brought.pop(stream, None)
        self._left.pop(stream, None)
        self.entities.pop(stream, None)

    def about(self) -> dict[str, tuple[Claim, frozenset[str]]]:
        """Return claim and entities of every stream of ours, as they are now."""
        return {stream: (claim, self._about(stream)) for stream, claim in self.claims.items()}

    async def write(self, state: State, places: Mapping[str, Place], about: Mapping[str, tuple[Claim, frozenset[str]]]) -> None:
        """Leave the state of every stream for the next owner; those that belong to somebody else by now are given up.

        Args:
            state: What was copied between two batches.
            places: How far each stream was contained in it.
            about: What `about` returned then.

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
