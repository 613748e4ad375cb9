"""Somebody else at the broker: hears topics, and says things."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from twind_mqtt.link import Link
from twind_mqtt.settings import MqttConnection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from paho.mqtt.client import Client, MQTTMessage


@dataclass(frozen=True, slots=True)
class Heard:
    topic: str
    payload: bytes
    retained: bool
    content_type: str

    @property
    def json(self) -> Any:
        return json.loads(self.payload)


class Listener:
    """A client that keeps all that it hears."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self._news = asyncio.Event()
        self.link: Link

    def on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        content_type = getattr(message.properties, "ContentType", "")
        self.heard.append(Heard(message.topic, bytes(message.payload), message.retain, content_type))
        self._news.set()

    async def until(self, condition: Callable[[list[Heard]], Any], *, within_s: float = 30.0) -> Any:
        """Wait until a condition on what was heard holds, and return what it returned."""
        async with asyncio.timeout(within_s):
            while not (found := condition(self.heard)):
                self._news.clear()
                await self._news.wait()
        return found

    async def say(self, topic: str, payload: bytes = b"") -> None:
        """Publish, and wait until the broker has it."""
        await self.link.publish(topic, payload, retain=False)


@contextlib.asynccontextmanager
async def listening(url: str, *filters: str, client_id: str = "listener") -> AsyncIterator[Listener]:
    """Hear some topics."""
    listener = Listener()
    listener.link = await Link.open(MqttConnection(url=url), client_id=client_id, on_message=listener.on_message)
    try:
        listener.link.subscribe(filters, qos=1)
        await listener.link.subscribed(timeout_s=30)
        yield listener
    finally:
        await listener.link.aclose()
