"""What commands that read recordings share: which files, and which part of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from twind.model.errors import PermanentError

recordings = click.argument("paths", metavar="REC...", nargs=-1, required=True, type=click.Path(path_type=Path))
"""MCAP files, and folders of them."""


@dataclass(frozen=True, slots=True)
class Window:
    """Recordings, and the part of them that is meant."""

    paths: tuple[Path, ...]
    from_ns: int
    to_ns: int
    span_ns: tuple[int, int]
    """First and last receive stamp of the files, as far as their indexes say; the wrong way round where they are empty [ns]."""

    @classmethod
    def of(cls, paths: tuple[Path, ...], *, start: str | None, end: str | None) -> Window:
        """Look at the files; folders stand for the `.mcap` files in them.

        Raises:
            PermanentError: A file cannot be read, there is none, or none was received within the part.
            UsageError: A time is none.
        """
        from twind.sources.recording import Recording, recorded_files

        files = recorded_files(paths)
        first_ns, last_ns = 2**63 - 1, 0
        for path in files:
            with Recording(path) as recording:
                for block in recording.blocks:
                    first_ns, last_ns = min(first_ns, block.start_ns), max(last_ns, block.end_ns)
        from_ns = _stamp_ns("--from", start, first_ns, 0)
        to_ns = _stamp_ns("--to", end, first_ns, 2**63 - 1)
        window = cls(tuple(files), from_ns, to_ns, (first_ns, last_ns))
        if first_ns <= last_ns and window.first_ns > window.last_ns:
            raise window.empty()
        return window

    @property
    def first_ns(self) -> int:
        """First receive stamp within the part, as far as the files' indexes say [ns]."""
        return max(self.from_ns, self.span_ns[0])

    @property
    def last_ns(self) -> int:
        """Last receive stamp within it [ns]."""
        return min(self.to_ns, self.span_ns[1])

    @property
    def is_part(self) -> bool:
        """Whether less than everything is meant."""
        return self.from_ns > self.span_ns[0] or self.to_ns < self.span_ns[1]

    def empty(self) -> PermanentError:
        """Say that nothing was received in this part, and when something was."""
        first_ns, last_ns = self.span_ns
        return PermanentError(
            f"nothing was received from {_shown(self.from_ns)} to {_shown(self.to_ns)}: the recording spans "
            f"{_shown(first_ns)} to {_shown(last_ns)} ({(last_ns - first_ns) / 1e9:.3f} s)"
        )


def _shown(stamp_ns: int) -> str:
    """Write a stamp as `--from` reads it."""
    from datetime import UTC, datetime

    seconds, nanoseconds = divmod(min(max(stamp_ns, 0), 2**63 - 1), 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def _stamp_ns(option: str, text: str | None, first_ns: int, default_ns: int) -> int:
    """Read a time: whole nanoseconds since the epoch, ISO 8601 (UTC unless it says otherwise), or `+S` after the start."""
    from datetime import UTC, datetime, timedelta

    if text is None:
        return default_ns
    try:
        if text.startswith("+"):
            return first_ns + round(float(text) * 1e9)
        if text.isdecimal():
            return int(text)
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000
    except (ValueError, OverflowError) as error:
        raise click.UsageError(f"{option}: {text!r} is no time: write ISO 8601, whole nanoseconds, or +SECONDS") from error
