"""Takes messages from one source, has them processed in batches, and acknowledges them in order."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from twind.model.estimates import Verdict
from twind.model.refusals import Refusal
from twind.sources.protocol import AcknowledgingSource
from twind.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from twind.flow.sinks import RawSink
    from twind.model.messages import RawMessage
    from twind.runtime.pipeline import BatchReport, Feed
    from twind.sources.protocol import LossySource
    from twind.telemetry import Telemetry

_MAX_BATCH = 512
"""Messages in one batch; about 2 ms of work, which bounds how long the event loop is held."""


class Pump:
    """One source's way into its feed."""

    def __init__(
        self,
        source: LossySource | AcknowledgingSource,
        feed: Feed,
        *,
        batch_s: float,
        telemetry: Telemetry,
        on_report: Callable[[BatchReport], None],
        recorders: Sequence[RawSink] = (),
    ) -> None:
        self._source = source
        self._feed = feed
        self._batch_s = batch_s
        self._telemetry = telemetry
        self._metrics = telemetry.metrics.source(source.name)
        self._on_report = on_report
        self._recorders = recorders
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
        acknowledge = source.acknowledge if isinstance(source, AcknowledgingSource) else None
        while messages := await source.receive(_MAX_BATCH):
            self._process(messages)
            if acknowledge is not None:
                acknowledge(len(messages))
            if len(messages) < _MAX_BATCH:
                await asyncio.sleep(self._batch_s)  # let some more arrive: one kernel call costs as much as 20 samples
            else:
                await asyncio.sleep(0)

    def _process(self, messages: list[RawMessage]) -> None:
        if self.on_batch is not None:
            self.on_batch(messages)
        for recorder in self._recorders:
            recorder.offer(self._source.name, messages)
        started = time.perf_counter()
        report = self._feed.process(messages)
        self._telemetry.metrics.kernel_seconds.observe(time.perf_counter() - started)
        self._telemetry.metrics.batch_messages.observe(report.messages)
        refused = sum(entry.count for entry in report.refused.values())
        self.received += report.messages
        self.refused += refused
        self.too_old += int(report.verdicts[Verdict.TOO_OLD])
        self._metrics.received.inc(report.messages)
        self._metrics.processed.inc(report.messages - refused)
        self._metrics.count_verdicts(report.verdicts.tolist())
        for reason, entry in report.refused.items():
            kind = events.MessagesOfOthers if reason is Refusal.OTHER_SHARD else events.MessagesRefused
            self._telemetry.emit(
                kind(source=self._source.name, reason=reason, count=entry.count, topic=entry.topic, example=entry.example)
            )
        self._on_report(report)
