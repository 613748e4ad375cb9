"""Keeps refused inputs in a bounded folder, so that somebody can look at what a robot really sent."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from twind.flow.replacing import replacing
from twind.model.errors import PermanentError
from twind.telemetry.events import DeadLettersLost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from twind.model.messages import RawMessage
    from twind.telemetry import Telemetry

MAX_PAYLOAD_BYTES = 65_536
"""A longer payload is cut; its real size is kept beside it."""
MIN_FILE_BYTES = 2 * MAX_PAYLOAD_BYTES
"""Room that one file must have: no line is longer."""
MAX_FILES = 8
MAX_BYTES = 64 * 2**20
"""Bounds of one folder."""
RETRY = "retry"
"""Folder, within that of the letters, of those that are to be tried again."""
_MAX_TEXT = 1024

_FILE = re.compile(r"dead-letters-(\d{8,})\.jsonl")
_NAMES = ("receive_ns", "source", "topic", "reason", "detail", "payload_bytes")
_RETRY_FILE = re.compile(r"retry-\w+\.jsonl")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused input. In the file, `payload` is base64."""

    receive_ns: int
    source: str
    topic: str
    reason: str
    detail: str
    payload_bytes: int
    """Size as received; larger than `payload` when that was cut."""
    payload: bytes


class DeadLetterFiles:
    """The files: `dead-letters-NUMBER.jsonl`, one JSON object a line, readable by their owner only.

    A file that is full is followed by the next number; the oldest are deleted beyond `max_files` or `max_bytes` in all.
    """

    def __init__(self, folder: Path, *, max_files: int, max_bytes: int) -> None:
        if max_files < 1 or max_bytes < max_files * MIN_FILE_BYTES:
            msg = f"{max_files} files need at least {max_files * MIN_FILE_BYTES} bytes, not {max_bytes}"
            raise ValueError(msg)
        self._folder = folder
        self._max_files = max_files
        self._max_bytes = max_bytes
        self._file_bytes = max_bytes // max_files

    def append(self, letters: Sequence[DeadLetter]) -> tuple[int, str]:
        """Append letters until all are written or one write fails; return how many were kept, and the failure.

        What a failed write left behind is taken back, so that every line of every file is whole.
        """
        kept = 0
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            number, room = self._newest()
            for lines in _portions(map(to_line, letters), room, self._file_bytes):
                if lines:
                    self._write(number, b"".join(lines))
                kept += len(lines)
                number += 1
        except OSError as error:
            return kept, str(error)
        return kept, ""

    def _newest(self) -> tuple[int, int]:
        """Return the number of the file to continue, and the bytes it has room for."""
        number = max(self._numbers(), default=1)
        return number, self._file_bytes - self._size(number)

    def _write(self, number: int, data: bytes) -> None:
        self._make_room(number, len(data))
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._path(number), flags, 0o600)
        try:
            before = os.fstat(descriptor).st_size
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
            except OSError:
                os.ftruncate(descriptor, before)
                raise
        finally:
            os.close(descriptor)

    def _make_room(self, number: int, arriving: int) -> None:
        """Delete the oldest files until `arriving` bytes fit beside the rest in file `number`."""
        others = [other for other in self._numbers() if other != number]
        total = sum(map(self._size, others)) + self._size(number) + arriving
        while others and (len(others) + 1 > self._max_files or total > self._max_bytes):
            oldest = others.pop(0)
            total -= self._size(oldest)
            self._path(oldest).unlink(missing_ok=True)

    def _numbers(self) -> list[int]:
        return sorted(int(match[1]) for entry in os.scandir(self._folder) if (match := _FILE.fullmatch(entry.name)))

    def _path(self, number: int) -> Path:
        return self._folder / f"dead-letters-{number:08d}.jsonl"

    def _size(self, number: int) -> int:
        try:
            return self._path(number).stat().st_size
        except FileNotFoundError:
            return 0


def read_letters(folder: Path) -> Iterator[DeadLetter]:
    """Yield every letter of a folder, oldest file first; a line that is none is passed over."""
    try:
        names = sorted((int(match[1]), entry.name) for entry in os.scandir(folder) if (match := _FILE.fullmatch(entry.name)))
    except FileNotFoundError:
        return
    for _, name in names:
        yield from _letters_in(folder / name)


def _letters_in(path: Path) -> Iterator[DeadLetter]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:  # deleted to keep the bounds
        return
    for line in content.splitlines():
        try:
            record = msgspec.json.decode(line)
            payload = base64.b64decode(record["payload"], validate=True)
            letter = DeadLetter(**{name: record[name] for name in _NAMES}, payload=payload)
        except (msgspec.DecodeError, ValueError, KeyError, TypeError):
            continue
        yield letter


def retry_letters(folder: Path, wanted: Callable[[DeadLetter], bool]) -> dict[str, int]:
    """Move letters to where the daemon looks for those to be tried again; count what was moved and what was not.

    Whole files are taken out from under the daemon, which then begins another; what is not wanted goes back. Files that an
    earlier call had taken when it was killed are gone through again: some letters may be there twice then, none is missing.

    Raises:
        PermanentError: The folder cannot be written.
    """
    counts = {"retried": 0, "cut": 0, "others": 0}
    retries = RetryFolder(folder / RETRY)
    try:
        for taken in retries.taken_from(folder):
            letters = list(_letters_in(taken))
            chosen = [wanted(letter) for letter in letters]
            whole = [letter.payload_bytes == len(letter.payload) for letter in letters]
            retried = [one for one, is_wanted, is_whole in zip(letters, chosen, whole, strict=True) if is_wanted and is_whole]
            left = [
                one for one, is_wanted, is_whole in zip(letters, chosen, whole, strict=True) if not (is_wanted and is_whole)
            ]
            counts["retried"] += len(retried)
            counts["cut"] += sum(is_wanted and not is_whole for is_wanted, is_whole in zip(chosen, whole, strict=True))
            counts["others"] += len(letters) - sum(chosen)
            if left:
                _, error = DeadLetterFiles(folder, max_files=MAX_FILES, max_bytes=MAX_BYTES).append(left)
                if error:
                    raise PermanentError(f"cannot put back what is not wanted: {error}; it is in {taken}")
            if retried:
                retries.add(retried)
            taken.unlink()
    except FileNotFoundError:
        return counts
    except OSError as error:
        raise PermanentError(f"cannot move dead letters in {folder}: {error.strerror or error}") from error
    return counts


class RetryFolder:
    """Letters that somebody wants to be tried again, in files that appear as a whole."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def taken_from(self, folder: Path) -> list[Path]:
        """Move all files of letters here, where nobody writes, and return them, with those that were moved before.

        Raises:
            OSError: They cannot be moved.
        """
        names = sorted(entry.name for entry in os.scandir(folder) if _FILE.fullmatch(entry.name))
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for name in names:
            (folder / name).rename(self.folder / f"taken-{secrets.token_hex(4)}-{name}")
        return sorted(self.folder.glob("taken-*"))

    def add(self, letters: Sequence[DeadLetter]) -> None:
        """Write one file of letters.

        Raises:
            OSError: It cannot be written.
        """
        with replacing(self.folder / f"retry-{secrets.token_hex(6)}.jsonl", durable=True) as temporary:
            temporary.chmod(0o600)
            temporary.write_bytes(b"".join(map(to_line, letters)))

    def waiting(self) -> list[Path]:
        """Return the files that are there."""
        try:
            return sorted(self.folder / entry.name for entry in os.scandir(self.folder) if _RETRY_FILE.fullmatch(entry.name))
        except OSError:
            return []

    def read(self, path: Path) -> list[DeadLetter]:
        """Return the letters of one file."""
        return list(_letters_in(path))

    def done(self, path: Path) -> None:
        """Delete one file."""
        path.unlink(missing_ok=True)


class DeadLetters:
    """The bounded queue in front of the files. `offer` never waits; `run` writes in a thread, a batch at a time."""

    def __init__(
        self,
        folder: Path,
        *,
        telemetry: Telemetry,
        max_files: int = MAX_FILES,
        max_bytes: int = MAX_BYTES,
        max_pending: int = 1000,
        max_pending_bytes: int = 8 * 2**20,
        interval_s: float = 0.5,
    ) -> None:
        self.kept = 0
        """Letters written."""
        self.lost = 0
        """Letters that could not be kept."""
        self._files = DeadLetterFiles(folder, max_files=max_files, max_bytes=max_bytes)
        self._telemetry = telemetry
        self._max_pending = max_pending
        self._max_pending_bytes = max_pending_bytes
        self._interval_s = interval_s
        self._pending: list[DeadLetter] = []
        self._pending_bytes = 0
        self._overflow = 0
        self._offered = asyncio.Event()
        self._writing = asyncio.Lock()

    def __repr__(self) -> str:
        """Show what waits, what was kept and what was lost."""
        return f"<DeadLetters {len(self._pending)} pending, {self.kept} kept, {self.lost} lost>"

    def offer(self, message: RawMessage, *, source: str, reason: str, detail: str = "") -> None:
        """Keep one refused message, if there is room for it now."""
        size = min(len(message.payload), MAX_PAYLOAD_BYTES)
        if len(self._pending) >= self._max_pending or self._pending_bytes + size > self._max_pending_bytes:
            self._overflow += 1
        else:
            payload = message.payload[:MAX_PAYLOAD_BYTES]
            letter = DeadLetter(message.receive_ns, source, message.topic, reason, detail, len(message.payload), payload)
            self._pending.append(letter)
            self._pending_bytes += size
        self._offered.set()

    async def run(self) -> None:
        """Write what is offered, for ever, at most once per `interval_s`. Ends only by cancellation; then call `flush`."""
        while True:
            await self._offered.wait()
            await self.flush()
            await asyncio.sleep(self._interval_s)

    async def flush(self) -> None:
        """Write everything offered so far."""
        # Shielded: a thread cannot be cancelled, and its outcome must be counted whatever becomes of this task.
        await asyncio.shield(asyncio.create_task(self._flush(), name="dead letters flush"))

    async def _flush(self) -> None:
        async with self._writing:
            self._offered.clear()
            letters, self._pending, self._pending_bytes = self._pending, [], 0
            overflow, self._overflow = self._overflow, 0
            if overflow:
                self._lose("queue_full", overflow, "")
            if letters:
                kept, error = await asyncio.to_thread(self._files.append, letters)
                self.kept += kept
                if error:
                    self._lose("write_failed", len(letters) - kept, error)

    def _lose(self, reason: str, count: int, error: str) -> None:
        self.lost += count
        self._telemetry.emit(DeadLettersLost(reason=reason, count=count, error=error))


def _portions(lines: Iterable[bytes], room: int, file_bytes: int) -> Iterator[list[bytes]]:
    """Yield what goes into the file that has `room` left, then what goes into each new one; the first may be empty."""
    portion: list[bytes] = []
    for line in lines:
        if len(line) > room:
            yield portion
            portion, room = [], file_bytes
        portion.append(line)
        room -= len(line)
    yield portion


def to_line(letter: DeadLetter) -> bytes:
    """Return a letter as its line in a file."""
    record = {
        "receive_ns": letter.receive_ns,
        "source": letter.source,
        "topic": _plain(letter.topic),
        "reason": letter.reason,
        "detail": _plain(letter.detail),
        "payload_bytes": letter.payload_bytes,
        "truncated": letter.payload_bytes > len(letter.payload),
        "payload": base64.b64encode(letter.payload).decode(),
    }
    return msgspec.json.encode(record) + b"\n"


def _plain(text: str) -> str:
    """Cut to a bounded length and escape lone surrogates, which UTF-8 cannot hold."""
    return text[:_MAX_TEXT].encode(errors="backslashreplace").decode()
