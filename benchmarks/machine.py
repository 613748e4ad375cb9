"""Where numbers come from, and what runs on which core: the measured process alone on one, everything else on the others."""

from __future__ import annotations

import contextlib
import os
import platform
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import twind

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGES = ("usd-core", "numba", "numpy", "msgspec", "paho-mqtt", "aiohttp", "filterpy", "pin")
_CORES = sorted(os.sched_getaffinity(0))
MEASURED = {_CORES[-1]}
"""The core of what is measured."""
OTHERS = set(_CORES[:-1]) or MEASURED
"""The cores of brokers and of whoever makes the load; the same one where there is only one."""


@contextlib.contextmanager
def on(cores: set[int]) -> Iterator[None]:
    """Run this thread, and the threads and processes that it starts, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def describe() -> dict[str, Any]:
    """Return what someone must know to compare with other numbers."""
    return {
        "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cpu": _cpu(),
        "cores": len(_CORES),
        "measured_core": min(MEASURED),
        "load_1min_before": load(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "twind": twind.__version__,
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def load() -> float:
    """Return how many processes wanted a core in the last minute; much above 1 before a run, and it measures the others too."""
    return round(os.getloadavg()[0], 2)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()
