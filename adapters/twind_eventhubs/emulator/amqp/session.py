"""A session: windows, and the handles of its links (part 2, 2.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twind_eventhubs.emulator.amqp import performatives as p
from twind_eventhubs.emulator.amqp.errors import AmqpError
from twind_eventhubs.emulator.amqp.frames import frame
from twind_eventhubs.emulator.amqp.links import IncomingLink, OutgoingLink, transfer
from twind_eventhubs.emulator.amqp.values import UInt, UShort

if TYPE_CHECKING:
    from collections.abc import Iterator

    from twind_eventhubs.emulator.amqp.endpoints import Container, Wire

WINDOW = 2_048
"""Frames that the peer may have on their way."""

HANDLES = 255
"""Links of a session."""

_TURN = 32
"""Messages of one link before the next has its turn."""


class Session:
    """A session, which uses the peer's numbers of channel and handles as its own.

    Args:
        channel: Number of the channel.
        begin: What the peer said.
        wire: The connection.
        container: Where links lead.
        max_message_bytes: Longer messages are refused.
    """

    def __init__(self, channel: int, begin: p.Begin, *, wire: Wire, container: Container, max_message_bytes: int) -> None:
        self.wire = wire
        self._channel = channel
        self._container = container
        self._max_message_bytes = max_message_bytes
        self._links: dict[int, IncomingLink | OutgoingLink] = {}
        self._next_incoming_id = int(begin.next_outgoing_id)
        self._incoming_window = WINDOW
        self.next_outgoing_id = 0
        """Transfer id of the next frame."""
        self.outgoing_window = int(begin.incoming_window)
        """Frames that the peer still takes."""
        self.write(
            p.Begin(
                remote_channel=UShort(channel),
                next_outgoing_id=UInt(0),
                incoming_window=UInt(WINDOW),
                outgoing_window=UInt(WINDOW),
                handle_max=UInt(HANDLES - 1),
            )
        )

    def __repr__(self) -> str:
        """Show the windows and how many links there are."""
        return f"<Session {self._channel} links={len(self._links)} in={self._incoming_window} out={self.outgoing_window}>"

    @property
    def links(self) -> Iterator[IncomingLink | OutgoingLink]:
        """Links that this side has not ended."""
        return iter([link for link in self._links.values() if not link.detached])

    def write(self, performative: p.Performative) -> None:
        """Write a frame of this session."""
        self.wire.write(frame(p.write(performative), channel=self._channel))

    def flow(self, **of_link: Any) -> None:
        """Write the state of the session, and of a link if one is given."""
        self._incoming_window = WINDOW
        self.write(
            p.Flow(
                next_incoming_id=UInt(self._next_incoming_id & p.MAX_UINT),
                incoming_window=UInt(WINDOW),
                next_outgoing_id=UInt(self.next_outgoing_id & p.MAX_UINT),
                outgoing_window=UInt(WINDOW),
                **of_link,
            )
        )

    def transfer(self, chunk: bytes, *, handle: int, delivery: int, more: bool) -> None:
        """Write a frame of a message."""
        self.wire.write(transfer(chunk, channel=self._channel, handle=handle, delivery=delivery & p.MAX_UINT, more=more))
        self.next_outgoing_id += 1
        self.outgoing_window -= 1

    def pump(self) -> bool:
        """Let every link send a little; tell whether there may be more to send now."""
        more = False
        for link in self.links:
            if isinstance(link, OutgoingLink):
                more = link.pump(limit=_TURN) or more
        return more

    def receive(self, performative: p.Performative, payload: bytes) -> None:
        """Take a frame of this session.

        Raises:
            AmqpError: The session cannot go on.
        """
        match performative:
            case p.Transfer():
                self._take_transfer(performative, payload)
            case p.Flow():
                self._take_flow(performative)
            case p.Attach():
                self._attach(performative)
            case p.Detach():
                self._detach(performative)
            case _:
                pass  # a disposition: what is sent is settled, so there is nothing to learn

    def _take_transfer(self, performative: p.Transfer, payload: bytes) -> None:
        self._next_incoming_id += 1
        self._incoming_window -= 1
        link = self._link(performative.handle)
        if not isinstance(link, IncomingLink):
            raise AmqpError("amqp:not-allowed", "a transfer on a link on which the peer receives")
        link.transfer(performative, payload)
        if self._incoming_window <= WINDOW // 2:
            self.flow()

    def _take_flow(self, flow: p.Flow) -> None:
        seen = 0 if flow.next_incoming_id is None else flow.next_incoming_id
        window = (seen + flow.incoming_window - self.next_outgoing_id) & p.MAX_UINT
        self.outgoing_window = 0 if window > p.MAX_UINT // 2 and window != p.MAX_UINT else window
        if flow.handle is not None:
            link = self._link(flow.handle)
            if isinstance(link, OutgoingLink):
                link.flow(flow)
        if flow.echo:
            self.flow()

    def _link(self, handle: int) -> IncomingLink | OutgoingLink:
        link = self._links.get(handle)
        if link is None:
            raise AmqpError("amqp:session:unattached-handle", f"there is no link with handle {handle}")
        return link

    def _attach(self, attach: p.Attach) -> None:
        if attach.handle in self._links:
            raise AmqpError("amqp:session:handle-in-use", f"handle {attach.handle} is in use")
        if attach.handle >= HANDLES:
            raise AmqpError("amqp:connection:framing-error", f"handle {attach.handle} is beyond handle-max")
        # Refusing, too, begins with an answer that has source and target: the SDKs read no error from one without.
        link: IncomingLink | OutgoingLink
        try:
            if attach.role == p.SENDER:
                link = IncomingLink(self, attach, max_message_bytes=self._max_message_bytes)
                self._links[attach.handle] = link
                self.write(link.attached(attach))
                link.inlet = self._container.inlet(attach, link)
                link.grant()
            else:
                link = OutgoingLink(self, attach)
                self._links[attach.handle] = link
                self.write(link.attached(attach))
                link.outlet = self._container.outlet(attach, link)
        except AmqpError as error:
            link.detach(error)

    def _detach(self, detach: p.Detach) -> None:
        link = self._link(detach.handle)
        link.detach(None, closed=detach.closed)
        del self._links[detach.handle]

    def check(self) -> None:
        """End the links that may not stay."""
        for link in self.links:
            endpoint = link.inlet if isinstance(link, IncomingLink) else link.outlet
            try:
                if endpoint is not None:
                    endpoint.check()
            except AmqpError as error:
                link.detach(error)

    def close(self) -> None:
        """Let go of everything."""
        for link in self.links:
            link.close()
        self._links.clear()
