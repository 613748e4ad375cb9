"""Whose live layer a file is: instance and generation, and the lock under which they are compared before it is replaced."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twind.model.errors import FencedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEADER_BYTES = 4096
"""Where `customLayerData` stands in a live layer: USD writes the layer's own fields first."""
_SESSION = re.compile(r'^\s+string session = "([^"]*)"$', re.MULTILINE)
_GENERATION = re.compile(r"^\s+int(?:64)? generation = (\d+)$", re.MULTILINE)
_INSTANCE = re.compile(r'^\s+string instance = "([^"]*)"$', re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Holder:
    """The daemon that wrote a live layer."""

    instance: str = ""
    generation: int = 0
    """0 where there is no file, or where nobody counted."""
    session: str = ""
    """Tells two starts apart that counted alike."""


def read_holder(path: Path) -> Holder:
    """Return who wrote the live layer at `path`. It is read as text, on any thread: pxr belongs to one."""
    try:
        with path.open("rb") as file:
            text = file.read(_HEADER_BYTES).decode("utf-8", "replace")
    except OSError:
        return Holder()
    header, closed, _ = text.partition("\n)\n")
    generation, instance, session = (field.search(header) for field in (_GENERATION, _INSTANCE, _SESSION))
    if not closed or generation is None or instance is None or session is None:
        return Holder()
    return Holder(instance[1], int(generation[1]), session[1])


class Fence:
    """Lets the newest generation replace one file, and refuses every older one from then on."""

    def __init__(self, path: Path, holder: Holder) -> None:
        self._path = path
        self._holder = holder
        self._written: tuple[int, int] | None = None
        """What identifies the file as last written here: its header need only be read after somebody else wrote it."""

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Hold the folder's lock while the file is replaced.

        Raises:
            FencedError: Somebody of a newer generation writes it, or one of the same who was first.
            OSError: The folder cannot be opened.
        """
        with locked(self._path.parent):
            self.check()
            yield
            self._written = self._identity()

    def check(self) -> None:
        """Look whether the file may still be written.

        Raises:
            FencedError: Somebody of a newer generation writes it, or one of the same who was first.
        """
        if self._written is not None and self._identity() == self._written:
            return
        there, here = read_holder(self._path), self._holder
        # Of two that started at once and counted alike, the first to write has it.
        alike = there.generation == here.generation > 0 and there.session != here.session
        if alike or there.generation > here.generation:
            raise FencedError(
                f"{self._path} is written by generation {there.generation} of instance {there.instance!r}, so generation "
                f"{here.generation} of {here.instance!r} does not write it any more. If both are meant to run, give each a "
                "`stage.snapshot.path` of its own"
            )

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder among daemons; without locks in the file system only the instant between check and rename is unguarded."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
