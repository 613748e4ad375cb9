"""Points at which a daemon can be killed: wherever it changes a file, before, after, and in the middle of it."""

from __future__ import annotations

import os
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from twind.record.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = (
    (r"recordings/.*\.mcap", "recording"),
    (r"state/state/.*", "snapshot of the state"),
    (r"state/generation|state/\.generation.*", "generation"),
    (r"checkpoints.*|\.checkpoints.*", "checkpoint"),
    (r"live/.*", "stage"),
)
"""Files by their path in the daemon's folder."""


class Points:
    """Counts the points that a life passes, by name, and ends it at one of them."""

    def __init__(self, folder: Path, kill_at: tuple[str, int] | None) -> None:
        self._folder = f"{folder}{os.sep}"
        self._kill_at = kill_at
        self.met: dict[str, int] = {}

    def due(self, name: str) -> bool:
        """Pass a point; say whether this is the one."""
        self.met[name] = self.met.get(name, 0) + 1
        return self._kill_at == (name, self.met[name])

    def pass_by(self, name: str) -> None:
        """Pass a point, or end here."""
        if self.due(name):
            die()

    def kind(self, path: object) -> str | None:
        """Say what a file is; None for one that has nothing to do with what must survive."""
        text = os.path.abspath(os.fsdecode(path)) if isinstance(path, str | bytes | os.PathLike) else ""  # noqa: PTH100
        if not text.startswith(self._folder):
            return None
        inside = text.removeprefix(self._folder)
        return next((kind for pattern, kind in KINDS if re.fullmatch(pattern, inside)), None)

    def install(self) -> None:
        """Watch everything that changes a file of the daemon."""
        sys.addaudithook(self._audit)
        real_write, real_sync, real_data_sync = os.write, os.fsync, os.fdatasync

        def write(descriptor: int, data: Any) -> int:
            kind = self.kind(Path(f"/proc/self/fd/{descriptor}").readlink())
            if kind is not None and self.due(f"half of a write: {kind}"):
                real_write(descriptor, memoryview(data)[: len(data) // 2])
                die()
            return real_write(descriptor, data)

        def sync(real: Callable[[int], None]) -> Callable[[int], None]:
            def watched(descriptor: int) -> None:
                kind = self.kind(Path(f"/proc/self/fd/{descriptor}").readlink())
                if kind is not None:
                    self.pass_by(f"before sync: {kind}")
                real(descriptor)
                if kind is not None:
                    self.pass_by(f"after sync: {kind}")

            return watched

        def whole_file(path: Path, data: bytes) -> int:
            kind = self.kind(path)
            with path.open("wb", buffering=0) as file:
                if kind is not None and self.due(f"half of a write: {kind}"):
                    file.write(data[: len(data) // 2])
                    die()
                return file.write(data)

        os.write, os.fsync, os.fdatasync = write, sync(real_sync), sync(real_data_sync)  # type: ignore[assignment]
        Path.write_bytes = whole_file  # type: ignore[assignment, method-assign]
        finish = Segment.finish

        def finished(segment: Segment, *, sync: bool) -> None:
            self.pass_by("before the end of a file: recording")
            finish(segment, sync=sync)
            self.pass_by("after the end of a file: recording")

        Segment.finish = finished  # type: ignore[method-assign]
        Path.write_text = lambda path, text, **_: whole_file(path, text.encode())  # type: ignore[assignment, method-assign]

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and arguments[2] & (os.O_CREAT | os.O_TRUNC) and (kind := self.kind(arguments[0])):
            self.pass_by(f"before open: {kind}")
        elif event == "os.rename" and (kind := self.kind(arguments[1])):
            self.pass_by(f"before rename: {kind}")
        elif event == "os.remove" and (kind := self.kind(arguments[0])):
            self.pass_by(f"before remove: {kind}")


def die() -> NoReturn:
    """End as `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError
