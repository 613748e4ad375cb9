"""Nodes that answer requests: `$cbs` and `$management`. The answer leaves on a link of the same connection."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from twind_eventhubs.emulator.amqp import messages
from twind_eventhubs.emulator.amqp.errors import AmqpError

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind_eventhubs.emulator.amqp.endpoints import Link
    from twind_eventhubs.emulator.amqp.messages import Request

    Answer = Callable[[Request], bytes]

_WAITING = 1_000
"""Answers that wait for credit."""


class RequestNode:
    """A node of one connection.

    Args:
        answer: What makes a response of a request.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._outlets: dict[str, ReplyOutlet] = {}

    def outlet(self, address: str, link: Link) -> ReplyOutlet:
        """Return what sends answers to an address: the target of the peer's receiver."""
        self._outlets[address] = outlet = ReplyOutlet(self, address, link)
        return outlet

    def forget(self, outlet: ReplyOutlet) -> None:
        """Send no more answers there."""
        if self._outlets.get(outlet.address) is outlet:
            del self._outlets[outlet.address]

    def ask(self, request: Request) -> None:
        """Answer a request, at its `reply-to` or else at the newest receiver.

        Raises:
            AmqpError: Nobody would hear the answer.
        """
        outlet = None if request.reply_to is None else self._outlets.get(request.reply_to)
        outlet = outlet or next(reversed(self._outlets.values()), None)
        if outlet is None:
            raise AmqpError("amqp:not-allowed", "a request without a receiver for the answer")
        outlet.put(self._answer(request))


class RequestInlet:
    """Takes requests."""

    def __init__(self, node: RequestNode) -> None:
        self._node = node

    def receive(self, payload: bytes, message_format: int) -> None:
        """Answer a request.

        Raises:
            AmqpError: It is no request.
        """
        del message_format
        self._node.ask(messages.read_request(payload))

    def check(self) -> None:
        """Stay: rights are checked request by request."""

    def close(self) -> None:
        """Hold nothing."""


class ReplyOutlet:
    """Sends answers."""

    def __init__(self, node: RequestNode, address: str, link: Link) -> None:
        self._node = node
        self.address = address
        self._link = link
        self._waiting: deque[bytes] = deque()

    def put(self, answer: bytes) -> None:
        """Send an answer when the peer gives credit.

        Raises:
            AmqpError: Too many wait already.
        """
        if len(self._waiting) >= _WAITING:
            raise AmqpError("amqp:resource-limit-exceeded", "too many answers wait for credit")
        self._waiting.append(answer)
        self._link.wake()

    def next(self) -> bytes | None:
        """Return the next answer."""
        return self._waiting.popleft() if self._waiting else None

    def check(self) -> None:
        """Stay."""

    def close(self) -> None:
        """Send nothing more."""
        self._node.forget(self)
