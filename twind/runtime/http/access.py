"""Who may ask what. Pure: decides from settings and headers, does no I/O."""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from twind.model.errors import PermanentError

if TYPE_CHECKING:
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
        host, port = split_address(settings.listen)
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
            host, _ = split_address(header) if _has_port(header) else (header.strip("[]"), 0)
        except PermanentError:
            return False
        return is_loopback(host)

    def admits(self, authorization: str) -> bool:
        """Whether an `Authorization` header carries the token, compared in constant time."""
        if self.token is None:
            return True
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(errors="replace"), self.token)


def split_address(text: str) -> tuple[str, int]:
    """Split `ADDRESS:PORT`; an IPv6 address stands in brackets.

    Raises:
        PermanentError: There is no port, or it is none.
    """
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004  (the largest port)
        raise PermanentError(f"http.listen {text!r}: expected ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080")
    return host.removeprefix("[").removesuffix("]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether an address or name means this machine and no other."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _has_port(header: str) -> bool:
    return header.rpartition("]")[2].startswith(":") if header.startswith("[") else ":" in header
