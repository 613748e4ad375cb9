"""Takes messages from one source, has them processed in batches, and acknowledges them in order, once they are durable."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING

from twind.flow.watermark import Watermark
from twind.model.estimates import Verdict
from twind.model.refusals import Refusal
from twind.sources.protocol import AcknowledgingSource, ResumableSource
from twind.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from twind.flow.sinks import RawSink
    from twind.model.messages import RawMessage
    from twind.runtime.pipeline import BatchReport, Feed
    from twind.sources.protocol import LossySource
    from twind.telemetry import Telemetry

_MAX_BATCH = 512
"""Messages in one batch; about 2 ms of work, which bounds how long the event loop is held."""
_MAX_DUE = 20_000
_MAX_DUE_BYTES = 2**26
"""Messages, and bytes of them, that may wait to be durable; with more the source is not asked for new ones."""
_LAST_S = 3.0
"""How long the end waits for what is not durable yet; the broker repeats what is not acknowledged then [s]."""


class Pump:
    """One source's way into its feed."""

    def __init__(
        self,
        source: LossySource,
        feed: Feed,
        *,
        batch_s: float,
        telemetry: Telemetry,
        on_report: Callable[[BatchReport], None],
        recorders: Sequence[RawSink] = (),
        gate: asyncio.Lock | None = None,
    ) -> None:
        self.watermark = Watermark()
        """What was taken."""
        self.owned: Collection[str] | None = None
        """Streams that are this daemon's; None where nobody else can take them."""
        self.topics: Mapping[str, set[str]] | None = None
        """Filled with what comes on each stream of this daemon's; None where nobody wants to know."""
        self.elsewhere: Mapping[str, frozenset[str]] = {}
        """Topics on each stream that are about what other daemons hear on theirs."""
        self.done = 0
        """Messages that everything was done with but acknowledging."""
        self._source = source
        self._feed = feed
        self._batch_s = batch_s
        self._telemetry = telemetry
        self._metrics = telemetry.metrics.source(source.name)
        self._on_report = on_report
        self._recorders = recorders
        self._gate = gate or asyncio.Lock()
        """Held while a batch changes the state, and while the state is copied."""
        self._progressed = asyncio.Event()
        self._acknowledge = source.acknowledge if isinstance(source, AcknowledgingSource) else None
        self._durably = self._acknowledge is not None or isinstance(source, ResumableSource)
        self._due: deque[tuple[list[asyncio.Future[bool]], int, int]] = deque()
        """What makes each batch durable, its messages and their bytes, oldest first."""
        self._due_messages = self._due_bytes = 0
        self._settled = asyncio.Event()
        self.received = 0
        """Messages taken from the source."""
        self.refused = 0
        """Messages among them that could not be used."""
        self.too_old = 0
        """Samples that came too late to be used."""
        self.on_batch: Callable[[list[RawMessage]], None] | None = None
        """Called with each batch before it is processed; for checks that compare with what arrived."""

    async def run(self) -> None:
        """Process batches until the source is stopped and everything it had received was taken."""
        source = self._source
        while messages := await source.receive(_MAX_BATCH):
            async with self._gate:
                fresh = self._fresh(messages)
                durable = self._record(fresh)
                if fresh:
                    self._process(fresh)
            self.done += len(messages)
            self._progressed.set()
            if self._durably:
                await self._put_off(durable, messages)
            if len(messages) < _MAX_BATCH:
                await asyncio.sleep(self._batch_s)  # let some more arrive: one kernel call costs as much as 20 samples
            else:
                await asyncio.sleep(0)
        await self._finish()

    async def inject(self, messages: list[RawMessage]) -> None:
        """Take messages that somebody gives again, past the source: recorded and processed like any other."""
        async with self._gate:
            self.received += len(messages)
            self._metrics.received.inc(len(messages))
            durable = [recorder.offer_durably(self._source.name, messages) for recorder in self._recorders]
            self._process(messages)
        await asyncio.gather(*durable)

    def _fresh(self, messages: list[RawMessage]) -> list[RawMessage]:
        """Return what was not taken before."""
        owned = messages
        self.received += len(messages)
        self._metrics.received.inc(len(messages))
        if self.owned is not None:
            owned = [message for message in messages if message.stream in self.owned]
            self._pass_over("not_owned", len(messages) - len(owned))
        if self.topics is not None:
            for message in owned:
                self.topics[message.stream].add(message.topic)
        fresh = self.watermark.fresh(owned)
        self._pass_over("repeated", len(owned) - len(fresh))
        return self._refuse_elsewhere(fresh) if self.elsewhere else fresh

    def _refuse_elsewhere(self, messages: list[RawMessage]) -> list[RawMessage]:
        """Count what is about entities of other daemons, and return the rest."""
        none: frozenset[str] = frozenset()
        ours = [message for message in messages if message.topic not in self.elsewhere.get(message.stream, none)]
        count = len(messages) - len(ours)
        if count:
            self.refused += count
            example = "another daemon hears it on another partition: set a partition key"
            topic = next(one.topic for one in messages if one.topic in self.elsewhere.get(one.stream, none))
            self._telemetry.emit(
                events.MessagesRefused(
                    source=self._source.name, reason=Refusal.OTHER_STREAM, count=count, topic=topic, example=example
                )
            )
        return ours

    def _pass_over(self, reason: str, count: int) -> None:
        if count:
            self._telemetry.emit(events.MessagesPassedOver(source=self._source.name, reason=reason, count=count))

    async def catch_up(self) -> None:
        """Wait until everything that the source's intake holds now was processed."""
        intake = self._source.intake
        there = intake.put_messages - intake.dropped_messages
        while self.done < there:
            self._progressed.clear()
            await self._progressed.wait()

    # Acknowledging.

    def _record(self, messages: list[RawMessage]) -> list[asyncio.Future[bool]]:
        if not messages:
            return []
        if self._durably:
            return [recorder.offer_durably(self._source.name, messages) for recorder in self._recorders]
        for recorder in self._recorders:
            recorder.offer(self._source.name, messages)
        return []

    async def _put_off(self, durable: list[asyncio.Future[bool]], messages: list[RawMessage]) -> None:
        """Acknowledge a batch once it is durable, and all before it; wait while there is too much of that."""
        n_bytes = sum([len(message.payload) for message in messages])
        self._due.append((durable, len(messages), n_bytes))
        self._due_messages += len(messages)
        self._due_bytes += n_bytes
        for future in durable:
            future.add_done_callback(self._settle)
        if not durable:
            self._settle()
        while self._due_messages > _MAX_DUE or self._due_bytes > _MAX_DUE_BYTES:
            self._settled.clear()
            await self._settled.wait()

    def _settle(self, _: object = None) -> None:
        """Acknowledge, in order of receipt, what is durable. What never will be stays unacknowledged, and all after it."""
        due, count = self._due, 0
        while due and all(map(_is_true, due[0][0])):
            _, messages, n_bytes = due.popleft()
            self._due_messages -= messages
            self._due_bytes -= n_bytes
            count += messages
        if count and self._acknowledge is not None:
            self._acknowledge(count)
        self._settled.set()

    async def _finish(self) -> None:
        """Wait until everything is acknowledged, but not for ever: a disk may be full."""
        try:
            async with asyncio.timeout(_LAST_S):
                while self._due:
                    self._settled.clear()
                    await self._settled.wait()
        except TimeoutError:
            return

    # Processing.

    def _process(self, messages: list[RawMessage]) -> None:
        if self.on_batch is not None:
            self.on_batch(messages)
        started = time.perf_counter()
        report = self._feed.process(messages)
        self._telemetry.metrics.kernel_seconds.observe(time.perf_counter() - started)
        self._telemetry.metrics.batch_messages.observe(report.messages)
        refused = sum(entry.count for entry in report.refused.values())
        self.refused += refused
        self.too_old += int(report.verdicts[Verdict.TOO_OLD])
        self._metrics.processed.inc(report.messages - refused)
        self._metrics.count_verdicts(report.verdicts.tolist())
        for reason, entry in report.refused.items():
            kind = events.MessagesOfOthers if reason is Refusal.OTHER_SHARD else events.MessagesRefused
            self._telemetry.emit(
                kind(source=self._source.name, reason=reason, count=entry.count, topic=entry.topic, example=entry.example)
            )
        self._on_report(report)


def _is_true(future: asyncio.Future[bool]) -> bool:
    return future.done() and not future.cancelled() and future.result()
