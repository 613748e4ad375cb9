"""Why a connection failed, in the words of the person who has to cure it.

A `PermanentError` needs a human (a password, a certificate, a name); a `RetryableError` may pass by itself.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from twind.api import PermanentError, RetryableError, TwindError

if TYPE_CHECKING:
    from twind_mqtt.settings import MqttConnection

_REFUSALS = {  # MQTT 5, table 3-1; paho translates the codes of 3.1.1 into these
    0x84: "the broker does not know MQTT {protocol}: try the other `protocol` (5 or 3.1.1)",
    0x85: "the broker does not accept the client id {client_id!r}: set `client_id`",
    0x86: "the broker refused the user name or password: check `username` and `password`",
    0x87: "not authorised: check `username` and `password`, and that the broker lets this client in",
    0x8A: "this client is banned at the broker: lift the ban there",
    0x8C: "the broker wants another kind of authentication than a user name and password",
    0x95: "the broker finds the CONNECT packet too large",
    0x99: "the broker does not accept the form of the last will: set `status_topic: null`",
    0x90: "the broker does not accept the topic of the last will: set `status_topic`",
    0x9A: "the broker keeps no retained messages: set `status_topic: null`",
    0x9B: "the broker does not know QoS 1: set `qos: 0`",
    0x9C: "the broker wants to be left for another one: change `url`",
    0x9D: "the broker has moved: change `url`",
}
_BUSY = {
    0x88: "the broker is not available now",
    0x89: "the broker is busy",
    0x97: "a quota of the broker is used up",
    0x9F: "the broker limits the rate of connections",
}
_GOODBYES = {  # MQTT 5, table 3-13
    0x8B: "the broker is shutting down",
    0x8D: "the broker heard nothing from us for too long",
    0x8E: "another client connected with the client id {client_id!r}: give each daemon its own `instance` or `client_id`",
    0x93: "the broker sent more than `receive_maximum`, or we did",
    0x98: "the broker was told to end the connection",
}
_SUBSCRIPTION = {  # MQTT 5, table 3-8; 0x80 is all that 3.1.1 can say
    0x80: "refused without a reason (most often: not authorised)",
    0x87: "not authorised: allow this client to subscribe to it at the broker",
    0x8F: "not a valid topic filter for this broker",
    0x97: "a quota of the broker is used up",
    0x9E: "the broker knows no shared subscriptions",
    0xA2: "the broker knows no wildcards",
}


def refused(code: int, name: str, settings: MqttConnection, *, client_id: str) -> TwindError:
    """Return the error for a CONNACK with a failure code."""
    if code in _BUSY:
        return RetryableError(_BUSY[code])
    text = _REFUSALS.get(code, "the broker refused the connection: {name}")
    return PermanentError(text.format(protocol=settings.protocol, client_id=client_id, name=name))


def said_goodbye(code: int, name: str, *, client_id: str) -> str:
    """Say why the broker ended the connection by itself."""
    return _GOODBYES.get(code, f"the broker ended the connection: {name}").format(client_id=client_id)


def not_granted(code: int, name: str, *, asked_qos: int) -> str | None:
    """Say what is wrong with the answer to a subscription; None when it is as asked."""
    if code < asked_qos:
        return (
            f"granted with QoS {code} only, so messages can be lost: allow QoS {asked_qos} at the broker, or set `qos: {code}`"
        )
    return _SUBSCRIPTION.get(code, f"refused: {name}") if code >= 0x80 else None  # noqa: PLR2004  (failures begin here)


def unreachable(error: OSError, settings: MqttConnection) -> TwindError:
    """Return the error for a connection that did not come about below MQTT."""
    host, port = settings.host, settings.port
    match error:
        case ssl.SSLCertVerificationError():
            return PermanentError(f"the broker's certificate cannot be trusted: {_untrusted(error, settings)}")
        case ssl.SSLError():
            return _tls_failed(error)
        case socket.gaierror():
            return RetryableError(f"no address found for host {host!r} ({error.strerror}): check `url` and the name service")
        case TimeoutError():
            return RetryableError(f"no answer from {host}:{port} in time: check `url`, the network and firewalls")
        case ConnectionRefusedError():
            return RetryableError(f"nothing listens on {host}:{port}: check `url`, and that the broker runs")
        case _:
            return RetryableError(f"cannot reach {host}:{port}: {error.strerror or repr(error)}")


def mute(settings: MqttConnection) -> TwindError:
    """Return the error for a peer that takes the connection and does not answer CONNECT."""
    other = "3.1.1" if settings.protocol == "5" else "5"
    return RetryableError(
        f"{settings.host}:{settings.port} does not answer CONNECT: is it an MQTT broker, and does it know MQTT "
        f"{settings.protocol}? Try `protocol: {other}`"
    )


def hung_up(error: OSError | None, settings: MqttConnection) -> TwindError:
    """Return the error for a connection that ended before the broker answered CONNECT."""
    if isinstance(error, ssl.SSLError):
        return _tls_failed(error)
    guess = "" if settings.encrypted else ", or its port expects TLS (mqtts://)"
    return RetryableError(f"the broker closed the connection without an answer: it may not allow this client{guess}")


def broken(error: OSError | None) -> str:
    """Say why an established connection ended without a word from the broker."""
    if isinstance(error, ssl.SSLError):
        return str(_tls_failed(error))
    return f"connection lost: {error.strerror or error}" if error else "the broker closed the connection"


def no_tls(what: str) -> TwindError:
    """Return the error for a peer that does not answer a TLS handshake with one."""
    return RetryableError(f"the port does not answer in TLS ({what}): check the port, or use mqtt://")


def _untrusted(error: ssl.SSLCertVerificationError, settings: MqttConnection) -> str:
    text = error.verify_message.rstrip(".")
    if "mismatch" in text or "not valid for" in text:
        return f"{text}; use a name that is in it, or set `tls.server_name`"
    if "expired" in text or "not yet valid" in text:
        return f"{text}; renew it, or check this machine's clock"
    given = settings.tls.ca if settings.tls else None
    return f"{text}; set `tls.ca` to the CA that signed it" + (f" (now {given})" if given else "")


def _tls_failed(error: ssl.SSLError) -> TwindError:
    reason = error.reason or str(error)
    if reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNEXPECTED_EOF_WHILE_READING"}:
        return no_tls(reason)
    if "CERTIFICATE_REQUIRED" in reason:
        return PermanentError("the broker asks for a client certificate: set `tls.certificate` and `tls.key`")
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason or "HANDSHAKE_FAILURE" in reason):
        return PermanentError(
            f"the broker does not accept our certificate ({reason}): set `tls.certificate` and `tls.key` to what its CA signed"
        )
    return RetryableError(f"TLS failed: {reason}")
