"""Links: credit, deliveries, and messages that need several frames (part 2, 2.6)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from twind_eventhubs.emulator.amqp import performatives as p
from twind_eventhubs.emulator.amqp.errors import AmqpError
from twind_eventhubs.emulator.amqp.values import UByte, UInt, ULong

if TYPE_CHECKING:
    from twind_eventhubs.emulator.amqp.endpoints import Inlet, Outlet
    from twind_eventhubs.emulator.amqp.session import Session

HELD_BYTES = 16_777_216
"""Messages that are not yet complete, on all links of a connection together."""

CREDIT = 300
"""Messages that a sending peer may have on their way."""

_TRANSFER = struct.Struct(">IBBH3sBBBBIBIBBIBBB5s")
_TRANSFER_BODY = 25
"""Bytes of its list: the count, and the eleven fields."""
TRANSFER_BYTES = _TRANSFER.size
_SETTLED = 1


def transfer(payload: bytes, *, channel: int, handle: int, delivery: int, more: bool) -> bytes:
    """Return a transfer frame of a settled delivery: the same bytes as the general way, ten times as fast."""
    head = _TRANSFER.pack(
        *(TRANSFER_BYTES + len(payload), 2, 0, channel),
        *(b"\x00\x53\x14", 0xC0, _TRANSFER_BODY, 11),
        *(0x70, handle),
        *(0x70, delivery),
        *(0xA0, 4, delivery),
        *(0x43, 0x41, 0x41 if more else 0x42),
        b"\x40\x40\x42\x42\x42",
    )
    return head + payload


class _Attached:
    """What both kinds of links share: a handle of a session."""

    def __init__(self, session: Session, attach: p.Attach) -> None:
        self.name = attach.name
        self.handle = attach.handle
        self._session = session
        self.detached = False
        """Whether this side has ended it."""

    def wake(self) -> None:
        """Say that there may be something to write."""
        self._session.wire.wake()

    def detach(self, error: AmqpError | None, *, closed: bool = True) -> None:
        """End the link from this side, once."""
        if not self.detached:
            self.detached = True
            self._session.write(p.Detach(handle=self.handle, closed=closed, error=None if error is None else p.error(error)))
            self.close()
            self.wake()

    def close(self) -> None:
        """Let go of what the link leads to."""
        raise NotImplementedError


class IncomingLink(_Attached):
    """A link on which the peer sends.

    Args:
        session: Where it is attached.
        attach: What the peer said.
        max_message_bytes: A longer message ends the link.
    """

    def __init__(self, session: Session, attach: p.Attach, *, max_message_bytes: int) -> None:
        super().__init__(session, attach)
        self._max = max_message_bytes
        self._count = attach.initial_delivery_count or 0
        self._credit = 0
        self._first: p.Transfer | None = None
        self._parts = bytearray()
        self.inlet: Inlet | None = None

    def __repr__(self) -> str:
        """Show what is under way."""
        return f"<IncomingLink {self.handle} credit={self._credit} partial={len(self._parts)}>"

    def attached(self, attach: p.Attach) -> p.Attach:
        """Return the answer to the peer."""
        return p.Attach(
            name=attach.name,
            handle=attach.handle,
            role=p.RECEIVER,
            snd_settle_mode=attach.snd_settle_mode,
            rcv_settle_mode=UByte(0),
            source=attach.source or p.source(None),
            target=attach.target or p.target(None),
            max_message_size=ULong(self._max),
            offered_capabilities=attach.desired_capabilities,
        )

    def grant(self) -> None:
        """Give the peer credit when half of it is used."""
        if self._credit <= CREDIT // 2 and not self.detached:
            self._credit = CREDIT
            self._session.flow(handle=self.handle, delivery_count=UInt(self._count & p.MAX_UINT), link_credit=UInt(CREDIT))

    def transfer(self, transfer: p.Transfer, payload: bytes) -> None:
        """Take a frame of a message; the last hands the message over and states its outcome."""
        if self.detached:
            return
        if transfer.aborted:
            self._drop()
            return
        self._first = first = self._first or transfer
        if self._session.wire.held_bytes + len(payload) > HELD_BYTES:
            self._drop()
            self.detach(AmqpError("amqp:resource-limit-exceeded", "too many messages that are not complete on one connection"))
            return
        if len(self._parts) + len(payload) > self._max:
            self._drop()
            self.detach(
                AmqpError("amqp:link:message-size-exceeded", f"a message is longer than the {self._max} bytes that are allowed")
            )
            return
        self._parts += payload
        self._session.wire.held_bytes += len(payload)
        if not transfer.more:
            message = bytes(self._parts)
            self._drop()
            self._count += 1
            self._credit -= 1
            self._deliver(first, message, settled=bool(first.settled or transfer.settled))
            self.grant()

    def _drop(self) -> None:
        """Forget what has come of a message."""
        self._session.wire.held_bytes -= len(self._parts)
        self._first, self._parts = None, bytearray()

    def _deliver(self, first: p.Transfer, message: bytes, *, settled: bool) -> None:
        state = p.accepted()
        try:
            if self.inlet is not None:
                self.inlet.receive(message, first.message_format or 0)
        except AmqpError as error:
            state = p.rejected(error)
        if not settled and first.delivery_id is not None:
            self._session.write(
                p.Disposition(role=p.RECEIVER, first=first.delivery_id, last=first.delivery_id, settled=True, state=state)
            )

    def close(self) -> None:
        """Let go of the inlet."""
        if self.inlet is not None:
            self.inlet.close()
            self.inlet = None
        self._drop()


class OutgoingLink(_Attached):
    """A link on which the peer receives. What is sent is settled.

    Args:
        session: Where it is attached.
        attach: What the peer said.
    """

    def __init__(self, session: Session, attach: p.Attach) -> None:
        super().__init__(session, attach)
        self.credit = 0
        self._count = 0
        self._partial = b""
        self._delivery = 0
        self.outlet: Outlet | None = None

    def __repr__(self) -> str:
        """Show what is under way."""
        return f"<OutgoingLink {self.handle} credit={self.credit} partial={len(self._partial)}>"

    def attached(self, attach: p.Attach) -> p.Attach:
        """Return the answer to the peer."""
        return p.Attach(
            name=attach.name,
            handle=attach.handle,
            role=p.SENDER,
            snd_settle_mode=UByte(_SETTLED),
            rcv_settle_mode=UByte(0),
            source=attach.source or p.source(None),
            target=attach.target or p.target(None),
            initial_delivery_count=UInt(0),
            offered_capabilities=attach.desired_capabilities,
            properties=attach.properties,
        )

    def flow(self, flow: p.Flow) -> None:
        """Take credit from the peer (2.6.7)."""
        if flow.link_credit is not None:
            self.credit = ((flow.delivery_count or 0) + flow.link_credit - self._count) & p.MAX_UINT
            if self.credit > p.MAX_UINT // 2:  # the peer took back credit that was used already
                self.credit = 0
        if flow.drain:
            self.pump(limit=self.credit)
            if not self._partial:
                self._count += self.credit
                self.credit = 0
                self._session.flow(
                    handle=self.handle, delivery_count=UInt(self._count & p.MAX_UINT), link_credit=UInt(0), drain=True
                )

    def pump(self, *, limit: int) -> bool:
        """Send up to so many messages; tell whether there may be more to send now."""
        wire = self._session.wire
        for _ in range(limit):
            if self.detached or self.outlet is None or wire.congested or self._session.outgoing_window <= 0:
                return False
            if not self._partial:
                if self.credit <= 0:
                    return False
                payload = self.outlet.next()
                if payload is None:
                    return False
                self._partial = payload
                self._delivery = self._session.next_outgoing_id
            self._send()
        return True

    def _send(self) -> None:
        """Send what is left of a message, as far as the session's window goes."""
        room = self._session.wire.max_frame_bytes - TRANSFER_BYTES
        while self._partial and self._session.outgoing_window > 0:
            chunk, self._partial = self._partial[:room], self._partial[room:]
            self._session.transfer(chunk, handle=self.handle, delivery=self._delivery, more=bool(self._partial))
        if not self._partial:
            self.credit -= 1
            self._count += 1

    def close(self) -> None:
        """Let go of the outlet."""
        if self.outlet is not None:
            self.outlet.close()
            self.outlet = None
        self._partial = b""
