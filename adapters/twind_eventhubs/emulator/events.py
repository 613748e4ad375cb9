"""Events made on the spot, for tests that need no client that sends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind_eventhubs.emulator.amqp import messages
from twind_eventhubs.emulator.amqp.values import Symbol, Timestamp

if TYPE_CHECKING:
    from collections.abc import Mapping

    from twind_eventhubs.emulator.amqp.messages import Message
    from twind_eventhubs.emulator.amqp.values import Value

_PROPERTIES = 13
_MESSAGE_ID = 0
_CONTENT_TYPE = 6
_CONTENT_ENCODING = 7


def event(
    body: bytes,
    *,
    properties: Mapping[str, Value] | None = None,
    annotations: Mapping[str, Value] | None = None,
    content_type: str | None = None,
    message_id: str | None = None,
) -> Message:
    """Return an event.

    Args:
        body: What it carries.
        properties: Application properties.
        annotations: Message annotations, which the SDKs show as system properties.
        content_type: Such as "application/json".
        message_id: What the sender calls it.
    """
    rest = b""
    if content_type is not None or message_id is not None:
        fields: list[Value] = [None] * _PROPERTIES
        fields[_MESSAGE_ID] = message_id
        if content_type is not None:
            fields[_CONTENT_TYPE] = Symbol(content_type)
            fields[_CONTENT_ENCODING] = Symbol("utf-8")
        rest += messages.section(messages.PROPERTIES, fields)
    if properties:
        application: dict[Value, Value] = {name: value for name, value in properties.items()}  # noqa: C416  (keys of any type)
        rest += messages.section(messages.APPLICATION_PROPERTIES, application)
    rest += messages.section(messages.DATA, body)
    return messages.Message(annotations={Symbol(name): value for name, value in (annotations or {}).items()}, rest=rest)


def device_event(
    device: str,
    body: bytes,
    *,
    enqueued_ms: int,
    source: str = "Telemetry",
    properties: Mapping[str, Value] | None = None,
    content_type: str | None = "application/json",
    message_id: str | None = None,
    module: str | None = None,
) -> Message:
    """Return an event as IoT Hub routes it to its Event Hubs endpoint.

    Args:
        device: Device id; also the partition key of IoT Hub.
        body: What it carries.
        enqueued_ms: When IoT Hub received it [ms since 1970].
        source: `Telemetry`, `twinChangeEvents`, `deviceLifecycleEvents`, `deviceConnectionStateEvents`.
        properties: Application properties.
        content_type: What the device said of the body.
        message_id: What the device calls it.
        module: Module id, where one of its modules sent it.
    """
    annotations: dict[str, Value] = {
        "iothub-connection-device-id": device,
        "iothub-connection-auth-method": '{"scope":"device","type":"sas","issuer":"iothub","acceptingIpFilterRule":null}',
        "iothub-connection-auth-generation-id": "637000000000000000",
        "iothub-enqueuedtime": Timestamp(enqueued_ms),
        "iothub-message-source": source,
    }
    if module is not None:
        annotations["iothub-connection-module-id"] = module
    return event(body, properties=properties, annotations=annotations, content_type=content_type, message_id=message_id)
