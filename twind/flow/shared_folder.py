"""What daemons share of their streams, in a folder on a volume that all of them mount.

A folder for each stream. Claim and write hold the same lock, so that nothing is written after the claim is lost.

    SOURCE/STREAM/claim.json    the newest claim
    SOURCE/STREAM/...           what its owner writes, each file replaced as a whole
"""

from __future__ import annotations

import fcntl
import os
import secrets
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec

from twind.flow.replacing import replacing
from twind.flow.shared_streams import CLAIM, Claim, folder_name
from twind.model.errors import FencedError, RetryableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_LOCK_S = 5.0
"""How long a lock may be held by somebody else [s]. It is held for a rename; longer means that its holder was stopped in it."""
_LOOK_S = 0.01
_PROBE = ".probe"


class SharedFolder:
    """`SharedStreams` in a folder.

    Args:
        root: The folder that all daemons of the group name.
        instance: Name of this daemon.
        generation: The number of its start.
    """

    def __init__(self, root: Path, *, instance: str, generation: int) -> None:
        self.layers = root
        self._root = root
        self._instance = instance
        self._generation = generation

    def __repr__(self) -> str:
        return f"<SharedFolder of {self._instance} in {self._root}>"

    def folder(self, source: str, stream: str) -> Path:
        """Return where the files of a stream are seen."""
        return self._root / folder_name(source) / folder_name(stream)

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
                with replacing(folder / CLAIM, locked=True, durable=True) as temporary:
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

    def read_all(self, source: str, name: str) -> dict[str, tuple[Claim, bytes]]:
        """Return the newest claim of each stream of a source, and what an owner wrote last under a name, empty for nothing.

        Raises:
            RetryableError: They cannot be read.
        """
        found: dict[str, tuple[Claim, bytes]] = {}
        try:
            for path in (self._root / folder_name(source)).glob(f"*/{CLAIM}"):
                claim = _read(path.parent)
                if claim is not None:
                    found[claim.stream] = (claim, self.read(claim, name) or b"")
        except OSError as error:
            raise RetryableError(f"cannot read {self._root}: {error.strerror or error}") from error
        return found

    def follow(self, name: str) -> list[Path]:
        """Return nothing: what others write is seen here already."""
        del name
        return []

    def probe(self) -> str:
        """Write and lock in the folder; say so.

        Raises:
            RetryableError: That cannot be done.
        """
        path = self._root / _PROBE
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with _locked(self._root), replacing(path) as temporary:
                temporary.write_bytes(b"")
            path.unlink(missing_ok=True)
        except OSError as error:
            raise RetryableError(f"cannot use {self._root}: {error.strerror or error}") from error
        return f"{self._root} can be written and locked"

    def close(self) -> None:
        """Do nothing."""

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
        return msgspec.json.decode((folder / CLAIM).read_bytes(), type=Claim)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise OSError(f"{folder / CLAIM} holds no claim: {error}") from error


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
