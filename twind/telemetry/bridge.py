"""Routes what libraries log through the standard library into the daemon's own log."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

from twind.telemetry.lines import Line

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable


class LibraryLogs(logging.Handler):
    """A handler on the root logger, in place of whatever handlers stood there."""

    def __init__(self, write: Callable[[Hashable, Line], None]) -> None:
        super().__init__()
        self._write = write
        self._replaced: tuple[list[logging.Handler], int] | None = None

    def install(self, level: int) -> None:
        """Take over the root logger from `level` on; what `logging` calls info is a library's chatter and seldom worth it."""
        root = logging.getLogger()
        self._replaced = (root.handlers[:], root.level)
        root.handlers[:] = [self]
        root.setLevel(level)

    def uninstall(self) -> None:
        """Give the root logger back as it was."""
        if self._replaced is not None:
            root = logging.getLogger()
            root.handlers[:], level = self._replaced
            root.setLevel(level)
            self._replaced = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; the message template, not the message, is what repeats are recognised by."""
        try:
            fields: dict[str, object] = {"logger": record.name, "message": record.getMessage()}
            if record.exc_info and record.exc_info[1] is not None:
                fields["error"] = "".join(traceback.format_exception(record.exc_info[1]))
            line = Line(_level(record.levelno), "library_log", fields, int(record.created * 1e9))
            self._write((record.name, record.levelno, str(record.msg)[:200]), line)
        except Exception:  # noqa: BLE001  (a library's broken log call must not break the library)
            self.handleError(record)


def _level(number: int) -> str:
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warning"
    return "info" if number >= logging.INFO else "debug"
