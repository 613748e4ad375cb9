"""What codecs of JSON share: a shape that the bytes must have, and what a message of that shape means."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

import msgspec

from twind.codecs.json_refusals import JSON_FAULTS, refusal_for

if TYPE_CHECKING:
    from collections.abc import Callable

_Shape = TypeVar("_Shape")
_Sample = TypeVar("_Sample")


class JsonCodec(Generic[_Shape, _Sample]):
    """Decodes one payload at a time. A codec derives from this and says which shape it expects, and what that means."""

    shape: ClassVar[type]

    def __init__(self) -> None:
        self._decode: Callable[[bytes], _Shape] = msgspec.json.Decoder(self.shape).decode

    def decode(self, payload: bytes, /) -> _Sample:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used.
        """
        try:
            message = self._decode(payload)
        except JSON_FAULTS as error:
            raise refusal_for(payload, error) from error
        return self._sample(message)

    def _sample(self, message: _Shape) -> _Sample:
        raise NotImplementedError
