"""The number of a start: every write carries it, and what carries an older one is refused."""

from __future__ import annotations

import fcntl
import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from twind.flow.replacing import replacing
from twind.model.errors import PermanentError

if TYPE_CHECKING:
    from pathlib import Path

_FILE = "generation"


def next_generation(state_dir: Path, *, newest_elsewhere: int = 0) -> int:
    """Count one start of this shard in its state folder and return the new generation, from 1.

    Args:
        state_dir: Folder that survives restarts. Several daemons that start at once there get different generations.
        newest_elsewhere: The generation that stands where this shard writes; a start is newer than all that was ever written
            there, also by a predecessor whose state folder is lost.

    Raises:
        PermanentError: The folder cannot be written.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with suppress(OSError):  # a file system without locks belongs to one daemon anyhow
                fcntl.flock(folder, fcntl.LOCK_EX)
            generation = max(_read(state_dir / _FILE), newest_elsewhere) + 1
            with replacing(state_dir / _FILE, locked=True, durable=True) as temporary:
                temporary.write_text(f"{generation}\n", encoding="ascii")
        finally:
            os.close(folder)
    except OSError as error:
        raise PermanentError(f"cannot count this start in {state_dir}: {error.strerror}; check `state_dir`") from error
    return generation


def newest_generation(state_dir: Path) -> int:
    """Return the generation that was started last in a state folder; 0 where none can be read."""
    try:
        return _read(state_dir / _FILE)
    except OSError:
        return 0


def _read(path: Path) -> int:
    try:
        text = path.read_text(encoding="ascii")
    except (FileNotFoundError, UnicodeDecodeError):
        return 0
    return int(text) if re.fullmatch(r"\d{1,15}\s*", text) else 0
