"""Ask for memory before it is needed: rows of bodies that a batch names in any order are seldom in the cache."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_LINE = 64  # bytes


def _prefetch(_typing: Any, rows: Any, row: Any) -> Any:
    """Bring a row of a 1-D array of records closer, without waiting for it; the row must exist."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(rows)(context, builder, arguments[0])
        index = context.cast(builder, arguments[1], signature.args[1], types.intp)
        first = cgutils.get_item_pointer(context, builder, rows, array, [index], wraparound=False)  # type: ignore[no-untyped-call]
        pointer = builder.bitcast(first, cgutils.voidptr_t)
        word = ir.IntType(32)
        ask = builder.module.declare_intrinsic(
            "llvm.prefetch", [pointer.type], ir.FunctionType(ir.VoidType(), [pointer.type, word, word, word])
        )
        for offset in range(0, rows.dtype.size, _LINE):
            line = builder.gep(pointer, [ir.IntType(64)(offset)])
            builder.call(ask, [line, word(0), word(3), word(1)])  # for reading, into every cache, of data
        return context.get_dummy_value()

    return types.void(rows, row), generate


prefetch: Any = intrinsic(_prefetch)
