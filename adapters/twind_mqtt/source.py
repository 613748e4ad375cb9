"""The MQTT source: stays connected, hands over messages in order of arrival, acknowledges them in that order."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from twind.api import Backoff, Intake, PermanentError, RawMessage, SourceHealth, TwindError, events
from twind_mqtt.link import Link

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from paho.mqtt.client import Client, MQTTMessage

    from twind.api import Telemetry
    from twind_mqtt.settings import MqttSettings

_DROP_REPORT_S = 1.0
"""Dropped messages are reported at most this often."""


class LossyMqttSource:
    """QoS 0: what is not taken in time is dropped, oldest first, and counted."""

    _manual_ack = False

    def __init__(self, name: str, settings: MqttSettings, *, instance: str, telemetry: Telemetry) -> None:
        self.name = name
        self.intake = Intake(max_messages=settings.max_messages, max_bytes=settings.max_bytes)
        """Messages that arrived and were not taken by `receive` yet."""
        self._settings = settings
        self._client_id = settings.client_id_of(name, instance=instance)
        self._status_topic = settings.status_topic_of(instance=instance)
        self._telemetry = telemetry
        self._backoff = Backoff(base_s=settings.reconnect.base_s, cap_s=settings.reconnect.cap_s)
        self._epoch = 0
        """Connections attempted; what belongs to an earlier one is of no use on a later one."""
        self._link: Link | None = None
        self._health = SourceHealth(connected=False, since_monotonic_s=time.monotonic(), detail="not connected yet")
        self._outage_told = self._refusal_told = False
        self._stopped = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._dropped_told = 0
        self._dropped_told_s = -_DROP_REPORT_S

    def __repr__(self) -> str:
        """Show the state of the connection and of the intake."""
        state = "stopped" if self._stopped.is_set() else "connected" if self._health.connected else "away"
        return f"<{type(self).__name__} {self.name!r} {state} {self.intake!r}>"

    async def run(self) -> None:
        """Keep the connection up until cancelled, or until `stop`.

        It lives on after that for the last acknowledgements, until `aclose`, which must be called in any case.
        """
        self._idle.clear()
        try:
            while not self._stopped.is_set():
                await self._unless_stopped(self._attempt(), "connection")
                await self._unless_stopped(asyncio.sleep(self._backoff.next_delay_s()), "back-off")
        finally:
            self._idle.set()

    async def _attempt(self) -> None:
        """Connect, and stay until the connection is over."""
        try:
            link = await self._connect()
        except TwindError as error:
            self._away(str(error), refused=isinstance(error, PermanentError))
            return
        connected_s = time.monotonic()
        self._away(await asyncio.shield(link.ended))
        # A connection that does not last is no success: two daemons with one client id would throw each other out for ever.
        if time.monotonic() - connected_s >= self._settings.reconnect.cap_s:
            self._backoff.reset()

    async def _unless_stopped(self, work: Coroutine[Any, Any, None], what: str) -> None:
        """Wait for some work, or abandon it when `stop` is called."""
        working = asyncio.create_task(work, name=f"mqtt {self.name}: {what}")
        stopping = asyncio.create_task(self._stopped.wait(), name=f"mqtt {self.name}: wait for stop")
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            working.cancel()
            stopping.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)

    async def receive(self, max_messages: int) -> list[RawMessage]:
        """Wait for a message, then return at most `max_messages`; an empty list means stopped and everything taken."""
        batch = await self.intake.take(max_messages)
        if self._link is not None and not self.intake.full:
            self._link.resume()
        return batch

    def health(self) -> SourceHealth:
        """Say whether the broker is there, and if not, why."""
        return self._health

    def stop(self) -> None:
        """Take no more messages; `receive` returns what has arrived, then empty lists."""
        self._stopped.set()
        if self._link is not None:
            self._link.stop_reading()
        self.intake.close()
        self._report_drops(final=True)

    async def aclose(self) -> None:
        """Stop, send what is due, and disconnect in good order."""
        self.stop()
        await self._idle.wait()
        link, self._link = self._link, None
        if link is not None:
            if self._status_topic is not None and not link.ended.done():
                link.publish(self._status_topic, b"offline", retain=True)
            await link.aclose()
        self._health = SourceHealth(connected=False, since_monotonic_s=time.monotonic(), detail="closed")

    # Connecting.

    async def _connect(self) -> Link:
        if self._link is not None:
            self._link.abort("replaced")  # left by a `run` that was cancelled
            self._link = None
        self._epoch += 1
        return await Link.open(
            self._settings,
            client_id=self._client_id,
            on_message=self._receiver(),
            status_topic=self._status_topic,
            may_read=lambda: not self.intake.full,
            after_turn=self._report_drops,
            on_accepted=self._on_accepted,
            manual_ack=self._manual_ack,
        )

    def _on_accepted(self, link: Link) -> None:
        self._link = link
        link.granted.add_done_callback(self._on_granted)
        # Each time, even if the session is still there: an operator or another client may have changed it.
        link.subscribe(self._settings.filters, qos=self._settings.qos)
        if self._status_topic is not None:
            link.publish(self._status_topic, b"online", retain=True)
        self._health = SourceHealth(connected=True, since_monotonic_s=time.monotonic())
        self._outage_told = self._refusal_told = False
        self._telemetry.emit(
            events.SourceConnected(source=self.name, address=self._settings.url, session_present=link.session_present)
        )

    def _away(self, why: str, *, refused: bool = False) -> None:
        """Note that the broker is away: in the health each time, in the log once."""
        self._link = None
        self._report_drops(final=True)
        since_s = time.monotonic() if self._health.connected else self._health.since_monotonic_s
        self._health = SourceHealth(connected=False, since_monotonic_s=since_s, detail=why)
        if refused and not self._refusal_told:
            self._refusal_told = self._outage_told = True
            self._telemetry.emit(events.SourceRefused(source=self.name, address=self._settings.url, reason=why))
        elif not self._outage_told:
            self._outage_told = True
            self._telemetry.emit(events.SourceDisconnected(source=self.name, address=self._settings.url, reason=why))

    def _on_granted(self, granted: asyncio.Future[dict[str, str | None]]) -> None:
        if granted.cancelled():
            return
        problems = {topic: problem for topic, problem in granted.result().items() if problem is not None}
        for topic, problem in problems.items():
            self._telemetry.emit(events.SubscriptionRefused(source=self.name, topic=topic, reason=problem))
        if problems and self._health.connected:
            detail = "; ".join(f"subscription to {topic!r}: {problem}" for topic, problem in problems.items())
            self._health = SourceHealth(connected=True, since_monotonic_s=self._health.since_monotonic_s, detail=detail)

    # Messages.

    def _receiver(self) -> Callable[[Client, Any, MQTTMessage], None]:
        """Return what paho calls for each message of the connection that is being made: the hot path."""
        put, now_ns = self.intake.put, time.time_ns

        def on_message(_client: Client, _userdata: Any, message: MQTTMessage) -> None:
            put(RawMessage(_topic_of(message), bytes(message.payload), now_ns()))

        return on_message

    def _report_drops(self, *, final: bool = False) -> None:
        count = self.intake.dropped_messages - self._dropped_told
        if count and (final or time.monotonic() - self._dropped_told_s >= _DROP_REPORT_S):
            self._dropped_told += count
            self._dropped_told_s = time.monotonic()
            self._telemetry.emit(events.MessagesDropped(source=self.name, reason="queue_full", count=count))


class AcknowledgingMqttSource(LossyMqttSource):
    """QoS 1: nothing is dropped; the broker repeats what was not acknowledged when it, or this daemon, was away.

    A message that the publisher sent with QoS 0 arrives with QoS 0 all the same, and may be dropped like any other of its kind.
    """

    _manual_ack = True

    def __init__(self, name: str, settings: MqttSettings, *, instance: str, telemetry: Telemetry) -> None:
        super().__init__(name, settings, instance=instance, telemetry=telemetry)
        self._tokens = itertools.count(1)
        self._unacknowledged: deque[tuple[int, int]] = deque()
        """Epoch and packet identifier of every QoS 1 message that arrived and is not acknowledged, oldest first."""
        self._handed_over: deque[int] = deque()
        """Tokens of the messages that `receive` returned and that are not acknowledged, 0 for QoS 0, oldest first."""

    async def receive(self, max_messages: int) -> list[RawMessage]:
        """Wait for a message, then return at most `max_messages`; an empty list means stopped and everything taken."""
        batch = await super().receive(max_messages)
        self._handed_over.extend([message.token for message in batch])
        return batch

    def acknowledge(self, count: int) -> None:
        """Acknowledge the oldest `count` messages that `receive` returned and that are not acknowledged yet.

        A message of an earlier connection cannot be acknowledged any more; the broker sends it again.

        Raises:
            ValueError: There are not so many.
        """
        if not 0 <= count <= len(self._handed_over):
            raise ValueError(f"{count} messages acknowledged, but only {len(self._handed_over)} are waiting for it")
        packet_ids = []
        for _ in range(count):
            if self._handed_over.popleft():
                epoch, packet_id = self._unacknowledged.popleft()
                if epoch == self._epoch:
                    packet_ids.append(packet_id)
        if packet_ids and self._link is not None:
            self._link.acknowledge(packet_ids)

    def _receiver(self) -> Callable[[Client, Any, MQTTMessage], None]:
        put, now_ns, arrived, epoch = self.intake.put, time.time_ns, self._unacknowledged.append, self._epoch
        token = self._tokens.__next__

        def on_message(_client: Client, _userdata: Any, message: MQTTMessage) -> None:
            if message.qos:
                arrived((epoch, message.mid))
                put(
                    RawMessage(
                        _topic_of(message),
                        bytes(message.payload),
                        now_ns(),
                        token(),
                        number=message.mid,
                        repeated=bool(message.dup),
                    )
                )
            else:
                put(RawMessage(_topic_of(message), bytes(message.payload), now_ns()))

        return on_message


def _topic_of(message: MQTTMessage) -> str:
    try:
        return message.topic
    except UnicodeDecodeError:
        return ""  # [MQTT-1.5.4-1] forbids such a topic; no route matches this one
