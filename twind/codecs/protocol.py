"""What a codec is. It holds no state: the same bytes always give the same sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from twind.model.messages import JointSample, PoseSample


class JointCodec(Protocol):
    """Turns one payload into the joint positions of one robot."""

    name: str
    """The word used in the configuration."""
    kind: Literal["joints"]

    def decode(self, payload: bytes, /) -> JointSample:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used; nothing else is ever raised, whatever the bytes.
        """


class PoseCodec(Protocol):
    """Turns one payload into the pose of one body."""

    name: str
    """The word used in the configuration."""
    kind: Literal["pose"]

    def decode(self, payload: bytes, /) -> PoseSample:
        """Decode one payload.

        Raises:
            RefusedInput: The payload cannot be used; nothing else is ever raised, whatever the bytes.
        """


Codec = JointCodec | PoseCodec
