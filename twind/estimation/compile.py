"""The one place that says how kernels are compiled.

Kernels allocate nothing, and `_nrt` off makes sure of it: numba refuses one that would. It also leaves out the counting of
references, atomic operations for every slice, which were four tenths of a pose update. `nogil` keeps the event loop alive
while a batch runs in a thread; `error_model="numpy"` turns division by zero into inf and NaN, which the verdicts catch, instead
of a raise. Of `fastmath` only `contract` is used (multiply and add in one instruction): the rest would compile those checks
away. `parallel` aborts the process when two threads enter: it is not used.

A kernel's cache entry is keyed by the file that defines it. Kernels inline those they call from other files, so an edit of
`quaternions.py` or `singer.py` takes effect in cached callers only once their own file is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

_Function = TypeVar("_Function", bound="Callable[..., Any]")

KERNELS: list[Any] = []
"""Every compiled kernel, in order of definition."""


def kernel(function: _Function) -> _Function:
    """Compile a function on first call, cached on disk where a cache place is writable."""
    return _compile(function)


def inlined(function: _Function) -> _Function:
    """Compile a function as `kernel` does, and put its code where it is called.

    For what runs for every sample: a call passes an array as seven words or more, which costs more than many a function does.
    """
    return _compile(function, forceinline=True)


def _compile(function: _Function, **more: Any) -> _Function:
    options: dict[str, Any] = {"_nrt": False, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}, **more}
    try:
        compiled = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba: "no locator available": read-only installation and no NUMBA_CACHE_DIR
        compiled = numba.njit(**options)(function)
    KERNELS.append(compiled)
    return compiled  # type: ignore[no-any-return]
