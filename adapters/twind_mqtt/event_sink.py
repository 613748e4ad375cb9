"""The sink `mqtt`: CloudEvents to topics of a broker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator

from twind.api import CONTENT_TYPE, Delivery, DeliverySettings, NoticeKind
from twind_mqtt.line import Line
from twind_mqtt.link import PACKET_OVERHEAD_BYTES
from twind_mqtt.settings import MqttConnection

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from twind.api import Outgoing, SinkContext

_PLACEHOLDERS = ("instance", "kind", "subject")


class MqttEventSettings(MqttConnection, DeliverySettings):
    """Tells states of entities, their changes of status, and incidents to an MQTT broker, as CloudEvents 1.0 in JSON."""

    type: Literal["mqtt"]
    """Name of the adapter."""
    topic: str = "twind/{instance}/events/{kind}/{subject}"
    """Topic of an event: `{kind}` is `entity.state`, `entity.status` or `incident`; `{subject}` the entity id (of an incident:
    whatever it is about)."""
    retain: bool = False
    """Keep the newest state and status of each entity at the broker, for whoever subscribes later. Needs `{subject}` and
    `{kind}` in the topic."""
    max_event_bytes: Annotated[int, Field(ge=1024, le=268_435_455)] = 262_144
    """Largest event that the broker takes [bytes]."""

    @field_validator("topic")
    @classmethod
    def _is_topic(cls, value: str) -> str:
        rest = value
        for name in _PLACEHOLDERS:
            rest = rest.replace(f"{{{name}}}", "")
        if not value or any(character in rest for character in "+#{}\0"):
            msg = "must be a topic without wildcards; {instance}, {kind} and {subject} are the only placeholders"
            raise ValueError(msg)
        return value

    @field_validator("retain")
    @classmethod
    def _each_its_own(cls, value: bool, info: object) -> bool:  # noqa: FBT001  (the shape of a validator)
        topic = getattr(info, "data", {}).get("topic", "")
        if value and not ("{subject}" in topic and "{kind}" in topic):
            msg = "needs {subject} and {kind} in `topic`: one topic keeps one message"
            raise ValueError(msg)
        return value


class MqttCarrier:
    """A `Carrier` that publishes with QoS 1. Use `event_sink`."""

    def __init__(self, name: str, settings: MqttEventSettings, context: SinkContext) -> None:
        self.address = settings.url
        self.max_event_bytes = settings.max_event_bytes
        self._settings = settings
        self._instance = context.instance
        self._refused: dict[str, str] = {}
        """Why the broker will never take some of the events that are being sent, by their sequence."""
        self._line = Line(settings, client_id=settings.client_id_of(name, instance=context.instance))

    async def send(self, batch: Sequence[Outgoing]) -> Sequence[tuple[Outgoing, str]]:
        """Publish some events in order, and wait until the broker has taken all of them.

        Returns:
            Those that are too large for the broker, as far as it says so: MQTT 3.1.1 has no word for that.
        """
        link = await self._line.link()
        retains = self._settings.retain
        sent: list[tuple[Outgoing, asyncio.Future[bool]]] = []
        for one in batch:
            topic = self._topic(one)
            if len(one.payload) + len(topic.encode()) + PACKET_OVERHEAD_BYTES > link.max_packet_bytes:
                self._refused[one.sequence] = f"{self.address} takes packets of {link.max_packet_bytes} at most"
            if one.sequence not in self._refused:
                retain = retains and one.notice.kind is not NoticeKind.INCIDENT
                sent.append((one, link.publish(topic, one.payload, retain=retain, content_type=CONTENT_TYPE)))
        try:
            await self._line.confirmed([future for _, future in sent])
        finally:  # some brokers say so, and hang up
            for one, future in sent:
                if future.done() and not future.cancelled() and future.exception() is None and not future.result():
                    self._refused[one.sequence] = f"{self.address} says that it is too large"
        refused, self._refused = self._refused, {}
        return [(one, refused[one.sequence]) for one in batch if one.sequence in refused]

    def _topic(self, one: Outgoing) -> str:
        parts = {
            "instance": as_level(self._instance),
            "kind": str(one.notice.kind),
            "subject": as_level(one.notice.subject or "daemon"),
        }
        topic = self._settings.topic
        for name, value in parts.items():
            topic = topic.replace(f"{{{name}}}", value)
        return topic

    async def aclose(self) -> None:
        """Disconnect in good order."""
        await self._line.aclose()


def as_level(text: str) -> str:
    """Return text as one level of a topic: what separates levels, or stands for several, becomes `_`."""
    return "".join("_" if character in "/+#\0" else character for character in text)


class MqttEventAdapter:
    """What the entry point `mqtt` of the group `twind.sinks` names."""

    settings = MqttEventSettings

    def open(self, name: str, settings: MqttEventSettings, context: SinkContext) -> Delivery:
        """Make a sink, not yet connected."""
        return Delivery(name, settings, MqttCarrier(name, settings, context), context)


adapter = MqttEventAdapter()
