"""Files that are replaced as a whole: whoever reads one sees the old one or the new one, never a part."""

from __future__ import annotations

import os
import secrets
import shutil
from contextlib import contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path


@contextmanager
def replacing(
    path: Path,
    *,
    locked: bool = False,
    durable: bool = False,
    through: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> Iterator[Path]:
    """Give a temporary path beside a file; what is written there takes its place, unless the block raises.

    A link is followed, and the permissions of a file that is there stay.

    Args:
        path: The file, in a folder that is there.
        locked: Whether nobody else replaces it meanwhile. Then there is one temporary name, so that what a killed process
            leaves is overwritten by the next.
        durable: Whether it must be there after a power cut.
        through: Entered just for the moment in which the file takes its place; what it raises leaves everything as it was.

    Raises:
        OSError: It cannot be written.
    """
    target = path.resolve()
    temporary = target.with_name(f".{target.stem}-{'new' if locked else secrets.token_hex(4)}{target.suffix}")
    try:
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | (os.O_TRUNC if locked else os.O_EXCL), 0o666))
        yield temporary
        with suppress(FileNotFoundError):
            shutil.copymode(target, temporary)
        if durable:
            _sync(temporary)
        with through():
            temporary.replace(target)
        if durable:
            _sync(target.parent)
    finally:
        with suppress(OSError):  # the folder itself may be gone, or a file may have taken its place
            temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
