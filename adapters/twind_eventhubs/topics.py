"""The topic of an event: what routes match, made of what the event says of itself."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Annotations = Mapping[Any, Any]
    Part = Callable[[Annotations, Annotations, str], object]

DEVICE_ID = b"iothub-connection-device-id"
_ANNOTATIONS = {
    "device_id": DEVICE_ID,
    "module_id": b"iothub-connection-module-id",
    "partition_key": b"x-opt-partition-key",
}
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_PROPERTY = "property."
_MOST_REMEMBERED = 16_384
"""Names of devices, or whatever else is a topic as it stands, that are remembered as text; they come from outside."""
_LONGEST_REMEMBERED = 256
"""Bytes of such a name; longer ones are decoded each time."""


class Template:
    """Text with placeholders for what an event says of itself."""

    def __init__(self, text: str) -> None:
        """Understand a template.

        Raises:
            ValueError: It is empty, or holds what is no placeholder.
        """
        if not text or "\0" in text:
            msg = "must not be empty"
            raise ValueError(msg)
        self.text = text
        self._parts = [_part(piece, is_name=bool(index % 2)) for index, piece in enumerate(_PLACEHOLDER.split(text))]
        self._parts = [part for part in self._parts if not isinstance(part, str) or part]
        if any(isinstance(part, str) and ("{" in part or "}" in part) for part in self._parts):
            raise ValueError(f"{text!r}: a brace has no partner")
        self._alone = self._parts[0] if len(self._parts) == 1 and not isinstance(self._parts[0], str) else None
        """The placeholder, where there is nothing else: by far the most frequent."""
        self._known: dict[bytes, str] = {}

    def __repr__(self) -> str:
        return f"<Template {self.text!r}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Template) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)

    def fill(self, annotations: Annotations, properties: Annotations, partition: str) -> str | None:
        """Return the topic, None where the event lacks something."""
        if self._alone is not None:
            value = self._alone(annotations, properties, partition)
            if isinstance(value, bytes):
                return self._known.get(value) or self._text_of(value)
        filled = []
        for part in self._parts:
            if isinstance(part, str):
                filled.append(part)
                continue
            value = part(annotations, properties, partition)
            if value is None or value in (b"", ""):
                return None
            filled.append(value.decode(errors="replace") if isinstance(value, bytes) else str(value))
        return filled[0] if len(filled) == 1 else "".join(filled)

    def _text_of(self, value: bytes) -> str | None:
        """Decode what is a topic as it stands, and remember it: a device has the same name each time."""
        text = value.decode(errors="replace")
        if len(value) <= _LONGEST_REMEMBERED:
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[value] = text
        return text or None


def topic_of(templates: Sequence[Template], annotations: Annotations, properties: Annotations, partition: str) -> str:
    """Return the topic of an event by the first template of which it has everything.

    One that has nothing of any of them gets a text that says so; no route matches that, as it begins with two empty levels and
    a placeholder stands for what is not empty.
    """
    for template in templates:
        topic = template.fill(annotations, properties, partition)
        if topic is not None:
            return topic
    return f"//(without {' or '.join(template.text for template in templates)})"


def _part(piece: str, *, is_name: bool) -> str | Part:
    if not is_name:
        return piece
    if piece == "partition":
        return lambda _annotations, _properties, partition: partition
    if piece.startswith(_PROPERTY) and len(piece) > len(_PROPERTY):
        name = piece.removeprefix(_PROPERTY)
        raw = name.encode()
        return lambda _annotations, properties, _partition: properties.get(raw, properties.get(name))
    key = _ANNOTATIONS.get(piece)
    if key is None:
        known = ", ".join(f"{{{known}}}" for known in (*_ANNOTATIONS, "partition", "property.NAME"))
        raise ValueError(f"no placeholder {{{piece}}}; there are {known}")
    return lambda annotations, _properties, _partition: annotations.get(key)


def _template(value: object) -> Template:
    if isinstance(value, Template):
        return value
    if not isinstance(value, str):
        msg = "must be text, such as '{device_id}'"
        raise ValueError(msg)  # noqa: TRY004  (pydantic collects ValueError; a TypeError would end the validation)
    return Template(value)


def _text(template: Template) -> str:
    return template.text


TopicTemplate = Annotated[
    Template,
    PlainValidator(_template),
    PlainSerializer(_text, return_type=str),
    WithJsonSchema({"type": "string", "minLength": 1}),
]
"""A template; written as text in the configuration."""
