"""`twind.live`: what goes over the wire between the daemon and those who show its stage. No I/O; see docs/live-protocol.md."""

SUBPROTOCOL = "twind.live.1"
"""The WebSocket subprotocol that both sides name; the number is the version, and another one is another protocol."""
TOKEN_PREFIX = "twind.bearer."  # noqa: S105  (what comes before one)
"""Before the token (base64url without padding) in an entry of `Sec-WebSocket-Protocol`: browsers cannot set other headers."""
VERSION = 1
"""What the catalogue says of it."""
