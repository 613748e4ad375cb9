"""The base that every settings class is built on, adapters' included."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from twind.model.routes import TopicPattern

MASK = "********"
"""What is shown in the place of a secret."""


class Secret(SecretStr):
    """A value that prints as `********` everywhere; `.get_secret_value()` is the one way to read it."""

    def __str__(self) -> str:
        """Mask the value."""
        return MASK

    def __repr__(self) -> str:
        return f"Secret('{MASK}')"


class SettingsModel(BaseModel):
    """Settings are immutable, refuse unknown names, and take their documentation from the docstring under each field."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, allow_inf_nan=False, defer_build=True)

    @field_validator("*", mode="before")
    @classmethod
    def _as_meant(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse `true` where a number is meant (pydantic reads it as 1), and take "1" for 1 (placeholders give text)."""
        if not info.field_name or not isinstance(value, bool | str):
            return value
        annotation = cls.model_fields[info.field_name].annotation
        if isinstance(value, str):
            choices = [] if _mentions(str, annotation) else _choices(annotation)
            return next((choice for choice in choices if str(choice) == value.strip()), value)
        if not _mentions(bool, annotation) and (_mentions(float, annotation) or _mentions(int, annotation)):
            msg = f"must be a number, not {str(value).lower()}"
            raise ValueError(msg)
        return value


def _choices(annotation: Any) -> list[Any]:
    """Return the values of the Literals in an annotation."""
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    return [choice for argument in get_args(annotation) for choice in _choices(argument)]


def _mentions(wanted: type, annotation: Any) -> bool:
    """Whether a type, or an argument of it, or a value of a Literal, is of the wanted type."""
    return (
        annotation is wanted
        or type(annotation) is wanted
        or any(_mentions(wanted, argument) for argument in get_args(annotation))
    )


def _pattern(value: object) -> TopicPattern:
    if isinstance(value, TopicPattern):
        return value
    if not isinstance(value, str):
        msg = "must be text, such as 'cell/{entity}/joint_state'"
        raise ValueError(msg)  # noqa: TRY004  (pydantic collects ValueError; a TypeError would end the validation)
    return TopicPattern(value)


def _text(pattern: TopicPattern) -> str:
    return pattern.text


Topic = Annotated[
    TopicPattern,
    PlainValidator(_pattern),
    PlainSerializer(_text, return_type=str),
    WithJsonSchema({"type": "string", "minLength": 1}),
]
"""A topic pattern; written as text in the configuration."""


class RouteSettings(SettingsModel):
    """Which topics carry what."""

    topic: Topic
    """Topic pattern; a placeholder in braces stands for one level, such as `cell/{entity}/joint_state`."""
    codec: str
    """Wire format of the payloads, such as `joint_state` or `pose`."""
    entity: str | None = None
    """Entity id; needed when the topic has no `{entity}` placeholder."""
    max_bytes: int = Field(default=262_144, gt=0)
    """Largest payload that is decoded [bytes]; larger ones are refused and counted as `oversize`."""
    latency_floor_ms: float | None = Field(default=None, ge=0, le=60_000)
    """The same as that of the source, for this route alone [ms]."""
    period_ms: float = Field(default=0.0, ge=0, le=60_000)
    """Time between two sequence numbers, for messages that carry a number but no stamp; 0 learns it [ms]."""


class SourceSettings(SettingsModel):
    """What every source has. Adapters derive their own settings from this."""

    type: str
    """Name of the adapter, such as `mqtt`."""
    routes: tuple[RouteSettings, ...] = Field(min_length=1)
    """Topic patterns with their codecs; two routes of one source must not match the same topic."""
    latency_floor_ms: float = Field(default=0.0, ge=0, le=60_000)
    """Least time that a message takes from the device to here [ms]; taken off arrivals and estimated clock offsets.

    One-way stamps cannot show it. It does not matter for devices that share the daemon's clock."""


class HandOverSettings(SettingsModel):
    """Where daemons that share the partitions of a hub leave for each other what came on each partition."""

    type: str
    """Name of the adapter."""
    look_s: float = Field(default=1.0, gt=0, le=60)
    """How often it is looked whether partitions are still this daemon's, and which robots others hear [s]. Sinks tell nothing
    of robots whose partition was not seen to be this daemon's for three times as long."""
    moved_s: float = Field(default=30.0, gt=0, le=3600)
    """A robot that is heard on another daemon's partition is left to that daemon after its own partition had nothing of it for
    so long [s]. Longer than robots are silent between two messages."""


class RetrySettings(SettingsModel):
    """How long to wait between attempts: `uniform(0, min(cap_s, base_s * 2**attempt))`."""

    base_s: float = Field(default=0.5, gt=0)
    """Longest wait before the first new attempt [s]."""
    cap_s: float = Field(default=30.0, gt=0)
    """Longest wait before any attempt [s]."""


class NoticeSettings(SettingsModel):
    """What every sink is asked that tells of entities. Adapters derive their settings from this."""

    type: str
    """Name of the adapter."""
    entities: tuple[str, ...] = Field(default=("*",), min_length=1)
    """Ids of the entities to tell of, or patterns of ids with `*`, `?` and `[...]`."""
    state_hz: float = Field(default=1.0, ge=0, le=60)
    """How often the state of an entity that changed is told at most [Hz]; 0: never, only its changes of status."""
    incidents: Literal["warning", "error", "none"] = "warning"
    """The least serious incidents that are told; they are what the log says at this level, with the same limits on repeats."""


class DeliverySettings(NoticeSettings):
    """What a sink is asked whose far side confirms what it has: how much may wait for it, and how often it is tried."""

    max_events: int = Field(default=10_000, ge=1)
    """Events that may wait while the far side is away. Beyond it the oldest are lost and counted, states first."""
    max_bytes: int = Field(default=33_554_432, ge=1)
    """The same bound in bytes [bytes]."""
    max_batch: int = Field(default=500, ge=1, le=10_000)
    """Events sent before the far side must confirm."""
    close_s: float = Field(default=3.0, ge=0, le=60)
    """How long a stopping daemon tries to send what waits [s]."""
    retry: RetrySettings = RetrySettings()
    """Waits between attempts while the far side is away."""
