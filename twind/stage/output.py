"""Files that are written as a whole, and never over what they are made from."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from pxr import Tf

from twind.flow.replacing import replacing
from twind.model.errors import StageError
from twind.stage.dependencies import dependencies_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as temporary:
            yield temporary
    except OSError as error:
        raise StageError(f"cannot write {out}: {error.strerror or error}") from error
    except Tf.ErrorException as error:
        raise StageError(f"cannot write {out}: {error}") from error
