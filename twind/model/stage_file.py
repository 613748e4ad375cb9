"""One file of the tree that the stage is laid out as for others: on disk, or held in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from twind.model.digest import digest

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class StageFile:
    """One file of the tree."""

    path: Path | None
    """Where it is, symbolic links followed; None when it is held in memory."""
    data: bytes = b""
    """What it holds, when in memory."""
    digest: str = ""
    """Names that content; that of a file is what the file system says of it."""

    @classmethod
    def holding(cls, data: bytes) -> StageFile:
        """Return a file that is held in memory."""
        return cls(None, data, digest(data))
