"""Reads MCAP recordings: those of twind, those of other tools, and what a power cut left of them."""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_left
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Self

import lz4.frame
import zstandard
from mcap.opcode import Opcode

from twind.model.errors import PermanentError
from twind.model.messages import RawMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import BinaryIO

_MAGIC = b"\x89MCAP0\r\n"
_RECORD = struct.Struct("<BQ")  # opcode, length
_MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time
_CHUNK = struct.Struct("<QQQII")  # first and last log time, size, CRC, length of the compression's name
_CHANNEL = struct.Struct("<HH")  # its number, that of its schema
_NUMBER, _LENGTH = struct.Struct("<H"), struct.Struct("<I")
_RUN_BYTES = 2**20
_MAX_CHUNK_BYTES = 2**30
_MAX_STAMP = 2**63 - 1
_received = attrgetter("receive_ns")
_Found = tuple[int, int, int, bytes]
"""Channel, sequence, log time and payload of one message."""


@dataclass(frozen=True, slots=True, eq=False)
class RecordedChannel:
    """What a recording says of one topic. Two are equal when they are the same object: looked up for every message."""

    topic: str
    codec: str
    """The schema's name; the encoding of the messages where there is no schema."""
    source: str
    """Name of the source that received it; empty where the recording does not say."""
    stream: str = ""
    """What its messages' numbers are numbers of; see `RawMessage`."""
    numbers_above: int = -1
    """What their sequence is added to for that; below 0 when they have none."""


@dataclass(frozen=True, slots=True)
class Block:
    """A chunk, or a run of messages outside of chunks."""

    offset: int
    """Where its records begin in the file."""
    length: int
    """How many bytes of them are there."""
    start_ns: int
    """First log time [ns]."""
    end_ns: int
    """Last log time [ns]."""
    compression: str = ""
    size: int = 0
    """Bytes when decompressed; 0 when unknown."""
    crc: int = 0
    """CRC-32 of the decompressed bytes; 0 when unknown."""
    cut: bool = False
    """Whether the file ends within it."""


class Recording:
    """One file, open for reading. Opening it finds its blocks; nothing is decompressed before it is asked for.

    Raises:
        PermanentError: It cannot be read, or is no MCAP file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.blocks: list[Block] = []
        """In the order of the file."""
        self.metadata: dict[str, dict[str, str]] = {}
        self.complete = False
        """Whether the file was finished in good order."""
        self.damaged = 0
        """Blocks and messages found so far that could not be used."""
        self._schemas: dict[int, str] = {}
        self._channels: dict[int, RecordedChannel] = {}
        try:
            self._file: BinaryIO = path.open("rb")
            try:
                self._scan()
            except BaseException:
                self._file.close()
                raise
        except OSError as error:
            raise PermanentError(f"cannot read {path}: {error.strerror or error}") from error

    def __repr__(self) -> str:
        return f"<Recording {self.path.name} {len(self.blocks)} blocks, {'complete' if self.complete else 'cut'}>"

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        """Close the file."""
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def messages(self, block: Block, key: Callable[[RecordedChannel], str] = attrgetter("topic")) -> list[RawMessage]:
        """Return the messages of one block, in the order of the file; of a cut or damaged one, those that can be read.

        Args:
            block: One of `blocks`.
            key: Says what stands for a channel as the messages' topic.
        """
        found: list[_Found] = []
        self._read_records(self._content(block), found)
        channels = {number: self._channel(number, key) for number in {entry[0] for entry in found}}
        messages: list[RawMessage] = []
        for number, sequence, stamp, payload in found:
            channel = channels[number]
            if channel is None or stamp > _MAX_STAMP:
                self.damaged += 1
                continue
            topic, stream, above = channel
            if above < 0:
                messages.append(RawMessage(topic, payload, stamp))
            else:
                messages.append(RawMessage(topic, payload, stamp, stream=stream, number=above + sequence))
        return messages

    def _channel(self, number: int, key: Callable[[RecordedChannel], str]) -> tuple[str, str, int] | None:
        """Return topic, stream and where numbers begin."""
        channel = self._channels.get(number) or self._find_channel(number)
        return None if channel is None else (key(channel), channel.stream, channel.numbers_above)

    # Finding blocks.

    def _scan(self) -> None:
        file = self._file
        end = file.seek(0, 2)
        file.seek(0)
        magic = file.read(len(_MAGIC))
        if magic != _MAGIC[: len(magic)] or (not magic and end):
            raise PermanentError(f"{self.path} is not an MCAP file")
        offset = len(_MAGIC)
        run: Block | None = None
        while end - offset >= _RECORD.size:
            file.seek(offset)
            opcode, length = _RECORD.unpack(file.read(_RECORD.size))
            start = offset + _RECORD.size
            offset = start + length
            if opcode == Opcode.MESSAGE and length >= _MESSAGE.size and offset <= end:
                run = self._extend(run, start, offset, _MESSAGE.unpack(file.read(_MESSAGE.size))[2])
                continue
            run = None
            if opcode == Opcode.CHUNK:
                self._note_chunk(start, min(length, end - start), cut=offset > end)
            elif offset > end or not opcode:  # power cuts can leave zeros
                return
            elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL, Opcode.METADATA):
                self._note(opcode, file.read(length))
            elif opcode == Opcode.DATA_END:
                self.complete = True
                return

    def _extend(self, run: Block | None, start: int, end: int, stamp_ns: int) -> Block:
        """Add a message outside of chunks to the run before it, or begin a new one."""
        first = start - _RECORD.size
        if run is None or first - run.offset > _RUN_BYTES:
            run = Block(first, end - first, stamp_ns, stamp_ns)
        else:
            self.blocks.pop()
            run = Block(run.offset, end - run.offset, min(run.start_ns, stamp_ns), max(run.end_ns, stamp_ns))
        self.blocks.append(run)
        return run

    def _note_chunk(self, start: int, length: int, *, cut: bool) -> None:
        head = self._file.read(min(length, _CHUNK.size + 64))
        if len(head) < _CHUNK.size:
            return
        first_ns, last_ns, size, crc, n_name = _CHUNK.unpack_from(head)
        after = _CHUNK.size + n_name + 8
        if n_name > 32 or length < after:  # noqa: PLR2004  (no compression has a longer name)
            self.damaged += not cut
            return
        name = head[_CHUNK.size : _CHUNK.size + n_name].decode(errors="replace")
        self.blocks.append(Block(start + after, length - after, first_ns, last_ns, name, size, crc, cut))

    # Reading blocks.

    def _content(self, block: Block) -> bytes:
        """Return the records of a block, decompressed as far as they are sound."""
        self._file.seek(block.offset)
        data = self._file.read(block.length)
        if block.size > _MAX_CHUNK_BYTES:
            self.damaged += 1
            return b""
        try:
            content = _decompressed(data, block)
        except (zstandard.ZstdError, RuntimeError, ValueError):
            self.damaged += 1
            return b""
        if not block.cut and block.crc and zlib.crc32(content) != block.crc:
            self.damaged += 1
            return b""
        return content

    def _read_records(self, content: bytes, found: list[_Found]) -> None:
        """Append (channel, sequence, log time, payload) of every whole message; note the channels and schemas between them."""
        offset, end = 0, len(content)
        record, message, head = _RECORD.unpack_from, _MESSAGE.unpack_from, _MESSAGE.size
        while offset + 9 <= end:
            opcode, length = record(content, offset)
            start = offset + 9
            offset = start + length
            if offset > end:
                return
            if opcode == 5 and length >= head:  # noqa: PLR2004  (Opcode.MESSAGE, which costs more to compare with)
                channel, sequence, stamp, _ = message(content, start)
                found.append((channel, sequence, stamp, content[start + head : offset]))
            elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
                self._note(opcode, content[start:offset])

    def _note(self, opcode: int, content: bytes) -> None:
        try:
            if opcode == Opcode.SCHEMA:
                self._schemas[_NUMBER.unpack_from(content)[0]] = _text(content, _NUMBER.size)[0]
            elif opcode == Opcode.CHANNEL:
                number, schema = _CHANNEL.unpack_from(content)
                topic, offset = _text(content, _CHANNEL.size)
                encoding, offset = _text(content, offset)
                about = _texts(content, offset)
                self._channels[number] = RecordedChannel(
                    topic,
                    self._schemas.get(schema) or encoding,
                    about.get("source", ""),
                    about.get("stream", ""),
                    int(about["numbers_above"]) if about.get("numbers_above", "").isdecimal() else -1,
                )
            else:
                name, offset = _text(content, 0)
                self.metadata[name] = _texts(content, offset)
        except (struct.error, ValueError):  # damaged bytes; the rest of the file goes on
            self.damaged += 1

    def _find_channel(self, number: int) -> RecordedChannel | None:
        """Look for a channel in all blocks: those before it in the file need not have been read yet."""
        for block in self.blocks:
            self._read_records(self._content(block), [])
            if number in self._channels:
                return self._channels[number]
        return None


def _text(content: bytes, offset: int) -> tuple[str, int]:
    """Read a text, and say where it ends. The library's classes of records take 0.01 s to import.

    Raises:
        struct.error: The bytes end before its length does.
        ValueError: They end before the text does, or are not UTF-8.
    """
    begin = offset + _LENGTH.size
    end = begin + _LENGTH.unpack_from(content, offset)[0]
    if end > len(content):
        raise ValueError(f"{len(content)} bytes, not {end}")
    return content[begin:end].decode(), end


def _texts(content: bytes, offset: int) -> dict[str, str]:
    """Read pairs of names and texts; raises what `_text` does."""
    offset, end = offset + _LENGTH.size, offset + _LENGTH.size + _LENGTH.unpack_from(content, offset)[0]
    found = {}
    while offset < end:
        name, offset = _text(content, offset)
        found[name], offset = _text(content, offset)
    return found


def recorded_files(paths: Sequence[Path]) -> list[Path]:
    """Return files, each once, with the `.mcap` files of a folder in its place.

    Raises:
        PermanentError: There is none in a folder.
    """
    files: dict[Path, None] = {}
    for path in paths:
        found = sorted(path.glob("*.mcap")) if path.is_dir() else [path]
        if not found:
            raise PermanentError(f"no recordings in {path}")
        files |= dict.fromkeys(found)
    return list(files)


def _decompressed(data: bytes, block: Block) -> bytes:
    """Decompress a block, of a cut one what there is.

    Raises:
        ValueError: The compression is unknown, or more comes out than was announced.
        zstandard.ZstdError: The data are damaged.
        RuntimeError: Likewise, said by LZ4.
    """
    if block.compression == "":
        return data
    if block.compression == "zstd" and block.size and not block.cut:  # at once: in three quarters of the time
        if zstandard.frame_content_size(data) > block.size:
            raise ValueError(f"more than {block.size} bytes are in it")
        content = zstandard.ZstdDecompressor().decompress(data, max_output_size=block.size)
    elif block.compression == "zstd":
        content = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    elif block.compression == "lz4":
        content = lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=block.size)
    else:
        raise ValueError(f"unknown compression {block.compression!r}")
    if len(content) > block.size:
        raise ValueError(f"more than {block.size} bytes come out")
    return content


def in_order(
    recordings: Sequence[Recording],
    *,
    from_ns: int = 0,
    to_ns: int = _MAX_STAMP,
    key: Callable[[RecordedChannel], str] = attrgetter("topic"),
) -> Iterator[list[RawMessage]]:
    """Yield all messages received within [from, to], ordered by log time across recordings, in lists of any length.

    Messages of one log time keep the order of the recordings, then of the file. Only blocks that overlap in time are in memory
    together. `key` says what stands for a channel as the messages' topic.
    """
    blocks = [
        (block.start_ns, index, block.offset, block)
        for index, recording in enumerate(recordings)
        for block in recording.blocks
        if block.end_ns >= from_ns and block.start_ns <= to_ns
    ]
    blocks.sort(key=itemgetter(0, 1, 2))
    waiting: list[RawMessage] = []
    for place, (_, index, _, block) in enumerate(blocks):
        arrived = recordings[index].messages(block, key)
        if block.start_ns < from_ns or block.end_ns > to_ns:
            arrived = [message for message in arrived if from_ns <= message.receive_ns <= to_ns]
        waiting += arrived
        waiting.sort(key=_received)
        if place + 1 == len(blocks):
            yield waiting
            return
        next_ns = blocks[place + 1][0]
        if waiting and waiting[-1].receive_ns < next_ns:
            yield waiting
            waiting = []
        else:
            ready = bisect_left(waiting, next_ns, key=_received)
            if ready:
                yield waiting[:ready]
                waiting = waiting[ready:]
