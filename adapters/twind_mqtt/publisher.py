"""Publishes for synthetic robots and for tests: bounded, counted, and without loss at QoS 1 while the broker is away."""

from __future__ import annotations

import secrets
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from paho.mqtt.client import Client, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from twind.api import RetryableError

if TYPE_CHECKING:
    from types import TracebackType

_RETRY_S = 0.2
"""How often a broker that is away is tried again, and a full window looked at."""


def connect(url: str, protocol: str = "5", *, max_in_flight: int = 1000, timeout_s: float = 10.0) -> Publisher:
    """Connect to a broker and return a publisher; `close` it.

    Args:
        url: `mqtt://HOST:PORT`.
        protocol: `5` or `3.1.1`.
        max_in_flight: Messages under way at most; `publish` waits while there are as many.
        timeout_s: How long to wait for the broker [s].

    Raises:
        RetryableError: The broker did not accept in time.
    """
    return Publisher(url, protocol, max_in_flight=max_in_flight, timeout_s=timeout_s)


class Publisher:
    """One MQTT client with a thread of its own. Call it from one thread, which it may block."""

    def __init__(self, url: str, protocol: str, *, max_in_flight: int, timeout_s: float) -> None:
        self.published = 0
        """Messages given to `publish`."""
        self.lost = 0
        """Those among them, of QoS 0, that a broken connection took."""
        self._window: deque[MQTTMessageInfo] = deque()
        self._max_in_flight = max_in_flight
        self._connected = threading.Event()
        # A stable session, so that the broker knows a repeated message for what it is.
        options: dict[str, Any] = {"client_id": f"twind-publisher-{secrets.token_hex(4)}"}
        if protocol == "5":
            self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5, **options)
        else:
            self._client = Client(
                CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311, clean_session=False, **options
            )
        self._client.on_connect = lambda *_: self._connected.set()
        self._client.on_socket_open = _without_delay
        self._client.connect_timeout = timeout_s
        self._client.reconnect_delay_set(min_delay=1, max_delay=1)
        parts = urlsplit(url)
        v5: dict[str, Any] = {}
        if protocol == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = 60
            v5 = {"clean_start": False, "properties": properties}
        try:
            self._client.connect(parts.hostname or "", parts.port or 1883, **v5)
        except OSError as error:
            raise RetryableError(f"cannot reach {url}: {error}") from error
        self._client.loop_start()
        if not self._connected.wait(timeout_s):
            self._client.loop_stop()
            raise RetryableError(f"{url} did not answer in {timeout_s:g} s")

    def __repr__(self) -> str:
        """Show what is under way and what was lost."""
        return f"<Publisher {self.published} published, {len(self._window)} under way, {self.lost} lost>"

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        """Close."""
        self.close()

    def publish(self, topic: str, payload: bytes, qos: int = 0, *, retain: bool = False) -> None:
        """Send one message; wait while too many are under way. QoS 1 survives a broker that goes away and comes back."""
        while len(self._window) >= self._max_in_flight:
            self._settle(_RETRY_S)
        self.published += 1
        info = self._client.publish(topic, payload, qos, retain)
        if qos and info.rc == MQTTErrorCode.MQTT_ERR_NO_CONN:
            info.rc = MQTTErrorCode.MQTT_ERR_SUCCESS  # paho keeps it and sends it after connecting again: it is under way
        self._window.append(info)

    @property
    def acknowledged(self) -> int:
        """How many messages the broker took: with QoS 1 it said so, with QoS 0 they left this process."""
        self._settle(0.0)
        return self.published - self.lost - len(self._window)

    def close(self, *, timeout_s: float = 10.0) -> None:
        """Wait until everything is on its way, with QoS 1 until it is acknowledged, and disconnect.

        Raises:
            RetryableError: Not everything was acknowledged in time.
        """
        deadline_s = time.monotonic() + timeout_s
        while self._window and time.monotonic() < deadline_s:
            self._settle(_RETRY_S)
        self._client.disconnect()
        self._client.loop_stop()
        if self._window:
            raise RetryableError(f"{len(self._window)} messages were not acknowledged in {timeout_s:g} s")

    def _settle(self, timeout_s: float) -> None:
        """Forget the oldest messages that have arrived; wait for the very oldest if there is none."""
        window = self._window
        if window and timeout_s and not _over(window[0]):
            window[0].wait_for_publish(timeout_s)
        while window and (over := _over(window[0])):
            self.lost += over == "lost"
            window.popleft()


def _over(info: MQTTMessageInfo) -> str:
    """Say `sent` or `lost` when a message needs no more waiting, else nothing."""
    try:
        return "sent" if info.is_published() else ""
    except (RuntimeError, ValueError):  # paho's way to say that a QoS 0 message met no connection
        return "lost"


def _without_delay(_client: Client, _userdata: Any, sock: Any) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
