"""Whose live layer a file is: instance and generation, and the lock under which they are compared before it is replaced."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pxr import Sdf

from twind.model.errors import FencedError, StageError
from twind.stage.opening import collected_diagnostics

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Holder:
    """The daemon that wrote a live layer."""

    instance: str = ""
    generation: int = 0
    """0 also where there is no file, or none of ours."""


def read_holder(path: Path) -> Holder:
    """Return who wrote the live layer at `path`; only its header is read."""
    if not path.is_file():
        return Holder()
    layer = None
    with suppress(StageError), collected_diagnostics():  # a file that is no layer is nobody's
        layer = Sdf.Layer.OpenAsAnonymous(str(path), metadataOnly=True)
    noted = {} if layer is None else layer.customLayerData.get("twind", {})
    generation = noted.get("generation", 0)
    return Holder(str(noted.get("instance", "")), generation if isinstance(generation, int) else 0)


class Fence:
    """Lets the newest generation write one file, and refuses every older one from then on."""

    def __init__(self, path: Path, holder: Holder) -> None:
        self._path = path
        self._holder = holder
        self._written: tuple[int, int] | None = None
        """What identifies the file as last written here, so that its header is read only after somebody else wrote."""

    @contextmanager
    def passed(self) -> Iterator[None]:
        """Hold the folder's lock while the file is replaced.

        Raises:
            FencedError: Somebody of the same or a newer generation writes it.
            OSError: The folder cannot be opened.
        """
        with _locked(self._path.parent):
            if self._written is None or self._identity() != self._written:
                self._check()
            yield
            self._written = self._identity()

    def _check(self) -> None:
        there, here = read_holder(self._path), self._holder
        newer = there.generation > here.generation
        # Two that started at once may have counted alike; then the first to write has it.
        if newer or (there.generation == here.generation > 0 and (self._written is None or there.instance != here.instance)):
            raise FencedError(
                f"{self._path} is written by instance {there.instance!r}, generation {there.generation}; this one, "
                f"{here.instance!r}, is generation {here.generation} and stops. If both are meant to run, give each its own "
                "`stage.snapshot.path`"
            )

    def _identity(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder against other daemons; where the file system cannot, the time between comparison and rename is all there is."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
