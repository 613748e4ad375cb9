"""Ask for memory before it is needed: rows that a batch names in any order are seldom in the cache.

A processor keeps a dozen or so lines under way and waits when more are asked for: ask for a few at a time, with work in
between, and in ascending order, which it takes up and goes on with by itself.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LINE = 64
"""Bytes that come at once."""


def _ask(context: Any, builder: Any, signature: Any, arguments: Any, count: int) -> Any:
    """Emit the instructions for so many lines, from one on that the third argument may name."""
    rows = signature.args[0]
    array = context.make_array(rows)(context, builder, arguments[0])
    index, *first = (context.cast(builder, *one, types.intp) for one in zip(arguments[1:3], signature.args[1:3], strict=True))
    begin = cgutils.get_item_pointer(context, builder, rows, array, [index], wraparound=False)  # type: ignore[no-untyped-call]
    pointer = builder.bitcast(begin, cgutils.voidptr_t)
    if first:
        pointer = builder.gep(pointer, [builder.mul(first[0], ir.IntType(64)(LINE))])
    word = ir.IntType(32)
    ask = builder.module.declare_intrinsic(
        "llvm.prefetch", [pointer.type], ir.FunctionType(ir.VoidType(), [pointer.type, word, word, word])
    )
    for line in range(count):
        place = builder.gep(pointer, [ir.IntType(64)(line * LINE)])
        builder.call(ask, [place, word(0), word(3), word(1)])  # for reading, into every cache, of data
    return context.get_dummy_value()


def _prefetch(_typing: Any, rows: Any, row: Any) -> Any:
    """Bring a row of a 1-D array of records closer, without waiting for it; the row must exist."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _ask(context, builder, signature, arguments, -(-rows.dtype.size // LINE))

    return types.void(rows, row), generate


def _prefetch_lines(_typing: Any, rows: Any, row: Any, first: Any, count: Any) -> Any:
    """Bring `count` cache lines closer, a constant, from the `first` one of a row of any 1-D array on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _ask(context, builder, signature, arguments, count.literal_value)

    return types.void(rows, row, first, count), generate


prefetch: Any = intrinsic(_prefetch)
prefetch_lines: Any = intrinsic(prefer_literal=True)(_prefetch_lines)
