"""What a section of a device twin may hold: the limits that IoT Hub documents. No I/O.

After "Understand and use device twins in IoT Hub", sections "Tags and properties format" and "Device twin size".
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 32_768
"""Largest section of properties [bytes, as `size_of` counts them]."""
MAX_TAG_BYTES = 8_192
"""Likewise of tags."""
MAX_DEPTH = 10
"""Objects and arrays in each other, within the section."""
MAX_KEY_BYTES = 1_024
MAX_TEXT_BYTES = 4_096
MIN_INTEGER, MAX_INTEGER = -4_503_599_627_370_496, 4_503_599_627_370_495
_RESERVED = frozenset(".$ ")
_NUMBER_BYTES = 8
_BOOL_BYTES = 4

Section = dict[str, Any]


class BadPatchError(ValueError):
    """A patch cannot be merged; the message says why."""


def checked(section: Section, *, most_bytes: int = MAX_BYTES) -> Section:
    """Return a section that may be kept.

    Raises:
        BadPatchError: It is too large or too deep, or holds a key or a value that IoT Hub would refuse.
    """
    _check_object(section, 0)
    size = size_of(section)
    if size > most_bytes:
        raise BadPatchError(f"the section would have {size} bytes; {most_bytes} are allowed")
    return section


def size_of(value: object) -> int:
    """Return the size of a value as IoT Hub counts it: keys and values, without punctuation and control characters [bytes]."""
    if isinstance(value, dict):
        return sum(size_of(key) + size_of(under) for key, under in value.items())
    if isinstance(value, list):
        return sum(map(size_of, value))
    if isinstance(value, str):
        return len("".join(character for character in value if not _is_control(character)).encode(errors="replace"))
    return _BOOL_BYTES if isinstance(value, bool) or value is None else _NUMBER_BYTES


def _check_object(section: Mapping[str, Any], depth: int) -> None:
    for key, value in section.items():
        if not key or len(key.encode(errors="replace")) > MAX_KEY_BYTES:
            raise BadPatchError(f"the key {key[:40]!r} must have 1 to {MAX_KEY_BYTES} bytes")
        if any(character in _RESERVED or _is_control(character) for character in key):
            raise BadPatchError(f"the key {key[:40]!r} must not hold $, a dot, a space, or a control character")
        _check_value(key, value, depth)


def _check_value(key: str, value: object, depth: int) -> None:
    if isinstance(value, dict | list) and depth >= MAX_DEPTH:
        raise BadPatchError(f"{key[:40]!r} is nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        _check_object(value, depth + 1)
    elif isinstance(value, list):
        for one in value:
            _check_value(key, one, depth + 1)
    elif isinstance(value, str):
        if len(value.encode(errors="replace")) > MAX_TEXT_BYTES:
            raise BadPatchError(f"the text of {key[:40]!r} has more than {MAX_TEXT_BYTES} bytes")
    elif isinstance(value, int) and not MIN_INTEGER <= value <= MAX_INTEGER:
        raise BadPatchError(f"{key[:40]!r} must lie between {MIN_INTEGER} and {MAX_INTEGER}")
    elif isinstance(value, float) and not math.isfinite(value):
        raise BadPatchError(f"{key[:40]!r} must be a finite number")


def _is_control(character: str) -> bool:
    return ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0  # noqa: PLR2004  (C0, DEL and C1 of Unicode)
