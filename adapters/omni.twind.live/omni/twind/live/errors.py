"""What can go wrong between a follower and its daemon."""

from __future__ import annotations


class ProtocolError(Exception):
    """The other side sent what the protocol does not have."""


class Refused(Exception):  # noqa: N818  (a refusal is an answer)
    """The daemon does not let this follower in, or has sent it away, for a reason that waiting does not cure."""
