"""`$cbs`: the peer puts tokens, and may then do what they allow until they expire (AMQP CBS, working draft 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twind_eventhubs.emulator import sas
from twind_eventhubs.emulator.amqp import messages
from twind_eventhubs.emulator.amqp.errors import AmqpError
from twind_eventhubs.emulator.amqp.values import Int

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind_eventhubs.emulator.amqp.messages import Request

_OK = 202
_REFUSED = 401
_AUDIENCES = 1_000
"""Tokens that one connection may have put."""


class Grants:
    """What one connection may do.

    Args:
        rules: Whose tokens are good.
        now_s: Seconds since 1970.
    """

    def __init__(self, rules: tuple[sas.Rule, ...], *, now_s: Callable[[], float]) -> None:
        self._rules = rules
        self._now_s = now_s
        self._grants: dict[str, sas.Grant] = {}

    def log_in(self, user: str, password: str) -> None:
        """Take name and key of a rule in place of tokens.

        Raises:
            AmqpError: They are wrong.
        """
        self._grants[""] = sas.verify_plain(user, password, rules=self._rules)

    def put(self, token: str, *, kind: str, audience: str) -> None:
        """Take a token.

        Raises:
            AmqpError: It is not good.
        """
        if kind == sas.SAS_TYPE:
            grant = sas.verify(token, audience=audience, rules=self._rules, now_s=self._now_s())
        elif kind == sas.JWT_TYPE:
            grant = sas.read_jwt(token, audience=audience, now_s=self._now_s())
        else:
            raise sas.unauthorized(f"a token of type {kind:.50}")
        if len(self._grants) >= _AUDIENCES:
            raise AmqpError("amqp:resource-limit-exceeded", "too many tokens on one connection")
        self._grants[grant.path] = grant

    def require(self, path: str, *, send: bool = False, listen: bool = False) -> None:
        """Do nothing if a right is there.

        Raises:
            AmqpError: It is not, or no longer.
        """
        wanted = sas.path_of(path)
        covering = [grant for grant in self._grants.values() if grant.covers(wanted)]
        alive = [grant for grant in covering if grant.expires_s > self._now_s()]
        if any((grant.send or not send) and (grant.listen or not listen) for grant in alive):
            return
        if covering and not alive:
            raise sas.unauthorized(f"the token for {path} is expired")
        claim = "Send" if send else "Listen" if listen else "any"
        raise sas.unauthorized(f"unauthorized access: {claim} claim is required on {path}")

    def answer(self, request: Request) -> bytes:
        """Answer a request at `$cbs`."""
        code, description = _OK, "Accepted"
        try:
            self._put(request)
        except AmqpError as error:
            code, description = _REFUSED, error.description
        return messages.reply(request, {"status-code": Int(code), "status-description": description}, None)

    def _put(self, request: Request) -> None:
        ask = {str(name): value for name, value in request.properties.items()}
        if ask.get("operation") != "put-token":
            raise AmqpError("amqp:not-implemented", "the only operation here is put-token")
        if not isinstance(request.value, str):
            raise sas.unauthorized("a token that is no string")
        self.put(request.value, kind=str(ask.get("type")), audience=str(ask.get("name", "")))
