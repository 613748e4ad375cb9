"""The error tree. Classes say what the caller should do, not where the error came from.

TwindError
├── ConfigurationError    fix the configuration (exit code 78); carries every problem found
├── MissingExtraError     install an optional extra; the message holds the exact command
├── RetryableError        try again, after `retry_after_s` when it is known
├── PermanentError        give up: trying again will not help
│   ├── StageError        the USD stage cannot be opened, discovered or written
│   │   └── FencedError   somebody newer writes in the same place; stop
│   └── SnapshotError     one snapshot of the state cannot be used, for a bounded `reason`; an older one may be
├── RefusedChange         a change that somebody asked for cannot be made; tell them why
└── RefusedInput          one input was refused for a bounded `reason`; everything else goes on
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twind.model.refusals import Refusal


class TwindError(Exception):
    """Root of every error that twind raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a configuration: where it stands and what would cure it."""

    file: str
    line: int
    column: int
    path: str
    """Dotted path of the setting, such as `sources.floor.routes.0.codec`; empty for the whole file."""
    message: str

    def __str__(self) -> str:
        """Format as `FILE:LINE:COLUMN: dotted.path: what is wrong`."""
        where = f"{self.file}:{self.line}:{self.column}: "
        return f"{where}{self.path}: {self.message}" if self.path else f"{where}{self.message}"


class ConfigurationError(TwindError):
    """The configuration cannot be used; `problems` lists everything that is wrong with it."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class MissingExtraError(TwindError):
    """An adapter is known but what it needs is not installed; the message says which extra cures it."""


class RetryableError(TwindError):
    """A fault that may pass by itself."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PermanentError(TwindError):
    """A fault that will not pass by itself."""


class StageError(PermanentError):
    """The USD stage cannot be opened, discovered or written."""


class FencedError(StageError):
    """A daemon of a newer generation has taken over what this one was about to write."""


class SnapshotFault(enum.StrEnum):
    """Why a snapshot of the state cannot be used."""

    UNREADABLE = "unreadable"
    """It was cut off, or changed on the disk."""
    NEWER = "newer"
    """A newer twind wrote it."""
    LAYOUT = "layout"
    """This twind keeps its state in another way than the one that wrote it."""


class SnapshotError(PermanentError):
    """One snapshot of the state cannot be used."""

    def __init__(self, fault: SnapshotFault, message: str) -> None:
        self.fault = fault
        super().__init__(message)


class RefusedChange(TwindError):  # noqa: N818  (not a fault of twind)
    """A change that somebody asked for cannot be made; the message is for them."""

    def __init__(self, message: str, *, conflict: bool = False) -> None:
        super().__init__(message)
        self.conflict = conflict
        """Whether it could have been made, had nobody else changed the thing meanwhile."""


class RefusedInput(TwindError):  # noqa: N818  (a refusal is an expected outcome, named as users read it in metrics)
    """One input cannot be used. `reason` is bounded and becomes a metric label; the message says what was seen."""

    def __init__(self, reason: Refusal, message: str) -> None:
        super().__init__(message)
        self.reason = reason
