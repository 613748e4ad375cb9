"""paho, set up the way a link needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

if TYPE_CHECKING:
    from twind_mqtt.channel import Channel
    from twind_mqtt.settings import MqttConnection

_PACKET_TOO_LARGE = b"\x95"
_QUOTA_EXCEEDED = 0x97


class PahoClient(Client):
    """paho on a connection that exists already; its own way to make one blocks."""

    def __init__(self, channel: Channel, settings: MqttConnection, *, client_id: str, manual_ack: bool) -> None:
        options: dict[str, Any] = {"protocol": MQTTProtocolVersion.MQTTv5}
        if settings.protocol == "3.1.1":
            options = {"protocol": MQTTProtocolVersion.MQTTv311, "clean_session": settings.starts_clean}
        super().__init__(
            CallbackAPIVersion.VERSION2, client_id=client_id, manual_ack=manual_ack, reconnect_on_failure=False, **options
        )
        self._channel = channel
        self.too_large: set[int] = set()
        """Packet identifiers of what the broker found too large, until somebody takes them out."""
        if settings.username is not None or settings.password is not None:
            password = settings.password.get_secret_value() if settings.password else None
            self.username_pw_set(settings.username, password)

    def send_connect(self, settings: MqttConnection, *, status_topic: str | None) -> None:
        """Queue the CONNECT packet, with a retained `offline` on the status topic as the last will."""
        if status_topic is not None:
            self.will_set(status_topic, b"offline", qos=1, retain=True)
        options: dict[str, Any] = {}
        if settings.protocol == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = settings.kept_s
            properties.ReceiveMaximum = settings.receive_window
            options = {"clean_start": settings.starts_clean, "properties": properties}
        self.connect(settings.host, settings.port, keepalive=settings.keepalive_s, **options)

    def _handle_pubackcomp(self, cmd: Any) -> Any:
        # mosquitto says "packet too large" in a PUBACK, where MQTT 5 has no such reason (3.4.2.1), and paho would hang up.
        packet = bytearray(self._in_packet["packet"])
        if cmd == "PUBACK" and packet[2:3] == _PACKET_TOO_LARGE:  # after the packet identifier
            self.too_large.add(int.from_bytes(packet[:2], "big"))
            packet[2] = _QUOTA_EXCEEDED
            self._in_packet["packet"] = packet
        return super()._handle_pubackcomp(cmd)

    def _create_socket(self) -> Channel:  # type: ignore[override, unused-ignore]  # paho asks for no more than the channel has
        return self._channel
