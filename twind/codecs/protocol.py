"""What a codec is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twind.model.messages import JointSample, PoseSample


class Codec(Protocol):
    """Turns one payload into one sample. Holds no state: the same bytes always give the same sample."""

    name: str
    """The word used in the configuration."""

    def decode(self, payload: bytes, /) -> JointSample | PoseSample:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used; nothing else is ever raised, whatever the bytes.
        """
