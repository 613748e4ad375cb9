"""How to reach a hub, and as whom: what the source and the sink have in common."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003  (pydantic reads the annotations)
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from twind.api import Secret, SettingsModel


class HubConnection(SettingsModel):
    """A hub, and who we are there."""

    connection_string: Secret | None = None
    """`Endpoint=sb://...;SharedAccessKeyName=...;SharedAccessKey=...[;EntityPath=HUB]`, from `${env:...}` or `${file:...}`. Of
    an IoT Hub: the *Event Hub-compatible* one, under "Built-in endpoints". Or `namespace`."""
    namespace: str | None = None
    """Such as `NAME.servicebus.windows.net`, without a key: who we are is found out by DefaultAzureCredential (workload
    identity on Kubernetes, managed identity, environment, `az login`). It needs the role Azure Event Hubs Data Receiver, or
    Data Sender for a sink."""
    client_id: str | None = None
    """Which user-assigned managed identity to be, where there are several; only without keys."""
    event_hub: str | None = None
    """Name of the hub. Not needed where the connection string holds it (`EntityPath`)."""
    connect_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """How long one question to the hub may take [s]."""
    transport: Literal["amqp", "websocket"] = "amqp"
    """`websocket` where only port 443 is open."""
    endpoint: str | None = None
    """Address to connect to in place of the one in the connection string, such as `sb://localhost:5671`: private endpoints,
    gateways, the emulator with TLS."""
    ca: Path | None = None
    """File of CA certificates (PEM) that may have signed the endpoint's certificate. Default: those the system trusts."""

    @field_validator("connection_string")
    @classmethod
    def _is_event_hub_compatible(cls, value: Secret | None) -> Secret | None:
        if value is None:
            return None
        parts = _parts(value)
        if "hostname" in parts and "endpoint" not in parts:
            msg = "is that of an IoT Hub itself: take the Event Hub-compatible one, under 'Built-in endpoints'"
            raise ValueError(msg)
        if not parts.get("endpoint", "").lower().startswith("sb://"):
            msg = "must begin with Endpoint=sb://HOST"
            raise ValueError(msg)
        if "sharedaccesssignature" not in parts and not parts.keys() >= {"sharedaccesskeyname", "sharedaccesskey"}:
            msg = "needs SharedAccessKeyName and SharedAccessKey, or SharedAccessSignature"
            raise ValueError(msg)
        return value

    @field_validator("namespace")
    @classmethod
    def _is_host(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value or "/" in value or " " in value:
            msg = "must be a host name such as NAME.servicebus.windows.net"
            raise ValueError(msg)
        return value if "." in value else f"{value}.servicebus.windows.net"

    @model_validator(mode="after")
    def _is_a_hub(self) -> Self:
        if (self.connection_string is None) == (self.namespace is None):
            msg = "give `connection_string` or `namespace`"
            raise ValueError(msg)
        if self.event_hub is None and "entitypath" not in self._connection:
            msg = "`event_hub` is missing: the connection string names no hub (EntityPath)"
            raise ValueError(msg)
        return self

    @property
    def hub(self) -> str:
        """Name of the hub."""
        return self.event_hub or self._connection.get("entitypath", "")

    @property
    def address(self) -> str:
        """Where it is, without any secret."""
        if self.namespace is not None:
            return f"sb://{self.namespace}/{self.hub}"
        return f"{self._connection.get('endpoint', 'sb://').rstrip('/')}/{self.hub}"

    @property
    def policy(self) -> str:
        """Name of the shared access policy, if one is used."""
        return self._connection.get("sharedaccesskeyname", "")

    @property
    def _connection(self) -> dict[str, str]:
        return {} if self.connection_string is None else _parts(self.connection_string)


def _parts(connection_string: Secret) -> dict[str, str]:
    pairs = (part.partition("=") for part in connection_string.get_secret_value().split(";"))
    return {name.strip().lower(): value.strip() for name, _, value in pairs if name.strip()}
