"""All device twins of a daemon: kept on the disk before anybody is told of a change, whoever asked for it."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from twind.api import RefusedChange, RetryableError
from twind_mqtt import twin_store
from twind_mqtt.device_twin import Answer, DeviceTwin, difference, merged
from twind_mqtt.twin_limits import BadPatchError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

_NAMES = frozenset({"deviceId", "etag", "version", "tags", "properties"})
"""What a document of the service's side holds; all but the last two say which twin is meant."""
_SECTIONS = frozenset({"desired", "reported"})


class TwinRegister:
    """The twins by robot id. Belongs to one event loop."""

    def __init__(self, file: Path, robots: Sequence[str]) -> None:
        self.twins: dict[str, DeviceTwin] = {}
        """Of robots that this daemon does not look after (any more) too."""
        self.robots = tuple(robots)
        self._file = file
        self._lock = asyncio.Lock()
        self._loaded = False

    async def load(self, configured: Mapping[str, Mapping[str, Any]]) -> None:
        """Read the twins, and give every robot what the configuration wants, by id or pattern.

        Raises:
            PermanentError: They cannot be read or kept.
        """
        self._loaded = False
        self.twins = await asyncio.to_thread(twin_store.load, self._file)
        async with self.changing() as twins:
            for robot in self.robots:
                wanted: dict[str, Any] = {}
                for pattern, section in configured.items():
                    if fnmatchcase(robot, pattern):
                        wanted = merged(wanted, section)
                twin = copy.copy(self.twins.get(robot, DeviceTwin()))
                if twin.configure(wanted, now=now()) or robot not in self.twins:
                    twins[robot] = twin
        self._loaded = True

    @contextlib.asynccontextmanager
    async def changing(self) -> AsyncIterator[dict[str, DeviceTwin]]:
        """Collect changed copies of twins inside the block; after it they are on the disk, or nothing has changed.

        Raises:
            PermanentError: They cannot be kept.
        """
        async with self._lock:
            changed: dict[str, DeviceTwin] = {}
            yield changed
            if changed:
                keeping = asyncio.create_task(self._keep(changed), name="keep device twins")
                try:
                    await asyncio.shield(keeping)
                finally:  # a thread cannot be cancelled: nobody may change anything before it is done
                    await asyncio.wait({keeping})

    async def _keep(self, changed: dict[str, DeviceTwin]) -> None:
        after = self.twins | changed
        await asyncio.to_thread(twin_store.save, self._file, after)
        self.twins = after  # what was there before is left as it is: somebody may be looking at it

    def shown(self, robot: str) -> DeviceTwin | None:
        """Return the twin of a robot that this daemon looks after.

        Raises:
            RetryableError: They are not read yet.
        """
        if not self._loaded:
            msg = "the device twins are not read yet; the log says why if that lasts"
            raise RetryableError(msg)
        return self.twins[robot] if robot in self.robots else None

    async def change(
        self, robot: str, document: Mapping[str, Any], *, if_match: str | None, replace: bool
    ) -> tuple[DeviceTwin, dict[str, Any] | None]:
        """Change tags and desired properties as the service's side asks; return the twin, and the patch for the device.

        Args:
            robot: One that this daemon looks after.
            document: A twin, or the part of one that shall change, as the service's side writes it.
            if_match: The `etag` that the twin must have; None for any.
            replace: Whether the sections that are given replace those that are there, rather than being merged.

        Raises:
            RefusedChange: It cannot be done, or the twin has another etag.
            PermanentError: It cannot be kept.
        """
        desired, tags = _asked(document)
        try:
            async with self.changing() as changed:
                twin = copy.copy(self.twins[robot])
                if if_match is not None and if_match != twin.etag:
                    raise RefusedChange(f"the twin has the etag {twin.etag!r} by now", conflict=True)
                if tags is not None:
                    twin.tag(difference(twin.tags, tags) if replace else tags)
                patch = None
                if desired is not None:
                    patch = difference(twin.desired, desired) if replace else desired
                    twin.want(patch, now=now())
                changed[robot] = twin
        except BadPatchError as error:
            raise RefusedChange(str(error)) from error
        return twin, None if patch is None else {**patch, "$version": twin.desired_version}

    def answers(self) -> dict[str, Answer]:
        """Return what every robot made of its desired properties."""
        return {robot: self.twins[robot].answer() for robot in self.robots}


def now() -> str:
    """Return the time as metadata tells it."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}Z"


def _asked(document: Mapping[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return the desired properties and the tags of a document, None for what is not in it.

    Raises:
        RefusedChange: It is none.
    """
    properties = document.get("properties", {})
    if not isinstance(properties, dict):
        msg = "`properties` must be an object with `desired`"
        raise RefusedChange(msg)
    unknown = [name for name in document if name not in _NAMES] + [name for name in properties if name not in _SECTIONS]
    if unknown:
        raise RefusedChange(f"a twin has no {unknown[0][:40]!r}: there are `tags` and `properties.desired`")
    if "reported" in properties and "desired" not in properties:
        msg = "only the device itself changes its reported properties"
        raise RefusedChange(msg)
    desired, tags = properties.get("desired"), document.get("tags")
    if desired is None and tags is None:
        msg = "nothing to change: there is neither `tags` nor `properties.desired`"
        raise RefusedChange(msg)
    for name, section in (("tags", tags), ("properties.desired", desired)):
        if section is not None and not isinstance(section, dict):
            raise RefusedChange(f"`{name}` must be an object")
    if desired is not None:  # what a document that was read says of its history is not to be written
        desired = {key: value for key, value in desired.items() if key not in {"$metadata", "$version"}}
    return desired, tags
