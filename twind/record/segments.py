"""The folder of a recording: which file is written, when the next begins, and which are deleted to keep the quota."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from twind.flow.sinks import Mark
from twind.model.time import NS_PER_S, s_to_ns
from twind.record.segment import Segment, numbering_of

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
        self._number = 0
        self._open: list[RawMessage] = []
        """Appended since the last flush."""
        self._unsynced: list[RawMessage] = []
        """Flushed since the last commit."""
        self.too_many_topics = 0
        """Messages left out for that since somebody last looked."""
        self.unwritten: list[RawMessage] = []
        """Messages that were appended, and turned out not to be in the file, since somebody last looked; in order."""

    def __repr__(self) -> str:
        return f"<Segments {self._stem} in {self._settings.path}: {self._segment or 'none open'}>"

    @property
    def waiting(self) -> int:
        """Messages that were appended and do not stand in a file yet."""
        return 0 if self._segment is None else self._segment.waiting

    @property
    def place(self) -> Mark:
        """The place after everything that was appended so far.

        Raises:
            OSError: The folder cannot be read.
        """
        if self._segment is None:
            return Mark(self._last_number() + 1, 0)
        return Mark(self._number, self._segment.standing + self._segment.waiting)

    def files_since(self, mark: Mark) -> list[tuple[Path, int]]:
        """Return the segments that hold what comes after a mark, and how many messages of each come before it.

        Raises:
            OSError: The folder cannot be read.
        """
        return [
            (path, mark.messages if number == mark.segment else 0)
            for number, path, _ in self._found()
            if number >= mark.segment
        ]

    def append(self, source: str, messages: Sequence[RawMessage]) -> None:
        """Append one batch.

        Raises:
            OSError: A file could not be written. What is not there because of that is in `unwritten`; the next call begins
                another.
        """
        taken = 0
        try:
            for message in messages:
                segment = self._segment_for(message)
                numbering = numbering_of(message)
                channel = segment.channel(source, message.topic, numbering)
                if channel is None:
                    codec = self._codec_of(source, message.topic)
                    channel = segment.add_channel(source, message.topic, codec, numbering)
                taken += 1
                if channel is None:
                    self.too_many_topics += 1
                else:
                    self._open.append(message)
                    segment.add(channel, message)
                    if segment.waiting_bytes >= self._settings.chunk_bytes:
                        segment.flush(sync=False)
                        self._flushed(sync=False)
        except OSError:
            self._abandon()
            self.unwritten += messages[taken:]
            raise

    def commit(self) -> None:
        """Write the chunk at hand and, where the settings say so, force it to the disk.

        Raises:
            OSError: It could not be written; what is not there because of that is in `unwritten`.
        """
        if self._segment is None:
            return
        try:
            self._segment.flush(sync=self._settings.sync)
            self._flushed(sync=True)
        except OSError:
            self._abandon()
            raise

    def close(self) -> None:
        """Finish the open segment.

        Raises:
            OSError: It could not be written; what is not there because of that is in `unwritten`.
        """
        segment = self._segment
        if segment is None:
            return
        try:
            segment.flush(sync=False)
            self._flushed(sync=False)
            segment.finish(sync=self._settings.sync)
        except OSError:
            self._abandon()
            raise
        self._unsynced.clear()
        self._segment = None

    def _flushed(self, *, sync: bool) -> None:
        if sync:
            self._unsynced.clear()
        elif self._settings.sync:
            self._unsynced += self._open
        self._open.clear()

    def _abandon(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            try:
                segment.abandon(sync=self._settings.sync)
            except OSError:  # the fault that led here is the one to report; after a failed sync nothing is known of what stands
                self.unwritten += self._unsynced
        self.unwritten += self._open
        self._open.clear()
        self._unsynced.clear()

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
        number = self._number = self._last_number() + 1
        self._make_room()
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

    def _make_room(self) -> None:
        """Delete the oldest segments until one more fits into the quota."""
        found = self._found()
        room = self._settings.max_total_bytes - self._settings.max_segment_bytes
        total = sum(size for _, _, size in found)
        while found and total > room:
            _, path, size = found.pop(0)
            path.unlink(missing_ok=True)
            total -= size
            self._on_deleted(path, size)

    def _found(self) -> list[tuple[int, Path, int]]:
        """Return number, path and size [bytes] of every segment in the folder, oldest first."""
        found: list[tuple[int, Path, int]] = []
        with os.scandir(self._settings.path) as entries:
            for entry in entries:
                match = self._name.fullmatch(entry.name)
                if match and entry.is_file(follow_symlinks=False):
                    found.append((int(match[1]), self._settings.path / entry.name, entry.stat().st_size))
        found.sort()
        return found

    def _last_number(self) -> int:
        """Return the number of the newest segment that there is or was."""
        with suppress(FileNotFoundError):
            self._number = max(self._number, max((number for number, _, _ in self._found()), default=0))
        return self._number


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
