"""What is wrong, in the protocol's own words.

AmqpError        ends a delivery, link, session or connection, with a condition that the peer is told
    DecodeError  bytes that are not AMQP 1.0, or exceed what is decoded
"""

from __future__ import annotations


class AmqpError(Exception):
    """Something the peer is told as `error` (part 2, 2.8.14).

    Args:
        condition: A symbol: `amqp:not-found`, `com.microsoft:server-busy`.
        description: A sentence for whoever reads logs.
    """

    def __init__(self, condition: str, description: str) -> None:
        super().__init__(f"{condition}: {description}")
        self.condition = condition
        self.description = description


class DecodeError(AmqpError):
    """Bytes that are not AMQP 1.0, or that exceed what is decoded."""

    def __init__(self, description: str) -> None:
        super().__init__("amqp:decode-error", description)
