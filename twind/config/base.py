"""The base that every settings class is built on, adapters' included."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from twind.model.routes import TopicPattern

Secret = SecretStr
"""A value that prints as `********` everywhere; `.get_secret_value()` is the one way to read it."""


class SettingsModel(BaseModel):
    """Settings are immutable, refuse unknown names, and take their documentation from the docstring under each field."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, arbitrary_types_allowed=True, allow_inf_nan=False
    )


def _pattern(value: object) -> object:
    return TopicPattern(value) if isinstance(value, str) else value


class RouteSettings(SettingsModel):
    """Which topics carry what."""

    topic: Annotated[TopicPattern, BeforeValidator(_pattern, json_schema_input_type=str)]
    """Topic pattern; a placeholder in braces stands for one level, such as `cell/{entity}/joint_state`."""
    codec: str
    """Wire format of the payloads, such as `joint_state` or `pose`."""
    entity: str | None = None
    """Entity id; needed when the topic has no `{entity}` placeholder."""
    max_bytes: int = Field(default=262_144, gt=0)
    """Largest payload that is decoded [bytes]; larger ones are refused and counted as `oversize`."""


class SourceSettings(SettingsModel):
    """What every source has. Adapters derive their own settings from this."""

    type: str
    """Name of the adapter, such as `mqtt`."""
    routes: tuple[RouteSettings, ...] = Field(min_length=1)
    """Topic patterns with their codecs; two routes of one source must not match the same topic."""
