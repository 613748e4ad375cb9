"""Notices on their way out: numbered, bounded, sent at least once and in order, whoever carries them."""

from __future__ import annotations

import asyncio
import contextlib
from functools import cache
from typing import TYPE_CHECKING, Protocol

from twind.flow.cloud_events import CloudEvents
from twind.flow.outbox import Outbox
from twind.flow.outbox_file import OutboxFile
from twind.flow.retry import Backoff
from twind.model.errors import PermanentError, RetryableError, TwindError
from twind.model.notices import NoticeKind
from twind.telemetry.events import (
    NoticesKept,
    NoticesLost,
    NoticesReplaced,
    NoticesRestored,
    NoticesSent,
    OutboxSetAside,
    OutboxUnwritten,
    SinkConnected,
    SinkDisconnected,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.config.base import DeliverySettings
    from twind.flow.outbox import Outgoing
    from twind.flow.sinks import SinkContext
    from twind.model.notices import Notice

REASONS = ("queue_full", "oversize", "shutdown", "other_daemon")
"""Why events can be lost."""
FOLDER = "outbox"
"""Folder of the outboxes in the state folder."""
_UNCERTAIN_S = 0.1
"""How long to wait before it is asked again whether this daemon may tell what it has [s]."""


class Carrier(Protocol):
    """What brings events to where they are consumed; all that an adapter has to write."""

    address: str
    """Where to, for the log; without secrets."""
    max_event_bytes: int
    """Largest event that the far side takes."""

    async def send(self, batch: Sequence[Outgoing]) -> Sequence[tuple[Outgoing, str]]:
        """Send some events in order and return once the far side has all of them; connect first where that is needed.

        Cancelled, it leaves nothing behind that would go on sending.

        Returns:
            Those that the far side will never take because they are too large, each with its limit in words. They are told,
            counted, and not sent again.

        Raises:
            RetryableError: Not all of them are known to have arrived; all are sent again.
            PermanentError: Likewise, for a reason that a human must cure.
        """

    async def aclose(self) -> None:
        """Disconnect in good order."""


class Delivery:
    """A `NoticeSink` around a carrier.

    What was offered is kept until the far side confirmed it, through any number of lost connections, and sent again as it was:
    a consumer sees each event at least once, with the same id, and the events of one entity in order. What waits is also
    written to a file, within milliseconds, and the next start sends it first, after a kill too. Only states are not, until
    this process ends in good order: a start tells the state of every entity anew. Ids say which start they belong to.
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
        self._file = None if context.state_dir is None else OutboxFile(context.state_dir / FOLDER / f"{name}.db")
        self._is_open = False
        self._writing = asyncio.Lock()
        self._unwritten = asyncio.Event()
        self._news = asyncio.Event()
        self._sending = asyncio.Lock()
        self._told_lost = self._told_replaced = 0
        self._told_away = self._told_unwritten = False
        for reason in REASONS:
            self._telemetry.declare(NoticesLost, sink=name, reason=reason)
        self._telemetry.declare(NoticesSent, sink=name)
        self._telemetry.declare(NoticesReplaced, sink=name)
        self._telemetry.declare(OutboxUnwritten, sink=name)

    def __repr__(self) -> str:
        """Show whether it gets through and what waits."""
        return f"<Delivery {self.name} to {self._carrier.address} {'up' if self.connected else 'away'} {self.outbox!r}>"

    def offer(self, notices: Sequence[Notice]) -> None:
        """Take notices to send. Never waits and never raises: what there is no room for is lost, counted and logged."""
        for notice in notices:
            outgoing = self._events.encode(notice)
            if len(outgoing.payload) > self._carrier.max_event_bytes:
                self._too_large(outgoing, f"`max_event_bytes` is {self._carrier.max_event_bytes}")
                continue
            self.outbox.put(outgoing)
        self._tell_losses()
        self._news.set()
        self._unwritten.set()

    async def run(self) -> None:
        """Send what is offered, for ever. Ends by cancellation; what is not confirmed then is tried once more by `aclose`."""
        await self._write()  # before anything else is sent: what an earlier start left goes first
        writer = asyncio.create_task(self._write_on(), name=f"sink {self.name}: outbox")
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                while len(self.outbox):
                    delay_s = await self._send_some()
                    if delay_s:
                        await asyncio.sleep(delay_s)
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def aclose(self) -> None:
        """Send what waits, for as long as that is allowed to take, and disconnect."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.settings.close_s):
                while len(self.outbox) and not await self._send_some():
                    pass
        waiting = len(self.outbox)
        if await self._write(last=True):
            if waiting:
                self._telemetry.emit(NoticesKept(sink=self.name, count=waiting))
        elif waiting:
            self._lost("shutdown", waiting, f"{self._carrier.address} did not take them in time")
        with contextlib.suppress(TwindError, TimeoutError):
            async with asyncio.timeout(self.settings.close_s):
                await self._carrier.aclose()

    async def _send_some(self) -> float:
        """Send the oldest events; return how long to wait before the next try [s], 0 after a success."""
        async with self._sending:
            tells = cache(self._tells)  # one answer for all of a subject: its order is kept
            waiting = self.outbox.waiting(self.settings.max_batch, held=lambda one: tells(one.notice.subject) is None)
            if not waiting:
                return _UNCERTAIN_S
            batch = [one for one in waiting if one.notice.kind is NoticeKind.INCIDENT or tells(one.notice.subject)]
            others = len(waiting) - len(batch)
            try:
                refused = await self._carrier.send(batch) if batch else ()
            except (RetryableError, PermanentError) as error:
                self._away(error)
                given_s = getattr(error, "retry_after_s", None)
                return max(given_s or 0.0, self._backoff.next_delay_s(), 0.01)
            self.outbox.confirm()
            self._unwritten.set()
            self._backoff.reset()
            for outgoing, limit in refused:
                self._too_large(outgoing, limit)
            if others:
                self._lost("other_daemon", others, "what they are about went to another daemon meanwhile, which tells of it")
            if batch:
                self._arrived(len(batch) - len(refused))
            return 0.0

    # The file.

    async def _write_on(self) -> None:
        """Write what changes, for ever; what changes meanwhile is one write together."""
        backoff = Backoff(base_s=self.settings.retry.base_s, cap_s=self.settings.retry.cap_s)
        while True:
            await self._unwritten.wait()
            self._unwritten.clear()
            while not await self._write():  # noqa: ASYNC110  (the disk has no event for being well again)
                await asyncio.sleep(max(0.1, backoff.next_delay_s()))
            backoff.reset()

    async def _write(self, *, last: bool = False) -> bool:
        """Bring the file up to date; return whether it is, or whether there is to be none.

        Args:
            last: Write what waits, states too, and close.
        """
        if self._file is None:
            return not last
        # Shielded: a thread cannot be cancelled, and what it wrote must be known whatever becomes of this task.
        return await asyncio.shield(asyncio.create_task(self._write_file(self._file, last=last), name="write an outbox"))

    async def _write_file(self, file: OutboxFile, *, last: bool) -> bool:
        async with self._writing:
            try:
                if not self._is_open:
                    await self._open_file(file)
                added, gone = self.outbox.changes(everything=last)
                if added or gone:
                    try:
                        await asyncio.to_thread(file.change, added, gone)
                    except BaseException:
                        self.outbox.undo(added, gone)
                        raise
            except RetryableError as error:
                if not self._told_unwritten:
                    self._told_unwritten = True
                    self._telemetry.emit(OutboxUnwritten(sink=self.name, error=str(error)))
                return False
            finally:
                if last:
                    self._is_open = False
                    await asyncio.to_thread(file.close)
            self._told_unwritten = False
            return True

    async def _open_file(self, file: OutboxFile) -> None:
        kept = await asyncio.to_thread(file.open)
        self._is_open = True
        if file.set_aside:
            self._telemetry.emit(OutboxSetAside(sink=self.name, error=file.set_aside))
        if kept:
            self._telemetry.emit(NoticesRestored(sink=self.name, count=len(kept)))
            self.outbox.restore(kept)
            self._tell_losses()
            self._news.set()

    # What became of it.

    def _arrived(self, count: int) -> None:
        self._telemetry.emit(NoticesSent(sink=self.name, count=count))
        if not self.connected:
            self.connected, self._told_away = True, False
            self._telemetry.emit(SinkConnected(sink=self.name, address=self._carrier.address))

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

    def _too_large(self, outgoing: Outgoing, limit: str) -> None:
        notice = outgoing.notice
        about = f"{notice.kind} of {notice.subject!r}, sequence {outgoing.sequence}"
        self._lost("oversize", 1, f"{about}, has {len(outgoing.payload)} bytes: {limit}")

    def _lost(self, reason: str, count: int, error: str) -> None:
        self._telemetry.emit(NoticesLost(sink=self.name, reason=reason, count=count, error=error))
