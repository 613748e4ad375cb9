"""Open a stage completely or say what is missing, and catch what pxr would print."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pxr import Tf, Usd, UsdUtils

from twind.model.errors import StageError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN = 10
"""How many diagnostics are listed; a missing library can cause one per prim."""


@contextmanager
def collected_diagnostics() -> Iterator[list[str]]:
    """Collect what pxr would print to standard error; the list is filled when the block ends.

    Raises:
        StageError: pxr raised an error inside the block.
    """
    found: list[str] = []
    delegate = UsdUtils.CoalescingDiagnosticDelegate()
    try:
        yield found
    except Tf.ErrorException as error:
        raise StageError(_messages(error)) from error
    finally:
        found += [diagnostic.commentary for diagnostic in delegate.TakeUncoalescedDiagnostics()]


def _messages(error: Any) -> str:
    parts = [getattr(part, "commentary", str(part)).strip() for part in error.args]
    return "; ".join(dict.fromkeys(parts))


def open_stage(root: str) -> tuple[Any, tuple[str, ...]]:
    """Open a stage with all its payloads; return it with the warnings that do not matter for its composition.

    Raises:
        StageError: The root layer cannot be read, or a layer or prim that it refers to is not there.
    """
    try:
        with collected_diagnostics() as diagnostics:
            stage = Usd.Stage.Open(root, Usd.Stage.LoadAll)
    except StageError as error:
        raise StageError(
            f"cannot open the stage {root!r}: {error}. Check `stage.root` and that the file is valid USD"
        ) from error
    faults = [str(fault) for fault in stage.GetCompositionErrors()]
    if faults:
        shown = "\n".join(f"  {fault}" for fault in faults[:_SHOWN])
        more = f"\n  and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        raise StageError(
            f"the stage {root!r} is not complete:\n{shown}{more}\n"
            "Put the missing layers where they are looked for (asset paths are relative to the layer that names them), "
            "or correct the paths in the layers named above"
        )
    return stage, tuple(diagnostics[:_SHOWN])
