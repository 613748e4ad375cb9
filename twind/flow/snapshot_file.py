"""Files that hold the daemon's state between two lives: versioned, checksummed, replaced as a whole, the one before kept.

"twindsnp" | format version, u32 | header's length, u32 | header, JSON | parts, zstd | BLAKE2b of all before, 32 bytes
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec
import zstandard

from twind.flow.replacing import replacing
from twind.model.errors import SnapshotError, SnapshotFault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MAGIC = b"twindsnp"
FORMAT = 1
_HEAD = struct.Struct("<8sII")
_DIGEST = 32
_KEPT = 2
_ASIDE = 3
_FILE = re.compile(r"state-(\d{8,})\.snapshot")
_ASIDE_FILE = re.compile(r"state-\d{8,}\.snapshot\.[a-z]+")


def encode(header: dict[str, Any], parts: Sequence[Any]) -> bytes:
    """Return the bytes of a snapshot; `parts` are bytes-like, and contiguous."""
    compress = zstandard.ZstdCompressor(level=1).compress
    packed = [compress(memoryview(part).cast("B")) if memoryview(part).nbytes else b"" for part in parts]
    sizes = [[len(each), memoryview(part).nbytes] for each, part in zip(packed, parts, strict=True)]
    head = msgspec.json.encode(header | {"parts": sizes})
    content = b"".join([_HEAD.pack(MAGIC, FORMAT, len(head)), head, *packed])
    return content + hashlib.blake2b(content, digest_size=_DIGEST).digest()


def decode(content: bytes) -> tuple[dict[str, Any], list[bytes]]:
    """Return header and parts.

    Raises:
        SnapshotError: It is torn, or of another format.
    """
    if len(content) < _HEAD.size or not content.startswith(MAGIC):
        raise SnapshotError(SnapshotFault.UNREADABLE, "it is no snapshot, or was cut off in its first bytes")
    _, version, length = _HEAD.unpack_from(content)
    if version > FORMAT:
        raise SnapshotError(
            SnapshotFault.NEWER, f"it has format {version}, this twind reads up to {FORMAT}: it was written by a newer one"
        )
    body, digest = content[:-_DIGEST], content[-_DIGEST:]
    if hashlib.blake2b(body, digest_size=_DIGEST).digest() != digest:
        raise SnapshotError(SnapshotFault.UNREADABLE, "its checksum does not fit: it was cut off, or changed on the disk")
    try:
        header: dict[str, Any] = msgspec.json.decode(body[_HEAD.size : _HEAD.size + length])
        place, parts = _HEAD.size + length, []
        for packed, size in header.pop("parts"):
            part = body[place : place + packed]
            parts.append(zstandard.ZstdDecompressor().decompress(part, max_output_size=size) if size else b"")
            place += packed
    except (msgspec.DecodeError, zstandard.ZstdError, KeyError, TypeError, ValueError) as error:
        raise SnapshotError(SnapshotFault.UNREADABLE, f"its content makes no sense: {error}") from error
    return header, parts


class SnapshotFolder:
    """`state-NUMBER.snapshot`, the newest two, readable by their owner only. Used by one thread at a time; blocks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0

    def write(self, content: bytes) -> Path:
        """Write the next one durably, then delete what is older than the one before.

        Raises:
            OSError: It cannot be written; those that are there stay.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        numbers = self._numbers()
        self._number = max([self._number, *numbers]) + 1
        path = self._path(self._number)
        with replacing(path, locked=True, durable=True) as temporary:
            temporary.chmod(0o600)
            temporary.write_bytes(content)
        for number in numbers[: -(_KEPT - 1)]:
            self._path(number).unlink(missing_ok=True)
        return path

    def newest_first(self) -> Iterator[tuple[Path, bytes]]:
        """Yield name and content of each, as long as they are asked for.

        Raises:
            SnapshotError: One cannot be read; going on is not possible.
        """
        for number in reversed(self._numbers()):
            path = self._path(number)
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                continue
            except OSError:
                content = b""  # a damaged disk gives what it gives: this one is unreadable
            yield path, content

    def set_aside(self, path: Path, reason: str) -> None:
        """Rename one that cannot be used, so that somebody can look at it; only the newest few of those are kept."""
        with suppress(OSError):
            path.rename(path.with_name(f"{path.name}.{reason}"))
            aside = sorted(entry.name for entry in os.scandir(self._folder) if _ASIDE_FILE.fullmatch(entry.name))
            for name in aside[:-_ASIDE]:
                (self._folder / name).unlink(missing_ok=True)

    def _numbers(self) -> list[int]:
        try:
            return sorted(int(match[1]) for entry in os.scandir(self._folder) if (match := _FILE.fullmatch(entry.name)))
        except FileNotFoundError:
            return []

    def _path(self, number: int) -> Path:
        return self._folder / f"state-{number:08d}.snapshot"
