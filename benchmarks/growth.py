"""Whether the banks grow: ten million samples through each, and what the process and the allocators hold before and after."""

from __future__ import annotations

import resource
import tracemalloc
from typing import TYPE_CHECKING

import contest_joints
import contest_poses
import machine
import robots
from numba.core.runtime import _nrt_python, rtsys
from table import Section, row

if TYPE_CHECKING:
    from collections.abc import Callable

_ROBOTS, _MESSAGES = 100, 20  # of a batch
_SAMPLES = 10_000_000
_MOST_GROWTH = 1_000_000
"""Bytes that a process may come to hold without anything growing: interpreter and profiler keep some."""
_PAGE = resource.getpagesize()


def measure(*, quick: bool) -> Section:
    """Feed each bank until its memory is in use, then ten million samples more."""
    samples = _SAMPLES // 50 if quick else _SAMPLES
    rows = []
    with machine.on(machine.MEASURED):
        for name, ingest, per_batch in (
            ("joint bank", contest_joints.Joints(_ROBOTS, _MESSAGES).ingest_ns, _ROBOTS * _MESSAGES * robots.JOINTS),
            ("pose bank", contest_poses.Poses(_ROBOTS, _MESSAGES).ingest_ns, _ROBOTS * _MESSAGES),
        ):
            resident, python, kernel = _grown(ingest, samples // per_batch)
            assert resident < _MOST_GROWTH, f"the {name} grew by {resident} bytes over {samples} samples"
            assert python < _MOST_GROWTH, f"the {name} left {python} bytes of Python objects after {samples} samples"
            assert kernel == 0, f"the kernels of the {name} allocated {kernel} times"
            rows += [
                row(f"{name}: resident memory gained", "kB", [resident / 1e3], bar=_MOST_GROWTH / 1e3),
                row(f"{name}: Python objects gained", "kB", [python / 1e3], bar=_MOST_GROWTH / 1e3),
                row(f"{name}: allocations inside kernels", "", [float(kernel)], bar=0.0),
            ]
    return Section(f"Growth over {samples:,} samples of each bank", tuple(rows))


def _grown(ingest: Callable[[], float], batches: int) -> tuple[int, int, int]:
    """Return by how many bytes the process and its Python objects grew, and how often kernels allocated."""
    for _ in range(20):  # every ring is full and every page touched
        ingest()
    _nrt_python.memsys_enable_stats()
    before, allocated = _resident(), rtsys.get_allocation_stats().alloc
    for _ in range(batches):
        ingest()
    grown, kernel = _resident() - before, rtsys.get_allocation_stats().alloc - allocated
    _nrt_python.memsys_disable_stats()
    tracemalloc.start()
    for _ in range(5):
        ingest()
    held = tracemalloc.get_traced_memory()[0]
    for _ in range(max(batches // 20, 1)):  # tracing every allocation slows all down
        ingest()
    python = tracemalloc.get_traced_memory()[0] - held
    tracemalloc.stop()
    return grown, python, kernel


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123  (not a file)
        return int(file.read().split()[1]) * _PAGE
