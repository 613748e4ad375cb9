"""From a host name to a connected socket, without blocking the event loop."""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING

from twind.api import PermanentError
from twind_mqtt import reasons

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind_mqtt.settings import MqttConnection, TlsSettings


async def dial(settings: MqttConnection) -> socket.socket:
    """Connect to the broker, TLS included; cancel it to give up at once.

    TCP goes through the loop itself and not through a thread, so that a broker that does not answer cannot hold up a
    shutdown. The TLS handshake runs in the steps that the network dictates, as in asyncio's own transports.

    Returns:
        A connected, non-blocking socket without Nagle delay: an `ssl.SSLSocket` for `mqtts://`.

    Raises:
        OSError: It could not be reached, or TLS failed (`ssl.SSLError`, `socket.gaierror` and `TimeoutError` are kinds of it).
        RetryableError: The peer does not speak TLS.
        PermanentError: A certificate file cannot be used.
    """
    context = await asyncio.to_thread(_context, settings.tls) if settings.encrypted else None
    plain = await _connect(settings.host, settings.port, timeout_s=settings.connect_timeout_s)
    if context is None:
        return plain
    name = (settings.tls and settings.tls.server_name) or settings.host
    try:
        wrapped = context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False)
    except BaseException:
        plain.close()
        raise
    try:
        await _shake_hands(wrapped)
    except ConnectionError as error:
        wrapped.close()
        raise reasons.no_tls(str(error)) from error
    except BaseException:
        wrapped.close()
        raise
    return wrapped


async def _connect(host: str, port: int, *, timeout_s: float) -> socket.socket:
    """Try the addresses of a host one after the other, each for its share of the time that is left."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    failure: OSError = OSError(f"{host} has no address")
    for position, (family, kind, protocol, _, address) in enumerate(found):
        candidate = socket.socket(family, kind, protocol)
        try:
            candidate.setblocking(False)
            candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout((deadline - loop.time()) / (len(found) - position)):
                await loop.sock_connect(candidate, address)
        except OSError as error:
            candidate.close()
            failure = error
        except BaseException:
            candidate.close()
            raise
        else:
            return candidate
    raise failure


async def _shake_hands(wrapped: ssl.SSLSocket) -> None:
    loop = asyncio.get_running_loop()
    while True:
        try:
            wrapped.do_handshake()
        except ssl.SSLWantReadError:
            await _ready(loop.add_reader, loop.remove_reader, wrapped.fileno())
        except ssl.SSLWantWriteError:
            await _ready(loop.add_writer, loop.remove_writer, wrapped.fileno())
        else:
            return


async def _ready(watch: Callable[..., None], unwatch: Callable[[int], bool], descriptor: int) -> None:
    happened = asyncio.Event()
    watch(descriptor, happened.set)
    try:
        await happened.wait()
    finally:
        unwatch(descriptor)


def _context(tls: TlsSettings | None) -> ssl.SSLContext:
    """Read the certificates; blocks on files, and for some 10 ms on the system's own list.

    Raises:
        PermanentError: A file is missing or is not what it should be.
    """
    ca = tls.ca if tls else None
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise PermanentError(f"cannot use `tls.ca` {ca}: {error}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls and tls.certificate and tls.key:
        secret = tls.key_password.get_secret_value() if tls.key_password else ""
        try:
            # Without a password callback OpenSSL would ask for it on the terminal.
            context.load_cert_chain(tls.certificate, tls.key, password=lambda: secret)
        except (OSError, ssl.SSLError) as error:
            raise PermanentError(
                f"cannot use `tls.certificate` {tls.certificate} with `tls.key` {tls.key}: {error}; "
                "both must be PEM and belong together, and an encrypted key needs `tls.key_password`"
            ) from error
    return context
