"""What daemons that share streams know of each: whose it is, and what its owner left for the next one.

A folder for each stream, on a volume that all of them mount. Who begins a stream claims it, which ends every older claim; a
write passes only with the newest. Claim and write hold the same lock, so that nothing is written after the claim is lost.

    SOURCE/STREAM/claim.json    the newest claim
    SOURCE/STREAM/...           what its owner writes, each file replaced as a whole
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from twind.flow.replacing import replacing
from twind.model.errors import FencedError, RetryableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_CLAIM = "claim.json"
_LOCK_S = 5.0
"""How long a lock may be held by somebody else [s]. It is held for a rename; longer means that its holder was stopped in it."""
_LOOK_S = 0.01


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to write about one stream, until somebody claims it anew."""

    source: str
    stream: str
    epoch: int
    """Counts the claims of this stream, from 1."""
    instance: str
    generation: int
    """Which start of that daemon it is."""
    session: str
    """Tells two claims apart that counted alike, where the folder was lost in between."""


class SharedStreams:
    """The claims of one daemon. Blocks: to be used off the event loop, on any thread.

    Args:
        root: The folder that all daemons of the group name.
        instance: Name of this daemon.
        generation: The number of its start.
    """

    def __init__(self, root: Path, *, instance: str, generation: int) -> None:
        self._root = root
        self._instance = instance
        self._generation = generation

    def __repr__(self) -> str:
        return f"<SharedStreams of {self._instance} in {self._root}>"

    def folder(self, source: str, stream: str) -> Path:
        """Return where the files of a stream are."""
        return self._root / _name(source) / _name(stream)

    def claim(self, source: str, stream: str) -> tuple[Claim, Claim | None]:
        """Make a stream ours; return the claim, and the one that it ends.

        Raises:
            RetryableError: The folder cannot be written, or its lock is held by a process that stands still.
        """
        folder = self.folder(source, stream)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(folder):
                before = _read(folder)
                epoch = 1 if before is None else before.epoch + 1
                claim = Claim(source, stream, epoch, self._instance, self._generation, secrets.token_hex(8))
                with replacing(folder / _CLAIM, locked=True, durable=True) as temporary:
                    temporary.write_bytes(msgspec.json.encode(claim))
        except OSError as error:
            raise RetryableError(f"cannot claim {stream!r} in {folder}: {error.strerror or error}") from error
        return claim, before

    def read(self, claim: Claim, name: str) -> bytes | None:
        """Return what an owner wrote last under a name, None where there is nothing.

        Raises:
            RetryableError: It cannot be read.
        """
        path = self.folder(claim.source, claim.stream) / name
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise RetryableError(f"cannot read {path}: {error.strerror or error}") from error

    def write(self, claim: Claim, name: str, data: bytes, *, durable: bool = False) -> None:
        """Replace a file as a whole, if the claim is still the newest.

        Raises:
            FencedError: It is not: nothing was written.
            OSError: The file cannot be written.
        """
        folder = self.folder(claim.source, claim.stream)
        with replacing(folder / name, durable=durable, through=lambda: _passed(folder, claim)) as temporary:
            temporary.write_bytes(data)


@contextmanager
def _passed(folder: Path, claim: Claim) -> Iterator[None]:
    with _locked(folder):
        newest = _read(folder)
        if newest != claim:
            whose = "nobody" if newest is None else f"instance {newest.instance!r} (epoch {newest.epoch})"
            raise FencedError(
                f"{claim.source} {claim.stream} belongs to {whose} now; epoch {claim.epoch} of {claim.instance!r} writes"
                " nothing about it any more"
            )
        yield


def _read(folder: Path) -> Claim | None:
    try:
        return msgspec.json.decode((folder / _CLAIM).read_bytes(), type=Claim)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise OSError(f"{folder / _CLAIM} holds no claim: {error}") from error


def _name(text: str) -> str:
    """Return a name for a folder: the text, with what file systems or asset paths might take amiss as its number."""
    return "".join(char if char.isascii() and (char.isalnum() or char in "_-") else f"~{ord(char):x}~" for char in text)


@contextmanager
def _locked(folder: Path, *, wait: Callable[[float], None] = time.sleep) -> Iterator[None]:
    """Lock a folder among daemons.

    Raises:
        OSError: It cannot be locked: here two daemons do meet, so a file system without locks will not do.
    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline_s = time.monotonic() + _LOCK_S
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline_s:
                    raise
                wait(_LOOK_S)
        yield
    finally:
        os.close(handle)
