"""Files that are written as a whole, and never over what they are made from."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pxr import Tf

from twind.model.errors import StageError
from twind.stage.dependencies import dependencies_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def refuse_input(out: Path, stage: Any) -> None:
    """Refuse to write over a file that a stage is made of, whatever the links that lead there.

    Raises:
        StageError: It is one.
    """
    found = dependencies_of(stage)
    for path in () if found is None else found.files:
        with suppress(OSError):
            if path.samefile(out):
                raise StageError(f"{out} is a part of the stage; write to another file")


@contextmanager
def written(out: Path) -> Iterator[Path]:
    """Give a temporary path beside a file; what was written there takes its place, unless the block raises.

    Raises:
        StageError: It cannot be written, or pxr raised an error inside the block.
    """
    name = ""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{out.stem}-", suffix=out.suffix, dir=out.parent)
        os.close(descriptor)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(out)
    except OSError as error:
        raise StageError(f"cannot write {out}: {error.strerror or error}") from error
    except Tf.ErrorException as error:
        raise StageError(f"cannot write {out}: {error}") from error
    finally:
        if name:
            with suppress(OSError):
                Path(name).unlink(missing_ok=True)


def _umask() -> int:
    """Return the mask for new files, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
