"""The kernels of this room, and those that are inlined into them; `twind.kernels` says how they are compiled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from twind.kernels import compile_kernel

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
    compiled = compile_kernel(function, **more)
    KERNELS.append(compiled)
    return compiled  # type: ignore[no-any-return]
