"""Tells the service manager that the daemon is ready, alive or stopping: the sd_notify protocol, without libsystemd."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Notifier:
    """Sends states to `$NOTIFY_SOCKET`; does nothing where no service manager listens."""

    def __init__(self, address: str | None, *, watchdog_s: float | None = None) -> None:
        self._address = address
        self.watchdog_s = watchdog_s
        """How long the service manager waits for a sign of life before it kills the daemon [s]; None: it does not watch."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """Read `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, sd_notify(3) and sd_watchdog_enabled(3)."""
        watchdog_s = None
        usec, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
        if usec.isdecimal() and int(usec) > 0 and pid in ("", str(os.getpid())):
            watchdog_s = int(usec) / 1e6
        address = environment.get("NOTIFY_SOCKET", "")
        return cls(address if address[:1] in ("/", "@") else None, watchdog_s=watchdog_s)

    def ready(self, status: str = "") -> None:
        """Say that start-up is finished."""
        self._send("READY=1", status)

    def starting(self, status: str, *, within_s: float) -> None:
        """Say that start-up goes on, and takes that much longer [s]: `TimeoutStartSec` begins anew."""
        self._send(f"EXTEND_TIMEOUT_USEC={round(within_s * 1e6)}", status)

    def stopping(self, status: str = "") -> None:
        """Say that the daemon is shutting down."""
        self._send("STOPPING=1", status)

    def status(self, text: str) -> None:
        """Show one line in `systemctl status`."""
        self._send("", text)

    async def run(self, alive: Callable[[], bool]) -> None:
        """Send a sign of life at a third of the watchdog's patience, for ever, but only while `alive()` is true."""
        if self._address is None or self.watchdog_s is None:
            await asyncio.Event().wait()
            return
        while True:
            if alive():
                self._send("WATCHDOG=1")
            await asyncio.sleep(self.watchdog_s / 3)

    def _send(self, state: str, status: str = "") -> None:
        if self._address is None:
            return
        lines = [state] if state else []
        if status:
            lines.append("STATUS=" + " ".join(status.split()))
        # An abstract address is written with '@' and begins with a null byte on the wire, unix(7).
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # The service manager's absence or slowness must not hurt the daemon.
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), address)
