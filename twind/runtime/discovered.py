"""What was discovered in a stage before: as long as none of its files has changed, OpenUSD is not even imported.

That is 0.2 s of every command over recordings, what 20 s of a log at 1 kHz take. What is kept lies where compiled
kernels do, and like them is taken for nothing where something changed that it was made of or by, or where somebody else may
have written it. It is data: reading it runs no code.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from stat import S_IWGRP, S_IWOTH
from typing import TYPE_CHECKING

import msgspec

import twind
from twind.flow.replacing import replacing
from twind.model.time import NS_PER_S
from twind.model.topology import Topology

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_KEPT = 64
"""Stages; the one that was not looked at for the longest time makes room."""
_TICK_NS = NS_PER_S // 10
"""File systems stamp changes no finer than the system's clock ticks: two within one cannot be told apart."""

_Age = tuple[str, int, int, int, int]
_Kept = tuple[list[str], list[_Age], Topology]
"""The names of the stage's files, the ages of these and of the code that read them, and what was found."""


def discovered(root: str) -> Topology:
    """Return what `twind.stage.discover.discover` finds in a stage, or what it found when the files were as they are.

    Raises:
        StageError: As there.
    """
    try:
        place = _place(root)
    except (OSError, RuntimeError):  # a user without a home, a working directory that is gone
        place = None
    kept = _kept(place) if place is not None else None
    if kept is not None:
        return kept
    began_ns = time.time_ns()
    from twind.stage.dependencies import settled_files
    from twind.stage.discover import discover_stage
    from twind.stage.opening import open_stage

    stage, warnings = open_stage(root)
    topology = discover_stage(stage, root=root, warnings=warnings)
    files = settled_files(stage)
    if place is not None and files is not None:
        with suppress(OSError, UnicodeError):  # without a place, or with names that are no text, the stage is opened each time
            _keep(place, topology, files, began_ns)
    return topology


def _place(root: str) -> Path:
    """Return the file for a stage: another one for each way in which the same name can stand for something else."""
    named = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(named or os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser())
    settings = sorted((name, value) for name, value in os.environ.items() if name.startswith(("PXR_", "USD", "TF_", "AR_")))
    meaning = repr((root, os.getcwd(), settings))  # noqa: PTH109  (as text)
    return folder / "twind-stages" / hashlib.sha256(meaning.encode(errors="surrogateescape")).hexdigest()[:32]


def _kept(place: Path) -> Topology | None:
    """Return what is kept, unless it is of other files, was found by other code, or may be of another user's making."""
    try:
        with place.open("rb") as file:
            if not _private(os.fstat(file.fileno())):
                return None
            content: _Kept = msgspec.msgpack.decode(file.read(), type=_Kept)
        files, ages, topology = content
        if ages != _ages([*files, *_makers()]):
            return None
        os.utime(place)
    except Exception:  # noqa: BLE001  (whatever is wrong with it, the stage tells all)
        return None
    return topology


def _private(status: os.stat_result) -> bool:
    """Whether nobody but this user, and who may do everything, can have written a file."""
    return status.st_uid == os.geteuid() and not status.st_mode & (S_IWGRP | S_IWOTH)


def _keep(place: Path, topology: Topology, files: tuple[Path, ...], began_ns: int) -> None:
    """Keep what was found in files that had not changed for a tick when they began to be read."""
    names = [str(path) for path in files]
    ages = _ages([*names, *_makers()])
    if max(max(age[-2:]) for age in ages) > began_ns - _TICK_NS:
        return
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    place.unlink(missing_ok=True)  # its permissions and what it links to are somebody else's perhaps
    with replacing(place) as temporary:
        temporary.chmod(0o600)
        temporary.write_bytes(msgspec.msgpack.encode((names, ages, topology)))
    for _, old in sorted((path.stat().st_mtime_ns, path) for path in place.parent.iterdir())[:-_MAX_KEPT]:
        old.unlink(missing_ok=True)


def _makers() -> list[str]:
    """Return the files of the code that discovers, and one of OpenUSD's."""
    package = Path(twind.__file__).parent
    usd = find_spec("pxr")
    sources = [*sorted((package / "stage").glob("*.py")), package / "model" / "topology.py", Path(__file__)]
    return [*map(str, sources), *([usd.origin] if usd is not None and usd.origin is not None else [])]


def _ages(files: Iterable[str]) -> list[_Age]:
    """Return what changes when a file does."""
    found = [(name, os.stat(name)) for name in files]  # noqa: PTH116  (as text, which takes a third of the time)
    return [(name, one.st_ino, one.st_size, one.st_mtime_ns, one.st_ctime_ns) for name, one in found]
