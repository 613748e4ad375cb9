"""The JSON messages: what a client asks for, and what it is told besides state."""

from __future__ import annotations

from typing import Annotated

import msgspec

MAX_NAMES = 1000
"""Entities, and prims, that one subscription may name."""
MAX_TEXT_BYTES = 256 * 1024
"""Longest message that a client may send."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
Names = Annotated[tuple[Name, ...], msgspec.Meta(max_length=MAX_NAMES)]


class Subscription(msgspec.Struct, frozen=True):
    """What a client wants to be shown; of everything by default."""

    entities: Names = ()
    """Entity ids."""
    prims: Names = ()
    """Prim paths; everything at and below them."""
    max_rate_hz: Annotated[float, msgspec.Meta(gt=0)] | None = None
    """Most frames in a second; None: as many as there are."""


class Resume(msgspec.Struct, frozen=True):
    """What a client has still got from an earlier connection."""

    session: str
    sequence: int


class Hello(msgspec.Struct, frozen=True, tag_field="type", tag="hello"):
    """The first message of a client."""

    subscribe: Subscription = Subscription()
    resume: Resume | None = None
    acknowledges: bool = False
    """Whether it will acknowledge frames, a few times a second; then no old ones wait for it while it sleeps."""
    client: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """Who it is, for the log."""


class Subscribe(Subscription, frozen=True, tag_field="type", tag="subscribe"):
    """Asks to be shown something else from now on; answered by a new catalogue and a full frame."""


class Resync(msgspec.Struct, frozen=True, tag_field="type", tag="resync"):
    """Asks for a full frame."""


class Acknowledgement(msgspec.Struct, frozen=True, tag_field="type", tag="ack"):
    """Says which update the client has taken."""

    sequence: int


class StaleNotice(msgspec.Struct, frozen=True, tag_field="type", tag="stale"):
    """Whether the live stage itself stands still because it cannot be written; entities have a quality of their own."""

    stale: bool
    reason: str = ""


class End(msgspec.Struct, frozen=True, tag_field="type", tag="end"):
    """The last message: why the stream ends."""

    reason: str
    """Bounded; see `Ending`."""
    message: str
    """The sentence for people."""
    again: bool
    """Whether it makes sense to come back by oneself."""


class ProtocolError(Exception):
    """A client sent what the protocol does not have."""


ClientMessage = Hello | Subscribe | Resync | Acknowledgement
_CLIENT: msgspec.json.Decoder[ClientMessage] = msgspec.json.Decoder(ClientMessage)
_ENCODER = msgspec.json.Encoder()


def read_client_message(text: str | bytes) -> ClientMessage:
    """Decode a message of a client.

    Raises:
        ProtocolError: It is none.
    """
    try:
        return _CLIENT.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise ProtocolError(f"not a message of this protocol: {error}") from error


def write_message(message: msgspec.Struct) -> str:
    """Encode a message."""
    return _ENCODER.encode(message).decode()
