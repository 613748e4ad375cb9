"""The folder of a recording: which file is written, when the next begins, and which are deleted to keep the quota."""

from __future__ import annotations

import os
import re
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from twind.model.time import NS_PER_S, s_to_ns
from twind.record.segment import Segment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from twind.model.messages import RawMessage
    from twind.record.settings import McapSettings


class Segments:
    """Numbered segments in one folder. Used by one thread at a time; blocks while it writes.

    Args:
        settings: Folder, sizes, quota.
        stem: What the names of the files begin with.
        about: Kept in every segment as its metadata `twind`.
        codec_of: Codec of a topic of a source.
        on_deleted: Called with each file that was deleted to keep the quota, and its size [bytes].
    """

    def __init__(
        self,
        settings: McapSettings,
        *,
        stem: str,
        about: Mapping[str, str],
        codec_of: Callable[[str, str], str],
        on_deleted: Callable[[Path, int], None],
    ) -> None:
        self._settings = settings
        self._stem = re.sub(r"[^A-Za-z0-9._-]", "_", stem)
        self._name = re.compile(re.escape(self._stem) + r"-(\d{8,})-\w+\.mcap")
        self._about = dict(about)
        self._codec_of = codec_of
        self._on_deleted = on_deleted
        self._segment: Segment | None = None
        self._span_ns = s_to_ns(settings.max_segment_s)
        self.lost: Counter[str] = Counter()
        """Messages lost since somebody last looked, by reason: `write_failed` | `too_many_topics`."""

    def __repr__(self) -> str:
        return f"<Segments {self._stem} in {self._settings.path}: {self._segment or 'none open'}>"

    @property
    def waiting(self) -> int:
        """Messages that were appended and do not stand in a file yet."""
        return 0 if self._segment is None else self._segment.waiting

    def append(self, source: str, messages: Sequence[RawMessage]) -> None:
        """Append one batch.

        Raises:
            OSError: A file could not be written. What is lost by that is in `lost`; the next call begins a new segment.
        """
        taken = 0
        try:
            for message in messages:
                segment = self._segment_for(message)
                channel = segment.channel(source, message.topic)
                if channel is None:
                    channel = segment.add_channel(source, message.topic, self._codec_of(source, message.topic))
                if channel is None:
                    self.lost["too_many_topics"] += 1
                else:
                    segment.add(channel, message)
                taken += 1
                if segment.waiting_bytes >= self._settings.chunk_bytes:
                    segment.flush(sync=False)
        except OSError:
            self.lost["write_failed"] += len(messages) - taken
            self._abandon()
            raise

    def commit(self) -> None:
        """Write the chunk at hand and, where the settings say so, force it to the disk.

        Raises:
            OSError: It could not be written; what is lost by that is in `lost`.
        """
        if self._segment is None:
            return
        try:
            self._segment.flush(sync=self._settings.sync)
        except OSError:
            self._abandon()
            raise

    def close(self) -> None:
        """Finish the open segment.

        Raises:
            OSError: It could not be written; what is lost by that is in `lost`.
        """
        segment = self._segment
        if segment is None:
            return
        try:
            segment.finish(sync=self._settings.sync)
        except OSError:
            self._abandon()
            raise
        self._segment = None

    def _abandon(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            self.lost["write_failed"] += segment.waiting
            with suppress(OSError):  # the fault that led here is the one to report
                segment.abandon()

    def _segment_for(self, message: RawMessage) -> Segment:
        segment = self._segment
        if segment is not None and segment.first_ns is not None:
            full = segment.n_bytes + len(message.payload) >= self._settings.max_segment_bytes
            # Either way: the wall clock may be set back.
            if full or abs(message.receive_ns - segment.first_ns) >= self._span_ns:
                self.close()
                segment = None
        if segment is None:
            segment = self._segment = self._begin(message.receive_ns)
        return segment

    def _begin(self, first_ns: int) -> Segment:
        folder = self._settings.path
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        number = self._make_room() + 1
        path = folder / f"{self._stem}-{number:08d}-{_time(first_ns)}.mcap"
        segment = Segment(
            path,
            about={**self._about, "segment": str(number)},
            compression=self._settings.compression,
            message_encoding=self._settings.message_encoding,
        )
        if self._settings.sync:
            _sync_folder(folder)  # a file whose name is lost is lost
        return segment

    def _make_room(self) -> int:
        """Delete the oldest segments until one more fits into the quota; return the number of the newest that there was."""
        found: list[tuple[int, Path, int]] = []
        with os.scandir(self._settings.path) as entries:
            for entry in entries:
                match = self._name.fullmatch(entry.name)
                if match and entry.is_file(follow_symlinks=False):
                    found.append((int(match[1]), self._settings.path / entry.name, entry.stat().st_size))
        found.sort()
        room = self._settings.max_total_bytes - self._settings.max_segment_bytes
        total = sum(size for _, _, size in found)
        newest = found[-1][0] if found else 0
        while found and total > room:
            _, path, size = found.pop(0)
            path.unlink(missing_ok=True)
            total -= size
            self._on_deleted(path, size)
        return newest


def _time(stamp_ns: int) -> str:
    """Return a stamp as it stands in file names, to the second."""
    try:
        return datetime.fromtimestamp(stamp_ns // NS_PER_S, UTC).strftime("%Y%m%dT%H%M%SZ")
    except (OverflowError, ValueError, OSError):  # no calendar date
        return str(abs(stamp_ns))


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
