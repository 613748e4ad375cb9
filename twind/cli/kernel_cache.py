"""Whether compiled kernels can be kept on disk; without a place for them every start compiles anew."""

from __future__ import annotations

import os
from pathlib import Path

import twind
from twind.config.places import cannot_hold_files


def unwritable() -> str | None:
    """Say why compiled kernels cannot be kept; None when they can.

    Numba looks at NUMBA_CACHE_DIR, then beside the source, then in the user's cache folder.
    """
    named = os.environ.get("NUMBA_CACHE_DIR")
    if named:
        return cannot_hold_files(Path(named))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    faults = [cannot_hold_files(folder) for folder in (Path(twind.__file__).parent / "__pycache__", cache / "numba")]
    return None if None in faults else faults[0]
