"""One MCAP file while it is written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mcap.writer import CompressionType, Writer

from twind import __version__
from twind.model.messages import NO_SEQUENCE
from twind.record.schemas import schema_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from twind.model.messages import RawMessage

_COMPRESSION = {"zstd": CompressionType.ZSTD, "lz4": CompressionType.LZ4, "none": CompressionType.NONE}
_MESSAGE_BYTES = 31
"""What the format adds to each payload."""
_MAX_STAMP = 2**64 - 1
_NEVER = 2**62
MAX_CHANNELS = 10_000
"""Topics in one segment; the format itself ends at 65,535."""


class _File:
    """What the library writes to: unbuffered, so that a failed write fails where it happens."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o640)
        self.offset = 0
        """Bytes written."""

    def write(self, data: bytes) -> int:
        view = memoryview(data)
        while view:
            written = os.write(self._descriptor, view)
            self.offset += written
            view = view[written:]
        return len(data)

    def tell(self) -> int:
        return self.offset

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def sync(self) -> None:
        os.fdatasync(self._descriptor)

    def cut(self, offset: int) -> None:
        os.ftruncate(self._descriptor, offset)

    def close(self) -> None:
        os.close(self._descriptor)


Numbering = tuple[str, int] | None
"""What numbers messages at their source, and the part of the numbers that one channel cannot hold; None where nothing does."""


def numbering_of(message: RawMessage) -> Numbering:
    """Return what a message's channel is numbered by: a stream, or packet identifiers; None: we count ourselves."""
    return None if message.number == NO_SEQUENCE else (message.stream, message.number >> 32)


class Segment:
    """One file. Chunks are written by `flush` alone, so it is always known which messages stand in the file.

    A method that raises OSError leaves the file as it was after the last successful `flush`: then call `abandon`.
    """

    def __init__(self, path: Path, *, about: Mapping[str, str], compression: str, message_encoding: str) -> None:
        self.path = path
        self.first_ns: int | None = None
        """Receive stamp of the first message [ns]."""
        self.waiting = 0
        """Messages added since the last flush."""
        self.waiting_bytes = 0
        """Bytes of them, before compression."""
        self.standing = 0
        """Messages that stand in the file."""
        self._message_encoding = message_encoding
        self._channels: dict[tuple[str, str, Numbering], int] = {}
        self._counts: list[int] = [0]
        self._schemas: dict[str, int] = {}
        self._instance = about.get("instance", "")
        self._file = _File(path)
        self._good = 0
        self._sure = (0, 0)
        """Bytes that were forced to the disk, and how many messages stand in them."""
        self._writer = Writer(self._file, chunk_size=_NEVER, compression=_COMPRESSION[compression])  # type: ignore[arg-type]
        try:
            self._writer.start(profile="", library=f"twind {__version__}")
            self._writer.add_metadata("twind", dict(about))
        except OSError:
            self.abandon()
            raise
        self._good = self._file.offset

    def __repr__(self) -> str:
        return f"<Segment {self.path.name} {self.standing} messages, {self.waiting} waiting>"

    @property
    def n_bytes(self) -> int:
        """What the file would measure if it were flushed now without compression."""
        return self._file.offset + self.waiting_bytes

    def channel(self, source: str, topic: str, numbering: Numbering) -> int | None:
        """Return the channel of a topic, None when it has none yet."""
        return self._channels.get((source, topic, numbering))

    def add_channel(self, source: str, topic: str, codec: str, numbering: Numbering) -> int | None:
        """Give a topic its channel; None when there are too many."""
        if len(self._channels) >= MAX_CHANNELS:
            return None
        if codec not in self._schemas:
            encoding, data = schema_of(codec)
            self._schemas[codec] = self._writer.register_schema(codec, encoding, data)
        encoding = "json" if self._message_encoding == "json" and schema_of(codec)[0] else codec
        about = {"source": _plain(source), "instance": self._instance}
        if numbering is not None:
            about |= {"stream": _plain(numbering[0]), "numbers_above": str(numbering[1] << 32)}
        number = self._writer.register_channel(_plain(topic), encoding, self._schemas[codec], about)
        self._channels[source, topic, numbering] = number
        self._counts.append(0)
        return number

    def add(self, channel: int, message: RawMessage) -> None:
        """Add one message to the chunk at hand; nothing is written."""
        stamp = min(max(message.receive_ns, 0), _MAX_STAMP)
        if self.first_ns is None:
            self.first_ns = stamp
        if message.number == NO_SEQUENCE:
            self._counts[channel] = sequence = (self._counts[channel] + 1) & 0xFFFFFFFF
        else:
            sequence = message.number & 0xFFFFFFFF
        self._writer.add_message(channel, stamp, message.payload, stamp, sequence)
        self.waiting += 1
        self.waiting_bytes += len(message.payload) + _MESSAGE_BYTES

    def flush(self, *, sync: bool) -> None:
        """Write the chunk at hand; with `sync` also force it to the disk.

        Raises:
            OSError: It could not be written.
        """
        if self.waiting:
            self._writer.flush()  # type: ignore[no-untyped-call]
        if sync:
            self._file.sync()
        self._good = self._file.offset
        self.standing += self.waiting
        self.waiting = self.waiting_bytes = 0
        if sync:
            self._sure = (self._good, self.standing)

    def finish(self, *, sync: bool) -> None:
        """Write what waits and the index, and close.

        Raises:
            OSError: It could not be written.
        """
        self.flush(sync=False)
        self._writer.finish()  # type: ignore[no-untyped-call]
        if sync:
            self._file.sync()
        self._file.close()

    def abandon(self, *, sync: bool = False) -> None:
        """Close after a fault; what stood in the file stays readable, a file without messages is deleted.

        Raises:
            OSError: With `sync`: what was not on the disk before cannot be forced there, so it was cut off.
        """
        try:
            self._file.cut(self._good)
            if sync:
                self._file.sync()
        except OSError:
            size, self.standing = self._sure
            self._file.cut(size)
            raise
        finally:
            self._file.close()
            if not self.standing:
                self.path.unlink(missing_ok=True)


def _plain(text: str) -> str:
    """Escape lone surrogates, which UTF-8 cannot hold."""
    return text.encode(errors="backslashreplace").decode()
