"""Who may ask what. Pure: decides from settings and headers, does no I/O."""

from __future__ import annotations

import base64
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twind.config.address import is_loopback, parse_address
from twind.model.errors import PermanentError
from twind.viewers.protocol import TOKEN_PREFIX

if TYPE_CHECKING:
    from collections.abc import Collection

    from twind.config.settings import HttpSettings


@dataclass(frozen=True, slots=True)
class Access:
    """The rules of one listener."""

    host: str
    port: int
    loopback: bool
    """Whether only this machine can reach the address."""
    token: bytes | None
    """What `Authorization: Bearer` must carry; None: open."""

    def __repr__(self) -> str:
        """Show everything but the token."""
        return f"<Access {self.host}:{self.port} {'open' if self.token is None else 'token'}>"

    @classmethod
    def from_settings(cls, settings: HttpSettings) -> Access:
        """Derive the rules.

        Raises:
            PermanentError: The address cannot be read, or it would be open to other machines without that being asked for.
        """
        try:
            host, port = parse_address(settings.listen)
        except ValueError as error:
            raise PermanentError(f"http.listen {settings.listen!r} {error}") from error
        loopback = is_loopback(host)
        secret = settings.token.get_secret_value().encode() if settings.token is not None else b""
        if settings.auth == "none":
            return cls(host, port, loopback, None)
        if not secret and (settings.auth == "token" or not loopback):
            raise PermanentError(f"http.listen {settings.listen!r} needs http.token, or http.auth: none written out")
        return cls(host, port, loopback, secret or None)

    def knows_host(self, header: str) -> bool:
        """Whether the `Host` header names this machine.

        On loopback this stops DNS rebinding: a web page elsewhere can make a browser send requests here under its own name,
        but not under ours. Other addresses have names that only the operator knows.
        """
        if not self.loopback:
            return True
        try:
            host, _ = parse_address(header) if _has_port(header) else (header.strip("[]"), 0)
        except ValueError:
            return False
        return is_loopback(host.lower())

    def admits_page(self, origin: str | None, host: str, *, named: Collection[str]) -> bool:
        """Whether a page of this origin (RFC 6454) may open a WebSocket; browsers check nothing of the kind themselves.

        Args:
            origin: The `Origin` header; browsers always send one, other programs rarely.
            host: The `Host` header: a page of this very listener has it in its origin.
            named: Origins that are allowed by name.
        """
        if origin is None:
            return True
        own = {f"{scheme}://{host}".lower() for scheme in ("http", "https")}
        return origin.lower() in own or origin.lower().rstrip("/") in {name.lower().rstrip("/") for name in named}

    def admits(self, authorization: str) -> bool:
        """Whether an `Authorization` header carries the token, compared in constant time."""
        if self.token is None:
            return True
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(errors="replace"), self.token)

    def admits_protocols(self, protocols: str) -> bool:
        """Whether a `Sec-WebSocket-Protocol` header carries the token, in an entry of its own.

        That is the only header that a page can put something into when it opens a WebSocket. As a page must know the token to
        do so, this is as safe as `Authorization`: nothing is sent by itself, as a cookie would be, and nothing stands in a URL.
        """
        if self.token is None:
            return True
        expected = base64.urlsafe_b64encode(self.token).rstrip(b"=")
        entries = (entry.strip() for entry in protocols.split(","))
        given = [entry.removeprefix(TOKEN_PREFIX) for entry in entries if entry.startswith(TOKEN_PREFIX)]
        return len(given) == 1 and hmac.compare_digest(given[0].rstrip("=").encode(errors="replace"), expected)


def _has_port(header: str) -> bool:
    return header.rpartition("]")[2].startswith(":") if header.startswith("[") else ":" in header
