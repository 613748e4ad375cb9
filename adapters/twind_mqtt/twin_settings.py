"""Settings of the sink `mqtt_twins`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from twind_mqtt.settings import MqttConnection
from twind_mqtt.twin_limits import BadPatchError, checked


class MqttTwinSettings(MqttConnection):
    """Keeps a device twin of every robot and speaks IoT Hub's twin protocol with it over any MQTT broker.

    A robot's side is that of a device of IoT Hub with `$iothub/` replaced by `topic_prefix`.
    """

    type: Literal["mqtt_twins"]
    """Name of the adapter."""
    topic_prefix: str = "devices/{entity}/"
    """What stands before `twin/...` in every topic; `{entity}` is the robot's id."""
    desired: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Desired properties, by robot id or pattern of ids with `*`, `?` and `[...]`; of several that match, later ones are merged
    over earlier ones. What is changed here since the last start is taken over; what `/twins` changed otherwise stays."""
    repeat_s: float = Field(default=10.0, gt=0)
    """How often desired properties are sent to a robot that has not answered them [s]."""
    warn_after_s: float = Field(default=60.0, gt=0)
    """After which time without an answer that is logged as a warning [s]."""

    @field_validator("topic_prefix")
    @classmethod
    def _is_prefix(cls, value: str) -> str:
        if value.count("{entity}") != 1 or any(character in value.replace("{entity}", "") for character in "+#{}\0"):
            msg = "must hold {entity} once, and no wildcards"
            raise ValueError(msg)
        levels = value.split("/")
        if "{entity}" not in levels or levels[-1]:
            msg = "must have {entity} as a level of its own, and end with /"
            raise ValueError(msg)
        return value

    @field_validator("desired")
    @classmethod
    def _may_be_kept(cls, value: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        for pattern, section in value.items():
            try:
                checked(section)
            except (BadPatchError, TypeError) as error:
                raise ValueError(f"{pattern}: {error}") from error
        return value
