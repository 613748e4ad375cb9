"""The twin of one device as IoT Hub keeps it: desired and reported properties, tags, versions, merge patches. No I/O.

Shapes after "Understand and use device twins in IoT Hub": a patch merges objects key by key, null removes a key, and each
section counts its changes in `$version`. A device answers a desired property by reporting `{"value": V, "ac": CODE, "av":
VERSION}` (the convention of IoT Plug and Play), or by reporting the same value.

Sections are never changed, only replaced, so a shallow copy of a twin is a copy.
"""

from __future__ import annotations

import base64
import enum
from typing import TYPE_CHECKING, Any

import msgspec

from twind_mqtt.twin_limits import MAX_BYTES, MAX_TAG_BYTES, BadPatchError, Section, checked, size_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUCCESS = 2
"""First digit of the codes that say so."""


class Answer(enum.StrEnum):
    """What became of the desired properties."""

    PENDING = "pending"
    """The device has not answered the newest version."""
    ACCEPTED = "accepted"
    REFUSED = "refused"
    """The device answered at least one of them with a code that is not 2xx."""


class DeviceTwin(msgspec.Struct):
    """What is kept of one device."""

    desired: Section = {}
    desired_version: int = 0
    reported: Section = {}
    reported_version: int = 0
    tags: Section = {}
    """What only the service's side sees."""
    version: int = 0
    """Changes from the service's side."""
    configured: Section | None = None
    """What the configuration last wanted; None where nobody noted it."""
    removed: Section = {}
    """Desired properties that were removed since the device last took them over, as a patch of nulls."""
    desired_metadata: Section = {}
    """When each property was changed, in the shape of `$metadata`."""
    reported_metadata: Section = {}

    def configure(self, wanted: Section, *, now: str) -> bool:
        """Take over what the configuration wants, if that changed; return whether it did.

        What was changed otherwise stays, except where the configuration changed the same property.

        Raises:
            BadPatchError: It is too large or too deep.
        """
        before = self.configured if self.configured is not None else self.desired
        patch = difference(before, wanted)
        if patch or not self.desired_version:
            self.want(patch, now=now)
        elif self.configured == wanted:
            return False
        self.configured = wanted
        return True

    def want(self, patch: object, *, now: str) -> None:
        """Merge what the device shall be.

        Args:
            patch: A merge patch.
            now: When that is, as text.

        Raises:
            BadPatchError: It is no object, or cannot be kept. Nothing is merged then.
        """
        patch = _object(patch)
        self.desired = checked(merged(self.desired, patch))
        self.desired_version += 1
        self.version += 1
        self.desired_metadata = touched(self.desired_metadata, patch, now, self.desired_version)
        removed = with_removals(self.removed, patch)
        self.removed = removed if size_of(removed) <= MAX_BYTES else {}  # a device that was away so long asks for its twin

    def tag(self, patch: object) -> None:
        """Merge tags.

        Raises:
            BadPatchError: It is no object, or cannot be kept. Nothing is merged then.
        """
        self.tags = checked(merged(self.tags, _object(patch)), most_bytes=MAX_TAG_BYTES)
        self.version += 1

    def report(self, patch: object, *, now: str) -> None:
        """Merge what the device says of itself.

        Raises:
            BadPatchError: It is no object, or cannot be kept. Nothing is merged then.
        """
        patch = _object(patch)
        self.reported = checked(merged(self.reported, patch))
        self.reported_version += 1
        self.reported_metadata = touched(self.reported_metadata, patch, now)

    def answer(self) -> Answer:
        """Say what the device made of the desired properties."""
        answers = [_answer(value, self.reported.get(name), self.desired_version) for name, value in self.desired.items()]
        if Answer.REFUSED in answers:
            return Answer.REFUSED
        return Answer.PENDING if Answer.PENDING in answers else Answer.ACCEPTED

    @property
    def etag(self) -> str:
        """What changes with every change from the service's side."""
        return base64.b64encode(self.version.to_bytes(8, "big")).decode()

    def desired_patch(self) -> bytes:
        """Return all desired properties with their version, and null for what was removed, as they are sent to the device."""
        return msgspec.json.encode({**with_nulls(self.desired, self.removed), "$version": self.desired_version})

    def device_document(self) -> bytes:
        """Return both sections, as the answer to a device that asks for its twin."""
        return msgspec.json.encode(
            {
                "desired": {**self.desired, "$version": self.desired_version},
                "reported": {**self.reported, "$version": self.reported_version},
            }
        )

    def service_document(self, device: str) -> Section:
        """Return the twin as the service shows it to who administers the device."""
        return {
            "deviceId": device,
            "etag": self.etag,
            "version": self.version,
            "tags": self.tags,
            "properties": {
                "desired": {**self.desired, "$metadata": self.desired_metadata, "$version": self.desired_version},
                "reported": {**self.reported, "$metadata": self.reported_metadata, "$version": self.reported_version},
            },
        }


def _object(patch: object) -> Section:
    if not isinstance(patch, dict):
        msg = "a patch must be a JSON object"
        raise BadPatchError(msg)
    return patch


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


def difference(before: Section, after: Section) -> Section:
    """Return the merge patch that makes `after` of `before`."""
    patch: Section = dict.fromkeys([key for key in before if key not in after])
    for key, value in after.items():
        if key not in before:
            patch[key] = value
        elif isinstance(value, dict) and isinstance(before[key], dict):
            under = difference(before[key], value)
            if under:
                patch[key] = under
        elif before[key] != value or type(before[key]) is not type(value):  # true is not 1 here
            patch[key] = value
    return patch


def with_removals(removed: Section, patch: Section) -> Section:
    """Return the removals that a device has to hear of, once a patch came after them."""
    result = dict(removed)
    for key, value in patch.items():
        if value is None:
            result[key] = None
            continue
        under = result.pop(key, None)
        if isinstance(value, dict):
            deeper = with_removals(under if isinstance(under, dict) else {}, value)
            if deeper:
                result[key] = deeper
    return result


def with_nulls(section: Section, removed: Section) -> Section:
    """Return a section with null for what was removed."""
    result = dict(section)
    for key, value in removed.items():
        if value is None:
            result.setdefault(key, None)
        elif isinstance(result.get(key), dict):
            result[key] = with_nulls(result[key], value)
    return result


def touched(metadata: Section, patch: Section, now: str, version: int | None = None) -> Section:
    """Return the metadata of a section after a patch: when what was changed last, and by which version."""
    stamp: Section = {"$lastUpdated": now} | ({} if version is None else {"$lastUpdatedVersion": version})
    result = metadata | stamp
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = touched(result.get(key, {}), value, now, version)
        else:
            result[key] = stamp
    return result
