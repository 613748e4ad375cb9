"""Shared access signatures: who holds a key may say what, and for how long."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass, field
from urllib.parse import unquote_plus, urlsplit

from twind_eventhubs.emulator.amqp.errors import AmqpError

PREFIX = "SharedAccessSignature "
SAS_TYPE = "servicebus.windows.net:sastoken"
JWT_TYPE = "jwt"


@dataclass(frozen=True, slots=True)
class Rule:
    """A shared access policy."""

    name: str
    key: str = field(repr=False)
    send: bool = True
    listen: bool = True


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token allows."""

    path: str
    """Lower case, without slashes at its ends; "" is the whole namespace."""
    expires_s: float
    """Seconds since 1970."""
    send: bool
    listen: bool

    def covers(self, path: str) -> bool:
        """Tell whether it is good for an address."""
        return not self.path or path == self.path or path.startswith(f"{self.path}/")


def path_of(uri: str) -> str:
    """Return the part of an address or URI that names an entity, for comparison."""
    path = urlsplit(uri).path if "://" in uri else uri
    return path.strip("/").lower()


def unauthorized(description: str) -> AmqpError:
    """Return what the peer is told."""
    return AmqpError("amqp:unauthorized-access", description)


def verify(token: str, *, audience: str, rules: tuple[Rule, ...], now_s: float) -> Grant:
    """Check a shared access signature.

    The signature is HMAC-SHA256 of `sr`, as it stands in the token, a newline and `se`, with the key of the rule `skn`.

    Raises:
        AmqpError: It is none, was signed with another key, has expired, or is for something else.
    """
    if not token.startswith(PREFIX):
        raise unauthorized("the token is no SharedAccessSignature")
    raw = dict(part.partition("=")[::2] for part in token[len(PREFIX) :].split("&"))
    try:
        resource, signature, expiry, name = (raw[key] for key in ("sr", "sig", "se", "skn"))
        expires_s = int(expiry)
    except (KeyError, ValueError) as error:
        raise unauthorized("the token lacks one of sr, sig, se, skn") from error
    rule = next((rule for rule in rules if rule.name == unquote_plus(name)), None)
    if rule is None or not hmac.compare_digest(_signature(resource, expiry, rule.key), unquote_plus(signature).encode()):
        raise unauthorized("the token has an invalid signature")
    if expires_s <= now_s:
        raise unauthorized("the token is expired")
    granted = unquote_plus(resource)
    grant = Grant(path_of(granted), expires_s, rule.send, rule.listen)
    if _host(granted) != _host(audience) or not grant.covers(path_of(audience)):
        raise unauthorized("the token is for another resource")
    return Grant(path_of(audience), expires_s, rule.send, rule.listen)


def verify_plain(user: str, password: str, *, rules: tuple[Rule, ...]) -> Grant:
    """Check name and key of a rule, as SASL PLAIN carries them.

    Raises:
        AmqpError: They do not belong together.
    """
    rule = next((rule for rule in rules if rule.name == user), None)
    if rule is None or not hmac.compare_digest(rule.key.encode(), password.encode()):
        raise unauthorized("wrong name or key")
    return Grant("", float("inf"), rule.send, rule.listen)


def read_jwt(token: str, *, audience: str, now_s: float) -> Grant:
    """Take an Entra ID token at its word: the emulator cannot check who signed it, but when it expires it does.

    Raises:
        AmqpError: It is none, or has expired.
    """
    try:
        _, payload, _ = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        expires_s = float(claims["exp"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise unauthorized("the token is no JWT with an expiry") from error
    if expires_s <= now_s:
        raise unauthorized("the token is expired")
    return Grant(path_of(audience), expires_s, send=True, listen=True)


def _signature(resource: str, expiry: str, key: str) -> bytes:
    digest = hmac.new(key.encode(), f"{resource}\n{expiry}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest)


def _host(uri: str) -> str:
    try:
        return (urlsplit(uri).hostname or "") if "://" in uri else ""
    except ValueError as error:
        raise unauthorized("the resource is no URI") from error
