"""Eight numbers side by side in the registers of the processor: one quantity of all models of a joint.

The compiler makes vector instructions of a loop over lanes only where it can prove that nothing that is read was written in
it, which it cannot for two records. Kernels that use this say so themselves. An `Eight` lives within kernels alone: `load`
makes one, `store` puts it away, `part` is one of its numbers; between them `+`, `-`, `*` and `/`, with another or with one
number for all.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, lower_builtin, models, register_model, type_callable

_WIDTH = 8
_DOUBLE, _WORD = ir.DoubleType(), ir.IntType(32)
_VECTOR = ir.VectorType(_DOUBLE, _WIDTH)
_NUMBER = 8  # bytes; what records are aligned to at least


class _Type(types.Type):
    """The type of an `Eight`."""


EIGHT = _Type("Eight")


@register_model(_Type)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: _Type) -> None:
        super().__init__(manager, kind, _VECTOR)  # type: ignore[no-untyped-call]


def _place(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Return a pointer to eight numbers of a 1-D array, from an index on."""
    kind = signature.args[0]
    array = context.make_array(kind)(context, builder, arguments[0])
    index = context.cast(builder, arguments[1], signature.args[1], types.intp)
    first = cgutils.get_item_pointer(context, builder, kind, array, [index], wraparound=False)  # type: ignore[no-untyped-call]
    return builder.bitcast(first, _VECTOR.as_pointer())


def _load(_typing: Any, numbers: Any, begin: Any) -> Any:
    """Return eight numbers of a 1-D array without gaps, from an index on; they must exist."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_place(context, builder, signature, arguments), align=_NUMBER)

    return EIGHT(numbers, begin), generate


def _store(_typing: Any, numbers: Any, begin: Any, eight: Any) -> Any:
    """Put eight numbers into a 1-D array without gaps, from an index on; they must exist."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _place(context, builder, signature, arguments), align=_NUMBER)
        return context.get_dummy_value()

    return types.void(numbers, begin, eight), generate


def _part(_typing: Any, eight: Any, number: Any) -> Any:
    """Return one of eight numbers, by a constant."""

    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.extract_element(arguments[0], _WORD(number.literal_value))

    return types.float64(eight, number), generate


load: Any = intrinsic(_load)
store: Any = intrinsic(_store)
part: Any = intrinsic(prefer_literal=True)(_part)


def _spread(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return eight times the same number; what is eight already stays."""
    if isinstance(kind, _Type):
        return value
    number = context.cast(builder, value, kind, types.float64)
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, _WORD(0))
    return builder.shuffle_vector(
        one, ir.Constant(_VECTOR, ir.Undefined), ir.Constant(ir.VectorType(_WORD, _WIDTH), [0] * _WIDTH)
    )


def _define(function: Any, instruction: str) -> None:
    """Teach the compiler one operator."""

    @type_callable(function)
    def _typed(_context: Any) -> Any:
        def of(left: Any, right: Any) -> Any:
            both = (left, right)
            if any(isinstance(one, _Type) for one in both) and all(isinstance(one, _Type | types.Float) for one in both):
                return EIGHT
            return None

        return of

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        left, right = (_spread(context, builder, kind, one) for kind, one in zip(signature.args, arguments, strict=True))
        return getattr(builder, instruction)(left, right)

    for kinds in ((_Type, _Type), (_Type, types.Float), (types.Float, _Type)):
        lower_builtin(function, *kinds)(generate)  # type: ignore[no-untyped-call]


for _function, _instruction in (
    (operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul"), (operator.truediv, "fdiv"),
):  # fmt: skip
    _define(_function, _instruction)
