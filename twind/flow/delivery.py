"""Notices on their way out: numbered, bounded, sent at least once and in order, whoever carries them."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Protocol

from twind.flow.cloud_events import CloudEvents
from twind.flow.outbox import Outbox
from twind.flow.retry import Backoff
from twind.model.errors import PermanentError, RetryableError, TwindError
from twind.model.notices import NoticeKind
from twind.telemetry.events import NoticesLost, NoticesReplaced, NoticesSent, SinkConnected, SinkDisconnected

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.config.base import DeliverySettings
    from twind.flow.outbox import Outgoing
    from twind.flow.sinks import SinkContext
    from twind.model.notices import Notice

REASONS = ("queue_full", "oversize", "shutdown", "other_daemon")
"""Why events can be lost."""
_UNCERTAIN_S = 0.1
"""How long to wait before it is asked again whether this daemon may tell what it has [s]."""


class Carrier(Protocol):
    """What brings events to where they are consumed; all that an adapter has to write."""

    address: str
    """Where to, for the log; without secrets."""
    max_event_bytes: int
    """Largest event that the far side takes."""

    async def send(self, batch: Sequence[Outgoing]) -> None:
        """Send some events in order and return once the far side has all of them; connect first where that is needed.

        Cancelled, it leaves nothing behind that would go on sending.

        Raises:
            RetryableError: Not all of them are known to have arrived; all are sent again.
            PermanentError: Likewise, for a reason that a human must cure.
        """

    async def aclose(self) -> None:
        """Disconnect in good order."""


class Delivery:
    """A `NoticeSink` around a carrier.

    What was offered is kept until the far side confirmed it, through any number of lost connections, and sent again as it was:
    a consumer sees each event at least once, with the same id, and the events of one entity in order. What does not survive
    is the end of this process: `aclose` gives it a last chance, a kill none. A start therefore tells the state of every entity
    anew, and ids say which start they belong to.
    """

    def __init__(self, name: str, settings: DeliverySettings, carrier: Carrier, context: SinkContext) -> None:
        self.name = name
        self.settings = settings
        self.outbox = Outbox(max_events=settings.max_events, max_bytes=settings.max_bytes)
        self.connected = False
        """Whether the newest events arrived, as far as is known."""
        self._carrier = carrier
        self._telemetry = context.telemetry
        self._events = CloudEvents(context.instance, context.generation)
        self._tells = context.tells
        self._backoff = Backoff(base_s=settings.retry.base_s, cap_s=settings.retry.cap_s)
        self._news = asyncio.Event()
        self._sending = asyncio.Lock()
        self._told_lost = self._told_replaced = 0
        self._told_away = False
        for reason in REASONS:
            self._telemetry.declare(NoticesLost, sink=name, reason=reason)
        self._telemetry.declare(NoticesSent, sink=name)
        self._telemetry.declare(NoticesReplaced, sink=name)

    def __repr__(self) -> str:
        """Show whether it gets through and what waits."""
        return f"<Delivery {self.name} to {self._carrier.address} {'up' if self.connected else 'away'} {self.outbox!r}>"

    def offer(self, notices: Sequence[Notice]) -> None:
        """Take notices to send. Never waits and never raises: what there is no room for is lost, counted and logged."""
        for notice in notices:
            payload = self._events.encode(notice)
            if len(payload) > self._carrier.max_event_bytes:
                self._lost("oversize", 1, f"{notice.kind} of {notice.subject!r} has {len(payload)} bytes")
                continue
            self.outbox.put(notice, payload)
        self._tell_losses()
        self._news.set()

    async def run(self) -> None:
        """Send what is offered, for ever. Ends by cancellation; what is not confirmed then is tried once more by `aclose`."""
        while True:
            await self._news.wait()
            self._news.clear()
            while len(self.outbox):
                delay_s = await self._send_some()
                if delay_s:
                    await asyncio.sleep(delay_s)

    async def aclose(self) -> None:
        """Send what waits, for as long as that is allowed to take, and disconnect."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.close_s):
                while len(self.outbox) and not await self._send_some():
                    pass
        if len(self.outbox):
            self._lost("shutdown", len(self.outbox), f"{self._carrier.address} did not take them in time")
        with contextlib.suppress(TwindError, TimeoutError):
            async with asyncio.timeout(self.settings.close_s):
                await self._carrier.aclose()

    async def _send_some(self) -> float:
        """Send the oldest events; return how long to wait before the next try [s], 0 after a success."""
        async with self._sending:
            batch = self.outbox.waiting(self.settings.max_batch)
            tells = [one.notice.kind is NoticeKind.INCIDENT or self._tells(one.notice.subject) for one in batch]
            if None in tells:
                return _UNCERTAIN_S
            others = tells.count(False)
            batch = [one for one, is_ours in zip(batch, tells, strict=True) if is_ours]
            try:
                if batch:
                    await self._carrier.send(batch)
            except (RetryableError, PermanentError) as error:
                self._away(error)
                given_s = getattr(error, "retry_after_s", None)
                return max(given_s or 0.0, self._backoff.next_delay_s(), 0.01)
            self.outbox.confirm()
            self._backoff.reset()
            if others:
                self._lost("other_daemon", others, "what they are about went to another daemon meanwhile, which tells of it")
            self._telemetry.emit(NoticesSent(sink=self.name, count=len(batch)))
            if not self.connected:
                self.connected, self._told_away = True, False
                self._telemetry.emit(SinkConnected(sink=self.name, address=self._carrier.address))
            return 0.0

    def _away(self, error: TwindError) -> None:
        self.connected = False
        if not self._told_away:
            self._told_away = True
            level = "cure it: trying goes on" if isinstance(error, PermanentError) else "trying goes on"
            self._telemetry.emit(SinkDisconnected(sink=self.name, address=self._carrier.address, reason=f"{error} ({level})"))

    def _tell_losses(self) -> None:
        lost, replaced = self.outbox.lost - self._told_lost, self.outbox.replaced - self._told_replaced
        if replaced:
            self._told_replaced = self.outbox.replaced
            self._telemetry.emit(NoticesReplaced(sink=self.name, count=replaced))
        if lost:
            self._told_lost = self.outbox.lost
            self._lost("queue_full", lost, f"{self.settings.max_events} events and {self.settings.max_bytes} bytes may wait")

    def _lost(self, reason: str, count: int, error: str) -> None:
        self._telemetry.emit(NoticesLost(sink=self.name, reason=reason, count=count, error=error))
