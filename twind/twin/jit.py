"""How this room compiles its kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` without the GIL and keep the machine code on disk, where there is a place that can be written.

    Of `fastmath` only `contract` is used: multiply and add in one instruction. A kernel cannot allocate (`_nrt` off), so no
    references are counted.

    Numba raises at decoration when neither the package folder nor `NUMBA_CACHE_DIR` is writable; every start
    compiles anew then.
    Its cache looks at the file of a kernel only, so a kernel must not call one from another file.
    """
    options: dict[str, Any] = {"_nrt": False, "nogil": True, "error_model": "numpy", "fastmath": {"contract"}}
    compiled: Callable[P, R]
    try:
        compiled = njit(cache=True, **options)(function)
    except RuntimeError:
        compiled = njit(**options)(function)
    return compiled
