"""One MQTT connection: a paho client over a channel, driven by the event loop. A new connection is a new link."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from twind.api import PermanentError, RetryableError
from twind_mqtt import reasons
from twind_mqtt.channel import Channel
from twind_mqtt.client import PahoClient
from twind_mqtt.dial import dial
from twind_mqtt.keepalive import KeepAlive, Pulse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from socket import socket

    from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
    from paho.mqtt.reasoncodes import ReasonCode

    from twind_mqtt.settings import MqttConnection

_PINGREQ = b"\xc0\x00"
_DISCONNECT = b"\xe0\x00"  # normal disconnection, the same in 3.1.1 and 5
_PUBACK = b"\x40\x02"  # success, likewise; the packet identifier follows
_TURN = 100
"""Packets handled before other tasks of the loop get their turn."""
_FILTERS_PER_PACKET = 8
"""AWS IoT Core refuses a SUBSCRIBE with more."""
_GOODBYE_S = 2.0
"""How long the broker may take to close after our DISCONNECT."""

PACKET_OVERHEAD_BYTES = 64
"""At most so much is a PUBLISH larger than its topic and payload, with the properties that `publish` sets."""
_NO_LIMIT = 268_435_455
"""Largest packet that MQTT knows [bytes]."""


class Link:
    """A connection from its CONNECT to its end. Belongs to one event loop; works by the loop's callbacks, without a task."""

    def __init__(
        self,
        sock: socket,
        settings: MqttConnection,
        *,
        client_id: str,
        on_message: Callable[[Client, Any, MQTTMessage], None],
        may_read: Callable[[], bool],
        after_turn: Callable[[], None],
        on_accepted: Callable[[Link], None],
        manual_ack: bool,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._client_id = client_id
        self._may_read = may_read
        self._after_turn = after_turn
        self._when_accepted = on_accepted
        self._channel = Channel(sock)
        self._asked: dict[int, Sequence[str]] = {}
        self._asked_qos = 0
        self._confirmed: dict[int, asyncio.Future[bool]] = {}
        self._answers: dict[str, str | None] = {}
        self._accepted: asyncio.Future[None] = self._loop.create_future()
        self._timer: asyncio.TimerHandle | None = None
        self._turn_due = self._flush_due = self._paused = self._stopped = False
        self._keepalive = KeepAlive(settings.keepalive_s)
        self.session_present = False
        """Whether the broker remembered this client."""
        self.max_packet_bytes = _NO_LIMIT
        """Largest packet that the broker takes, where it said so; a larger one would end the connection."""
        self.ended: asyncio.Future[str] = self._loop.create_future()
        """Done when the connection is over; the result says why."""
        self.granted: asyncio.Future[dict[str, str | None]] = self._loop.create_future()
        """Done when every subscription was answered: by filter, what is wrong, or None. Cancelled at the end."""

        self._paho = PahoClient(self._channel, settings, client_id=client_id, manual_ack=manual_ack)
        self._paho.on_message = on_message
        self._paho.on_connect = self._on_connect
        self._paho.on_disconnect = self._on_disconnect
        self._paho.on_subscribe = self._on_subscribe
        self._paho.on_publish = self._on_publish
        self._paho.on_socket_register_write = self._on_want_write

    def __repr__(self) -> str:
        """Show the state."""
        state = "ended" if self.ended.done() else "up" if self._accepted.done() else "connecting"
        return f"<Link {state} {self._client_id!r} {self._channel!r}>"

    @classmethod
    async def open(
        cls,
        settings: MqttConnection,
        *,
        client_id: str,
        on_message: Callable[[Client, Any, MQTTMessage], None],
        status_topic: str | None = None,
        may_read: Callable[[], bool] = lambda: True,
        after_turn: Callable[[], None] = lambda: None,
        on_accepted: Callable[[Link], None] = lambda _: None,
        manual_ack: bool = False,
    ) -> Link:
        """Connect and wait until the broker accepts.

        Args:
            settings: Where and how.
            client_id: Name of the session.
            on_message: Called for each message, on the loop; must not raise.
            status_topic: Topic of the last will, a retained `offline`.
            may_read: Says whether messages may be taken now; when it turns false, call `resume` once it is true again.
            after_turn: Called after some messages were handed over.
            on_accepted: Called with the link as soon as the broker accepts, before the first message.
            manual_ack: Whether `acknowledge` is ours to call; else paho acknowledges when `on_message` returns.

        Raises:
            RetryableError: It failed for a reason that may pass.
            PermanentError: It failed for a reason that a human must cure.
        """
        link: Link | None = None
        try:
            async with asyncio.timeout(settings.connect_timeout_s):
                sock = await dial(settings)
                link = cls(
                    sock,
                    settings,
                    client_id=client_id,
                    on_message=on_message,
                    may_read=may_read,
                    after_turn=after_turn,
                    on_accepted=on_accepted,
                    manual_ack=manual_ack,
                )
                link._paho.send_connect(settings, status_topic=status_topic)
                link._channel.start_reading(link._read)
                link._look_after()
                await link._accepted
        except OSError as error:
            if link is not None:
                link.abort("no answer to CONNECT")
                raise reasons.mute(settings) from error
            raise reasons.unreachable(error, settings) from error
        except BaseException:
            if link is not None:
                link.abort("given up")
            raise
        return link

    # Reading.

    def _read(self) -> None:
        """Let paho handle what has arrived, one packet at a time, while there is room for messages."""
        self._turn_due = False
        channel, paho, may_read = self._channel, self._paho, self._may_read
        for _ in range(_TURN):
            if self._stopped or self.ended.done():
                break
            if self._accepted.done() and not may_read():
                self._paused = True
                channel.stop_reading()
                break
            try:
                paho.loop_read()
            except Exception as error:  # noqa: BLE001  (paho trips over malformed packets in many ways)
                self.abort(f"the broker sent something malformed: {error!r}")
                break
            if channel.dry or channel.closed:
                break
        else:
            self._read_soon()
        self._flush()
        self._after_turn()

    def _read_soon(self) -> None:
        if not self._turn_due:
            self._turn_due = True
            self._loop.call_soon(self._read)

    def resume(self) -> None:
        """Go on reading if `may_read` was false."""
        if self._paused and not self._stopped and not self.ended.done():
            self._paused = False
            self._channel.start_reading(self._read)
            self._read_soon()  # what is buffered here or in TLS does not make the socket readable

    def stop_reading(self) -> None:
        """Hand over no more messages, ever. The connection stays up for acknowledgements."""
        self._stopped = True
        self._channel.stop_reading()

    # Writing.

    def _on_want_write(self, _client: Client, _userdata: Any, _sock: Any) -> None:
        self._flush_soon()

    def _flush_soon(self) -> None:
        """Send at the end of this turn of the loop, so that many small packets leave in one piece."""
        if not self._flush_due:
            self._flush_due = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if self._paho.want_write():
            self._paho.loop_write()
        self._channel.flush()

    def acknowledge(self, packet_ids: Sequence[int]) -> None:
        """Send PUBACKs, in the order given, which must be the order of arrival [MQTT-4.6.0-2]."""
        # paho's own `ack` costs 12 times as much, and writes these same four bytes.
        self._channel.send(b"".join([_PUBACK + packet_id.to_bytes(2, "big") for packet_id in packet_ids]))
        self._flush_soon()

    def publish(self, topic: str, payload: bytes, *, retain: bool, content_type: str = "") -> asyncio.Future[bool]:
        """Send a message with QoS 1; it is not repeated on another connection.

        Returns:
            Whether the broker has taken it, false when it is too large for it; a `PermanentError` when it refused; cancelled
            when this connection ended before, and the message may be lost.
        """
        properties = None
        if content_type and self._settings.protocol == "5":
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            properties.ContentType = content_type
            properties.PayloadFormatIndicator = 1  # text
        info = self._paho.publish(topic, payload, qos=1, retain=retain, properties=properties)
        confirmed: asyncio.Future[bool] = self._loop.create_future()
        if self.ended.done():
            confirmed.cancel()
        else:
            self._confirmed[info.mid] = confirmed
        return confirmed

    def subscribe(self, filters: Sequence[str], *, qos: int) -> None:
        """Ask for subscriptions, once; `granted` has the answers."""
        self._asked_qos = qos
        for start in range(0, len(filters), _FILTERS_PER_PACKET):
            part = filters[start : start + _FILTERS_PER_PACKET]
            wanted: list[Any] = [(each, SubscribeOptions(qos=qos) if self._settings.protocol == "5" else qos) for each in part]
            _, packet_id = self._paho.subscribe(wanted)
            if packet_id is not None:
                self._asked[packet_id] = part

    async def subscribed(self, *, timeout_s: float) -> dict[str, str | None]:
        """Wait for the answers to `subscribe`: by filter, what is wrong, or None.

        Raises:
            RetryableError: There was none in time.
        """
        either: set[asyncio.Future[Any]] = {self.granted, self.ended}
        await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        if self.ended.done():
            raise RetryableError(self.ended.result())
        if not self.granted.done():
            msg = "the broker did not answer the subscription in time"
            raise RetryableError(msg)
        return self.granted.result()

    # What paho reports.

    def _on_connect(self, _client: Client, _userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Any) -> None:
        if self._accepted.done():
            return
        if reason.is_failure:
            error = reasons.refused(reason.value, str(reason), self._settings, client_id=self._client_id)
            self._accepted.set_exception(error)
            return
        self.session_present = flags.session_present
        self._keepalive.interval_s = getattr(properties, "ServerKeepAlive", self._keepalive.interval_s)  # [MQTT-3.1.2-21]
        self.max_packet_bytes = getattr(properties, "MaximumPacketSize", _NO_LIMIT)  # [MQTT-3.2.2-15]
        self._accepted.set_result(None)
        self._when_accepted(self)

    def _on_subscribe(self, _client: Client, _userdata: Any, packet_id: int, codes: list[ReasonCode], _properties: Any) -> None:
        for topic, code in zip(self._asked.pop(packet_id, ()), codes, strict=False):
            self._answers[topic] = reasons.not_granted(code.value, str(code), asked_qos=self._asked_qos)
        if not self._asked and not self.granted.done():
            self.granted.set_result(self._answers)

    def _on_publish(self, _client: Client, _userdata: Any, packet_id: int, reason: ReasonCode, _properties: Any) -> None:
        confirmed = self._confirmed.pop(packet_id, None)
        if confirmed is None or confirmed.done():
            return
        if packet_id in self._paho.too_large:
            self._paho.too_large.discard(packet_id)
            confirmed.set_result(False)
        elif reason.is_failure:
            confirmed.set_exception(
                PermanentError(f"the broker refused a message: {reason}; allow this client to publish there")
            )
            confirmed.exception()  # not everybody waits
        else:
            confirmed.set_result(True)

    def _on_disconnect(self, _client: Client, _userdata: Any, flags: DisconnectFlags, reason: ReasonCode, _props: Any) -> None:
        if flags.is_disconnect_packet_from_server:
            self.abort(reasons.said_goodbye(reason.value, str(reason), client_id=self._client_id))
        else:
            self.abort(reasons.broken(self._channel.error))

    # Keeping alive, and the end.

    def _look_after(self) -> None:
        """Ask for a sign of life after a silence, and give up when there is none."""
        channel, now_s = self._channel, self._loop.time()
        self._timer = self._loop.call_later(self._keepalive.check_s, self._look_after)
        self._after_turn()
        listening = not (self._stopped or self._paused)
        pulse = self._keepalive.look(now_s, sent_s=channel.sent_s, received_s=channel.received_s, listening=listening)
        if pulse is Pulse.DEAD:
            self.abort("the broker gave no sign of life")
        elif pulse is Pulse.ASK:
            channel.send(_PINGREQ)
            channel.flush()

    def abort(self, reason: str) -> None:
        """Close without a word, and tell whoever waits."""
        self._channel.close()
        if self._timer is not None:
            self._timer.cancel()
        self.granted.cancel()
        for confirmed in self._confirmed.values():
            confirmed.cancel()
        self._confirmed.clear()
        if not self._accepted.done():
            self._accepted.set_exception(reasons.hung_up(self._channel.error, self._settings))
            self._accepted.exception()  # nobody waits for it when the attempt was given up
        if not self.ended.done():
            self.ended.set_result(reason)

    async def aclose(self) -> None:
        """Send what is due, say goodbye so that the broker does not publish the last will, and close."""
        self.stop_reading()
        if not self.ended.done():
            self._flush()
            self._channel.send(_DISCONNECT)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    await self._channel.finish()
        self.abort("closed")
