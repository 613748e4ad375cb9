"""How this room compiles its kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, ParamSpec, TypeVar

from twind.kernels import compile_kernel

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile `function` on first call."""
    compiled: Callable[P, R] = compile_kernel(function)
    return compiled
