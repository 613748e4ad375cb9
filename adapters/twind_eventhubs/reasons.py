"""Why a hub cannot be read or sent to, in the words of the person who has to cure it.

A `PermanentError` needs a human (a key, a name, a right); a `RetryableError` may pass by itself. Both are tried again.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from azure.core.exceptions import ClientAuthenticationError
from azure.eventhub.exceptions import AuthenticationError

from twind.api import PermanentError, RetryableError, TwindError

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind_eventhubs.connection import HubConnection
    from twind_eventhubs.settings import EventHubsSettings

_LONGEST = 300


def stolen(error: BaseException) -> bool:
    """Whether another reader took the partition."""
    said = str(error).lower()
    return "link:stolen" in said or getattr(error, "error", None) == "link:stolen" or "hence the current receiver" in said


def beyond_the_end(error: BaseException) -> bool:
    """Whether a position was asked for that the partition has not reached."""
    said = str(error).lower()
    return ("argument" in said or "invalid" in said) and ("offset" in said or "sequence" in said)


def why(error: BaseException, settings: EventHubsSettings) -> TwindError:
    """Return what went wrong as an error of twind."""
    if isinstance(error, TwindError):
        return error
    said = _said(error)
    low = said.lower()
    if isinstance(error, AuthenticationError | ClientAuthenticationError) or _is_refusal(low):
        return _refused(low, said, settings, role="Receiver", claim="Listen")
    for kind, applies, text in (*_RULES_OF_READERS, *_RULES):
        if applies(error, low):
            return kind(text.format(group=settings.consumer_group, address=settings.address, said=said))
    return RetryableError(f"cannot read from {settings.address}: {said}")


def why_not_sent(error: BaseException, hub: HubConnection) -> TwindError:
    """Return why nothing can be sent to a hub as an error of twind."""
    if isinstance(error, TwindError):
        return error
    said = _said(error)
    low = said.lower()
    if isinstance(error, AuthenticationError | ClientAuthenticationError) or _is_refusal(low):
        return _refused(low, said, hub, role="Sender", claim="Send")
    for kind, applies, text in _RULES:
        if applies(error, low):
            return kind(text.format(address=hub.address, said=said))
    if "unknown-error" in low:  # all that the SDK passes on when a link for sending is refused
        who = f"the policy {hub.policy!r} have the Send claim" if hub.policy else "this identity have the role Data Sender"
        return RetryableError(f"{hub.address} refuses what is sent, and the SDK does not say why: does {who}?")
    return RetryableError(f"cannot send to {hub.address}: {said}")


_Rules = tuple[tuple[type[PermanentError | RetryableError], "Callable[[BaseException, str], bool]", str], ...]
_RULES_OF_READERS: _Rules = (
    (
        RetryableError,
        lambda error, _: stolen(error),
        (
            "another reader of the consumer group {group!r} took it: give every daemon a group of its own, or let those that "
            "share one name the same `checkpoints.container`"
        ),
    ),
    (
        PermanentError,
        lambda _, low: _is_missing(low) and "consumergroup" in low,
        "there is no consumer group {group!r} at {address}: create it, or set `consumer_group` (or the hub itself is gone)",
    ),
    (
        PermanentError,
        lambda error, _: beyond_the_end(error),
        "the hub does not know the position to resume from ({said}): it was made anew, or the checkpoint is of another hub",
    ),
)
_RULES: _Rules = (
    (
        PermanentError,
        lambda _, low: _is_missing(low),
        "there is no hub at {address}: check `event_hub` and `connection_string`, or create it",
    ),
    (
        RetryableError,
        lambda _, low: "server-busy" in low or "throttl" in low or "too busy" in low,
        "the hub is busy, or there is more than its throughput units allow: {said}",
    ),
    (
        RetryableError,
        lambda _, low: "resource-limit-exceeded" in low or "maximum number of allowed receivers" in low,
        "a quota of the hub is used up: {said}",
    ),
    (
        PermanentError,
        lambda error, low: isinstance(error, ssl.SSLCertVerificationError) or "certificate verify failed" in low,
        "the certificate of {address} cannot be trusted: set `ca` to the CA that signed it ({said})",
    ),
    (
        RetryableError,
        lambda error, _: isinstance(error, TimeoutError),
        "no answer from {address} in time: check the network and firewalls (port 5671, or 443 with `transport: websocket`)",
    ),
)


def _is_missing(low: str) -> bool:
    return any(words in low for words in ("not-found", "not found", "could not be found", "status code: 404"))


def _is_refusal(low: str) -> bool:
    return "unauthorized" in low or "status code: 401" in low or "cbs token authentication failed" in low


def _refused(low: str, said: str, settings: HubConnection, *, role: str, claim: str) -> TwindError:
    if "expired" in low:
        return PermanentError(
            f"the token for {settings.address} has expired: renew the SharedAccessSignature in `connection_string`, or check "
            f"this machine's clock ({said})"
        )
    if settings.namespace is not None or "claim" not in low:
        who = (
            f"the key of the policy {settings.policy!r} in `connection_string`"
            if settings.connection_string is not None
            else f"this identity: it needs the role Azure Event Hubs Data {role}"
        )
        return PermanentError(f"{settings.address} refuses {who} ({said})")
    return PermanentError(f"the policy {settings.policy!r} lacks the {claim} claim at {settings.address} ({said})")


def _said(error: BaseException) -> str:
    """Return the first line of what the SDK says, without its tracking numbers."""
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    parts = [part.strip() for part in str(text).splitlines() if part.strip()]
    chosen = parts[1] if len(parts) > 1 and parts[0].startswith("CBS Token") else parts[0] if parts else type(error).__name__
    whole = " ".join(dict.fromkeys(parts)) if len(parts) > 1 else chosen
    return whole.partition(" TrackingId:")[0].partition(" Reference:")[0][:_LONGEST]


def standstill(text: str) -> TwindError:
    """Return the error for a partition that has events and gives none."""
    return RetryableError(text)


def store_failed(error: BaseException) -> str:
    """Say why a checkpoint could not be written."""
    if isinstance(error, TimeoutError):
        return "the checkpoint store does not answer in time"
    return f"{type(error).__name__}: {_said(error)}"


def store_error(error: BaseException, settings: EventHubsSettings) -> TwindError:
    """Return the error for a checkpoint store that cannot be used."""
    where = settings.checkpoints.container if settings.checkpoints is not None else None
    low = str(error).lower()
    if "containernotfound" in low or "container does not exist" in low:
        return PermanentError(f"there is no blob container {where!r}: create it")
    if (
        "authenticationfailed" in low
        or "authorizationpermissionmismatch" in low
        or isinstance(error, ClientAuthenticationError)
    ):
        return PermanentError(
            "the storage account refuses us: check `checkpoints.connection_string`, or the role Storage Blob Data Contributor "
            f"({_said(error)})"
        )
    return RetryableError(f"the checkpoint store cannot be used: {store_failed(error)}")
