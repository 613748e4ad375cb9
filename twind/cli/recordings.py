"""What commands that read recordings share: which files, and which part of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

recordings = click.argument("paths", metavar="REC...", nargs=-1, required=True, type=click.Path(path_type=Path))
"""MCAP files, and folders of them."""


@dataclass(frozen=True, slots=True)
class Window:
    """Recordings, and the part of them that is meant."""

    paths: tuple[Path, ...]
    from_ns: int
    to_ns: int
    first_ns: int
    """First receive stamp within the part, as far as the files' indexes say [ns]."""
    last_ns: int

    @classmethod
    def of(cls, paths: tuple[Path, ...], *, start: str | None, end: str | None) -> Window:
        """Look at the files; folders stand for the `.mcap` files in them.

        Raises:
            PermanentError: A file cannot be read, or there is none.
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
        return cls(tuple(files), from_ns, to_ns, max(first_ns, from_ns), min(last_ns, to_ns))


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
