"""Keeps events that wait to be sent in a file, so that they outlive the process that made them."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from typing import TYPE_CHECKING

from twind.flow.outbox import Outgoing
from twind.model.errors import RetryableError
from twind.model.notices import Notice, NoticeKind

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_VERSION = 1
_BUSY_S = 2.0
"""How long to wait for another process that has the file, a daemon that is just being replaced [s]."""
_PREPARE = f"""
PRAGMA auto_vacuum = FULL;
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS waiting (
    sequence TEXT PRIMARY KEY, kind TEXT NOT NULL, subject TEXT NOT NULL, time_ns INTEGER NOT NULL, payload BLOB NOT NULL
) WITHOUT ROWID;
PRAGMA user_version = {_VERSION};
"""
"""Exclusive: one daemon at a time, and no memory shared through the file system, which network drives do not have."""


class OutboxFile:
    """An SQLite database with the events of one sink, ordered by their `sequence`. Blocks: to be used off the event loop."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.set_aside = ""
        """What became of a file that could not be used: its new name and why; empty where all was well."""
        self._database: sqlite3.Connection | None = None

    def __repr__(self) -> str:
        """Show whether it is open."""
        return f"<OutboxFile {self.path} {'closed' if self._database is None else 'open'}>"

    def open(self) -> list[Outgoing]:
        """Open the file, make it where there is none, and return the events that are in it, oldest first.

        A file that is damaged, or of a newer version, is renamed and another one begun.

        Raises:
            RetryableError: It cannot be opened now: no right, no room, or another process has it.
        """
        self.close()
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                return self._open()
            except sqlite3.OperationalError:
                raise
            except (sqlite3.DatabaseError, ValueError) as error:
                self._set_aside(error)
                return self._open()
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise RetryableError(f"cannot use {self.path}: {error}") from error

    def _open(self) -> list[Outgoing]:
        # One thread at a time uses it, though not always the same.
        database = self._database = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if version > _VERSION:
            raise ValueError(f"a newer twind wrote it (format {version})")
        database.executescript(_PREPARE)
        rows = database.execute("SELECT sequence, kind, subject, time_ns, payload FROM waiting ORDER BY sequence").fetchall()
        return [
            Outgoing(Notice(NoticeKind(kind), subject, time_ns, {}), payload, sequence)
            for sequence, kind, subject, time_ns, payload in rows
        ]

    def _set_aside(self, error: Exception) -> None:
        self.close()
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.unusable-{number}")).exists():
            number += 1
        self.path.rename(aside)
        for ending in ("-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        self.set_aside = f"{aside.name}: {error}"

    def change(self, added: Iterable[Outgoing], gone: Iterable[str]) -> None:
        """Write events and take others out, all or nothing; afterwards it survives a power cut.

        Raises:
            RetryableError: It cannot be written; nothing is changed.
        """
        database = self._database
        if database is None:
            raise RetryableError(f"{self.path} is not open")
        rows = [(one.sequence, one.notice.kind, one.notice.subject, one.notice.time_ns, one.payload) for one in added]
        try:
            database.execute("BEGIN IMMEDIATE")
            database.executemany("INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?, ?)", rows)
            database.executemany("DELETE FROM waiting WHERE sequence = ?", [(sequence,) for sequence in gone])
            database.execute("COMMIT")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                database.execute("ROLLBACK")
            raise RetryableError(f"cannot write {self.path}: {error}") from error

    def close(self) -> None:
        """Close it; what was changed stays."""
        database, self._database = self._database, None
        if database is not None:
            with suppress(sqlite3.Error):
                database.close()
