"""The twin of one device as IoT Hub keeps it: desired and reported properties, versions, merge patches. No I/O.

Shapes after "Understand and use device twins in IoT Hub": a patch merges objects key by key, null removes a key, and each
section counts its changes in `$version`. A device answers a desired property by reporting `{"value": V, "ac": CODE, "av":
VERSION}` (the convention of IoT Plug and Play), or by reporting the same value.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_BYTES = 32_768
"""Largest section of a twin, as in IoT Hub [bytes of JSON]."""
_SUCCESS = 2
"""First digit of the codes that say so."""
MAX_DEPTH = 10
"""Deepest nesting, as in IoT Hub."""

Section = dict[str, Any]


class BadPatchError(ValueError):
    """A patch cannot be merged; the message says why."""


class Answer(enum.StrEnum):
    """What became of the desired properties."""

    PENDING = "pending"
    """The device has not answered the newest version."""
    ACCEPTED = "accepted"
    REFUSED = "refused"
    """The device answered at least one of them with a code that is not 2xx."""


class DeviceTwin(msgspec.Struct):
    """The two sections of one device's twin."""

    desired: Section = {}
    desired_version: int = 0
    reported: Section = {}
    reported_version: int = 0

    def want(self, desired: Mapping[str, Any]) -> bool:
        """Set what the device shall be; return whether that is new, and so has a new version.

        Raises:
            BadPatchError: It is too large or too deep.
        """
        if self.desired_version and desired == self.desired:
            return False
        self.desired = checked(dict(desired))
        self.desired_version += 1
        return True

    def report(self, patch: object) -> None:
        """Merge what the device says of itself.

        Raises:
            BadPatchError: It is no object, is too large or too deep, or a key is reserved. Nothing is merged then.
        """
        if not isinstance(patch, dict):
            msg = "a patch must be a JSON object"
            raise BadPatchError(msg)
        self.reported = checked(merged(self.reported, patch))
        self.reported_version += 1

    def answer(self) -> Answer:
        """Say what the device made of the desired properties."""
        answers = [_answer(value, self.reported.get(name), self.desired_version) for name, value in self.desired.items()]
        if Answer.REFUSED in answers:
            return Answer.REFUSED
        return Answer.PENDING if Answer.PENDING in answers else Answer.ACCEPTED

    def desired_patch(self) -> bytes:
        """Return all desired properties with their version, as they are sent to the device."""
        return msgspec.json.encode({**self.desired, "$version": self.desired_version})

    def document(self) -> bytes:
        """Return both sections, as the answer to a device that asks for its twin."""
        return msgspec.json.encode(
            {
                "desired": {**self.desired, "$version": self.desired_version},
                "reported": {**self.reported, "$version": self.reported_version},
            }
        )


def _answer(wanted: object, reported: object, version: int) -> Answer:
    if reported == wanted:
        return Answer.ACCEPTED
    if isinstance(reported, dict) and isinstance(reported.get("av"), int) and isinstance(reported.get("ac"), int):
        if reported["av"] < version:
            return Answer.PENDING
        return Answer.ACCEPTED if reported["ac"] // 100 == _SUCCESS else Answer.REFUSED
    return Answer.PENDING


def merged(section: Section, patch: Mapping[str, Any]) -> Section:
    """Return a section with a patch merged into it (RFC 7386); neither is changed."""
    result = dict(section)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            under = result.get(key)
            result[key] = merged(under if isinstance(under, dict) else {}, value)
        else:
            result[key] = value
    return result


def checked(section: Section) -> Section:
    """Return a section that may be kept.

    Raises:
        BadPatchError: It is too large or too deep, or a key is reserved.
    """
    _check_keys(section, 1)
    size = len(msgspec.json.encode(section))
    if size > MAX_BYTES:
        raise BadPatchError(f"the section would have {size} bytes; {MAX_BYTES} are allowed")
    return section


def _check_keys(section: Mapping[str, Any], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise BadPatchError(f"it is nested more than {MAX_DEPTH} deep")
    for key, value in section.items():
        if key.startswith("$") or "." in key or " " in key:
            raise BadPatchError(f"the key {key!r} must not begin with $ nor hold a dot or a space")
        if isinstance(value, dict):
            _check_keys(value, depth + 1)
