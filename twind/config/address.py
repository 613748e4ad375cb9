"""Addresses to listen on, written `ADDRESS:PORT`."""

from __future__ import annotations

import ipaddress

_MAX_PORT = 65_535


def parse_address(text: str) -> tuple[str, int]:
    """Split `ADDRESS:PORT`, with an IPv6 address in brackets, into host and port.

    Raises:
        ValueError: It is not such an address; the message says what is wrong in plain words.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        msg = "must be ADDRESS:PORT, such as '127.0.0.1:8080'"
        raise ValueError(msg)
    if not (port.isascii() and port.isdigit() and len(port) <= len(str(_MAX_PORT)) and int(port) <= _MAX_PORT):
        msg = f"must end in a port number from 0 to {_MAX_PORT}, such as '127.0.0.1:8080'"
        raise ValueError(msg)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        msg = "must have its IPv6 address in brackets, such as '[::1]:8080'"
        raise ValueError(msg)
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host. A name other than localhost is taken to be reachable."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
