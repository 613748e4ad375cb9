"""The telemetry half of an IoT Hub: what devices publish at an MQTT broker becomes events, with IoT Hub's properties.

Devices speak to a broker (the `azure-iot-device` SDK does, with TLS at port 8883); this listens there to
`devices/ID/messages/events/PROPERTIES` and puts each message into a hub, by device id. It knows no device registry: whoever the
broker lets in is a device. Nothing goes back to devices.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from typing import TYPE_CHECKING, Self
from urllib.parse import parse_qsl, urlsplit

from twind_eventhubs.emulator import mqtt
from twind_eventhubs.emulator.events import device_event

if TYPE_CHECKING:
    from types import TracebackType

    from twind_eventhubs.emulator.amqp.messages import Message
    from twind_eventhubs.emulator.server import Emulator

_FILTERS = ("devices/+/messages/events/#", "devices/+/modules/+/messages/events/#")
_TOPIC = re.compile(r"devices/(?P<device>[^/]+)(/modules/(?P<module>[^/]+))?/messages/events/?(?P<bag>.*)", re.DOTALL)
_CONTENT_TYPE, _MESSAGE_ID = "$.ct", "$.mid"
_RETRY_S = 0.5


def to_event(topic: str, payload: bytes, *, enqueued_ms: int) -> tuple[str, Message] | None:
    """Return the device and the event of a message; None where the topic is no device's.

    Args:
        topic: With the properties of the message, percent-encoded, as IoT Hub documents it.
        payload: The body.
        enqueued_ms: When it came [ms since 1970].
    """
    match = _TOPIC.fullmatch(topic)
    if match is None:
        return None
    bag = dict(parse_qsl(match["bag"].strip("/"), keep_blank_values=True))
    own = {name: value for name, value in bag.items() if not name.startswith("$.")}
    made = device_event(
        match["device"],
        payload,
        enqueued_ms=enqueued_ms,
        properties=own,
        content_type=bag.get(_CONTENT_TYPE),
        message_id=bag.get(_MESSAGE_ID),
        module=match["module"],
    )
    return match["device"], made


class Bridge:
    """Listens to a broker for as long as its block runs, and comes back to one that was away.

    Args:
        emulator: Where the hub is.
        hub: Its name.
        url: `mqtt://[USER:PASSWORD@]HOST[:PORT]`.
    """

    def __init__(self, emulator: Emulator, hub: str, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme != "mqtt" or not parts.hostname:
            raise ValueError(f"{parts.scheme}://{parts.hostname} is not mqtt://HOST[:PORT]")
        self._emulator = emulator
        self._hub = hub
        self._host, self._port = parts.hostname, parts.port or 1883
        self._user, self._password = parts.username, parts.password
        self._task: asyncio.Task[None] | None = None
        self.subscribed = asyncio.Event()
        """Set while it listens."""
        self.events = 0
        """Messages that became events."""

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep(), name="emulator-iothub")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _keep(self) -> None:
        while True:
            with contextlib.suppress(OSError, mqtt.MqttError, EOFError):
                await self._listen()
            self.subscribed.clear()
            await asyncio.sleep(_RETRY_S)

    async def _listen(self) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        pinging = asyncio.create_task(_ping(writer), name="emulator-iothub-ping")
        try:
            writer.write(mqtt.connect("twind-emulator-iothub", user=self._user, password=self._password))
            writer.write(mqtt.subscribe(*_FILTERS))
            listener = mqtt.Listener()
            while data := await reader.read(65_536):
                for message in listener.receive(data):
                    self._take(message)
                    writer.write(message.acknowledgement)
                if listener.subscribed:
                    self.subscribed.set()
                await writer.drain()
        finally:
            pinging.cancel()
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _take(self, message: mqtt.Published) -> None:
        found = to_event(message.topic, message.payload, enqueued_ms=int(time.time() * 1000))
        if found is not None:
            device, event = found
            self._emulator.namespace.hub(self._hub).append([event], key=device)
            self.events += 1


async def _ping(writer: asyncio.StreamWriter) -> None:
    while True:
        await asyncio.sleep(mqtt.KEEPALIVE_S / 2)
        writer.write(mqtt.PING)
