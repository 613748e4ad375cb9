"""What can be configured about an MQTT source, and about any connection to a broker."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (pydantic reads the annotations)
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from twind.api import RetrySettings, Secret, SettingsModel, SourceSettings

PORTS = {"mqtt": 1883, "mqtts": 8883}
"""Default port of each URL scheme."""


class TlsSettings(SettingsModel):
    """Certificates of an `mqtts://` connection. The broker's certificate is always verified."""

    ca: Path | None = None
    """File of CA certificates (PEM) that may have signed the broker's certificate. Default: those the system trusts."""
    certificate: Path | None = None
    """File of our own certificate (PEM, with its chain), for brokers that ask for one. Needs `key`."""
    key: Path | None = None
    """File of the private key of `certificate` (PEM)."""
    key_password: Secret | None = None
    """Password of an encrypted `key`."""
    server_name: str | None = None
    """Name that the broker's certificate must carry. Default: the host of `url`; set it when the broker is reached by an
    address or an alias that the certificate does not name."""

    @model_validator(mode="after")
    def _key_and_certificate(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            msg = "`certificate` and `key` go together"
            raise ValueError(msg)
        return self


class MqttConnection(SettingsModel):
    """How to reach an MQTT broker, and as whom."""

    url: str
    """`mqtt://HOST[:PORT]` (1883), or `mqtts://HOST[:PORT]` for TLS (8883)."""
    protocol: Literal["5", "3.1.1"] = "5"
    """Version of MQTT. `3.1.1` for brokers that do not know 5; it lacks `session_expiry_s` and `receive_maximum`."""
    username: str | None = None
    """User name at the broker."""
    password: Secret | None = None
    """Password at the broker; take it from `${file:...}` or `${cred:...}`."""
    client_id: Annotated[str, Field(min_length=1, max_length=65_535)] | None = None
    """Name of this client at the broker, which keeps the session under it; it must be unique there and stay the same.
    Default: `twind-INSTANCE-NAME`, of the source or sink."""
    tls: TlsSettings | None = None
    """Certificates; only with `mqtts://`."""
    keepalive_s: Annotated[int, Field(ge=5, le=65_535)] = 30
    """Silence after which the broker is asked for a sign of life [s]; a dead connection is noticed within 1.5 times this.
    Shorter notices sooner and costs two bytes each time."""
    connect_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    """Time for one attempt to connect: name lookup, TCP, TLS and the broker's answer [s]."""
    reconnect: RetrySettings = RetrySettings()
    """Waits between attempts to connect."""

    @field_validator("url")
    @classmethod
    def _is_mqtt_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in PORTS or not parts.hostname:
            msg = "must be mqtt://HOST[:PORT] or mqtts://HOST[:PORT]"
            raise ValueError(msg)
        if parts.username is not None or parts.password is not None:
            msg = "must not contain a user name or password; use `username` and `password`"
            raise ValueError(msg)
        if parts.path.strip("/") or parts.query or parts.fragment:
            msg = "must end after the port"
            raise ValueError(msg)
        if parts.port == 0:
            msg = "must have a port from 1 to 65535"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.tls is not None and not self.encrypted:
            msg = "`tls` needs an mqtts:// url"
            raise ValueError(msg)
        if self.password is not None and self.username is None and self.protocol == "3.1.1":
            msg = "MQTT 3.1.1 knows no password without `username`"  # [MQTT-3.1.2-22]
            raise ValueError(msg)
        return self

    @property
    def encrypted(self) -> bool:
        """Whether the connection uses TLS."""
        return urlsplit(self.url).scheme == "mqtts"

    @property
    def host(self) -> str:
        """Host of the broker."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """TCP port of the broker."""
        parts = urlsplit(self.url)
        return parts.port or PORTS[parts.scheme]

    @property
    def starts_clean(self) -> bool:
        """Whether the broker is told to forget the session."""
        return True

    @property
    def kept_s(self) -> int:
        """How long the broker is to keep the session while we are away [s]."""
        return 0

    @property
    def receive_window(self) -> int:
        """How many unacknowledged QoS 1 messages the broker may have under way to us."""
        return 100

    def client_id_of(self, name: str, *, instance: str) -> str:
        """Return the client id of the source or sink `name` of a daemon."""
        return self.client_id or f"twind-{instance}-{name}"


class MqttSettings(MqttConnection, SourceSettings):
    """Messages from an MQTT broker."""

    type: Literal["mqtt"]
    """Name of the adapter."""
    qos: Literal[0, 1] = 1
    """1: the broker keeps each message until it was processed, and repeats it after a failure. 0: what is missed is lost, which
    costs less and never holds the broker up."""
    session_expiry_s: Annotated[int, Field(ge=0, le=0xFFFF_FFFF)] = 86_400
    """How long the broker keeps subscriptions and messages while we are away [s]. MQTT 5 only; 3.1.1 leaves it to it."""
    clean_session: bool | None = None
    """Forget the session, and what the broker kept in it, at every connection. Default: true for `qos: 0`, else false."""
    receive_maximum: Annotated[int, Field(ge=1, le=65_535)] = 2000
    """How many unacknowledged QoS 1 messages the broker may have under way to us; MQTT 5 only. Smaller bounds what is
    repeated after a failure, larger helps throughput over a slow network."""
    max_messages: Annotated[int, Field(ge=1)] = 10_000
    """Messages that may wait to be processed. Beyond that, QoS 1 stops reading, and QoS 0 drops the oldest."""
    max_bytes: Annotated[int, Field(ge=1)] = 33_554_432
    """The same bound in bytes of payload [bytes]."""
    status_topic: str | None = "twind/{instance}/status"
    """Topic of a retained `online` or `offline` (also the last will); `{instance}` is this daemon's name. null: none."""

    @field_validator("status_topic")
    @classmethod
    def _is_topic(cls, value: str | None) -> str | None:
        if value is not None and (not value or any(c in value.replace("{instance}", "") for c in "+#{}\0")):
            msg = "must be a topic without wildcards; {instance} is the only placeholder"
            raise ValueError(msg)
        return value

    @property
    def starts_clean(self) -> bool:
        """Whether the broker is told to forget the session."""
        return self.clean_session if self.clean_session is not None else self.qos == 0

    @property
    def kept_s(self) -> int:
        """How long the broker is to keep the session while we are away [s]."""
        return 0 if self.starts_clean else self.session_expiry_s

    @property
    def receive_window(self) -> int:
        """How many unacknowledged QoS 1 messages the broker may have under way to us."""
        return self.receive_maximum

    @property
    def filters(self) -> tuple[str, ...]:
        """The subscriptions that cover the routes, each once."""
        return tuple(dict.fromkeys(route.topic.mqtt_filter for route in self.routes))

    def status_topic_of(self, *, instance: str) -> str | None:
        """Return the status topic of a daemon."""
        return None if self.status_topic is None else self.status_topic.replace("{instance}", instance)
