"""Ask for memory before it is needed: rows of bodies that a batch names in any order are seldom in the cache.

A processor keeps a dozen or so lines under way and waits with the next: ask for a few at a time, with work in between.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_LINE = 64  # bytes


def _ask(context: Any, builder: Any, signature: Any, arguments: Any, first: int, end: int) -> Any:
    """Emit the instructions for lines `first` to `end` of a row."""
    rows = signature.args[0]
    array = context.make_array(rows)(context, builder, arguments[0])
    index = context.cast(builder, arguments[1], signature.args[1], types.intp)
    begin = cgutils.get_item_pointer(context, builder, rows, array, [index], wraparound=False)  # type: ignore[no-untyped-call]
    pointer = builder.bitcast(begin, cgutils.voidptr_t)
    word = ir.IntType(32)
    ask = builder.module.declare_intrinsic(
        "llvm.prefetch", [pointer.type], ir.FunctionType(ir.VoidType(), [pointer.type, word, word, word])
    )
    for offset in range(first * _LINE, min(end * _LINE, rows.dtype.size), _LINE):
        line = builder.gep(pointer, [ir.IntType(64)(offset)])
        builder.call(ask, [line, word(0), word(3), word(1)])  # for reading, into every cache, of data
    return context.get_dummy_value()


def _prefetch(_typing: Any, rows: Any, row: Any) -> Any:
    """Bring a row of a 1-D array of records closer, without waiting for it; the row must exist."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _ask(context, builder, signature, arguments, 0, rows.dtype.size)

    return types.void(rows, row), generate


def _prefetch_lines(_typing: Any, rows: Any, row: Any, first: Any, end: Any) -> Any:
    """Do the same with the cache lines from `first` to `end`, two constants, of a row."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _ask(context, builder, signature, arguments, first.literal_value, end.literal_value)

    return types.void(rows, row, first, end), generate


prefetch: Any = intrinsic(_prefetch)
prefetch_lines: Any = intrinsic(prefer_literal=True)(_prefetch_lines)
