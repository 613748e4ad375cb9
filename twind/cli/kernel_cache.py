"""Whether compiled kernels can be kept on disk; without a place for them every start compiles anew."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import twind
from twind.config.places import cannot_hold_files

_ROOMS = ("estimation", "twin")


def unwritable() -> str | None:
    """Say why compiled kernels cannot be kept; None when they can.

    Numba looks at NUMBA_CACHE_DIR, then beside the source, then in the user's cache folder.
    """
    named = os.environ.get("NUMBA_CACHE_DIR")
    if named:
        return cannot_hold_files(Path(named)) or _mistrusted(Path(named))
    places = [Path(twind.__file__).parent / "__pycache__"]
    with suppress(RuntimeError):  # a user without a home
        places.append(Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "numba")
    faults = [cannot_hold_files(folder) for folder in places]
    return None if None in faults else faults[0]


def _mistrusted(folder: Path) -> str | None:
    """Say why what is in a folder of kernels is not used: numba makes one folder in it for each room."""
    from twind.kernels import mistrust

    makers = {Path(twind.__file__).stat().st_uid}
    try:
        rooms = [room for name in _ROOMS for room in folder.glob(f"{name}_*") if room.is_dir()]
        return next((fault for room in rooms if (fault := mistrust(room, makers=makers)) is not None), None)
    except OSError as error:
        return f"the folder '{folder}' cannot be looked at: {error.strerror}"
