"""What a connection needs of the server behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from twind_eventhubs.emulator.amqp.errors import AmqpError
    from twind_eventhubs.emulator.amqp.performatives import Attach


class Endpoint(Protocol):
    """What a link leads to."""

    def check(self) -> None:
        """Do nothing while the link may stay.

        Raises:
            AmqpError: It may not; it is detached with this error.
        """

    def close(self) -> None:
        """Forget the link; it is gone."""


class Inlet(Endpoint, Protocol):
    """Takes messages from the peer."""

    def receive(self, payload: bytes, message_format: int) -> None:
        """Take a message.

        Raises:
            AmqpError: It is not taken; the peer is told why.
        """


class Outlet(Endpoint, Protocol):
    """Has messages for the peer."""

    def next(self) -> bytes | None:
        """Return the next message, or None until the link is woken."""


class Link(Protocol):
    """What an endpoint may do to its link."""

    def wake(self) -> None:
        """Say that an outlet has news."""

    def detach(self, error: AmqpError) -> None:
        """End the link."""


class Container(Protocol):
    """What a peer connects to; one for each connection."""

    def log_in(self, user: str, password: str) -> None:
        """Check what SASL PLAIN says.

        Raises:
            AmqpError: It is wrong.
        """

    def inlet(self, attach: Attach, link: Link) -> Inlet:
        """Return what the peer's sender leads to.

        Raises:
            AmqpError: The peer may not.
        """

    def outlet(self, attach: Attach, link: Link) -> Outlet:
        """Return what the peer's receiver leads to.

        Raises:
            AmqpError: The peer may not.
        """


class Wire(Protocol):
    """What sessions and links need of their connection."""

    max_frame_bytes: int
    """Of the peer."""
    held_bytes: int
    """Of messages that are not yet complete, on all links."""

    @property
    def congested(self) -> bool:
        """Whether so much waits to be written that nothing should be added that can wait."""

    def write(self, frame: bytes) -> None:
        """Add a frame to what is written."""

    def wake(self) -> None:
        """Say that there may be something to write."""
