"""Starts an MQTT broker on this machine for as long as it is needed: mosquitto where there is one, else an embedded one."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import importlib.util
import os
import shutil
import signal
import socket
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from twind.api import MissingExtraError, PermanentError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Kind = Literal["mosquitto", "embedded"]

_ATTEMPTS = 5
_START_S = 15.0
_STOP_S = 3.0
_PR_SET_PDEATHSIG = 1
_SBIN = "/usr/local/sbin:/usr/sbin"
"""Where Debian installs mosquitto, and where the PATH of a user does not look."""

_MOSQUITTO = """\
listener {port} 127.0.0.1
allow_anonymous true
persistence false
max_inflight_messages 0
max_queued_messages 100000
set_tcp_nodelay true
log_dest stderr
"""


@dataclass(frozen=True, slots=True)
class Broker:
    """A broker that runs."""

    url: str
    """`mqtt://127.0.0.1:PORT`."""
    protocol: Literal["5", "3.1.1"]
    """The best version of MQTT that it speaks."""
    kind: Kind
    """What it is."""
    pid: int
    """Its process."""


def mosquitto() -> str | None:
    """Return the path of the mosquitto program, or None."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:{_SBIN}")


@contextlib.asynccontextmanager
async def start_broker(*, kind: Kind | None = None, port: int = 0) -> AsyncIterator[Broker]:
    """Run a broker on a loopback port; it ends with the block, and with this process, however that ends.

    Args:
        kind: Which one; by default mosquitto where it is installed, else the embedded one.
        port: TCP port; 0 takes a free one.

    Raises:
        MissingExtraError: There is no mosquitto, and the embedded broker is not installed.
        PermanentError: It does not start.
    """
    kind = kind or ("mosquitto" if mosquitto() else "embedded")
    with tempfile.TemporaryDirectory(prefix="twind-broker-") as folder:
        broker, process = await _start(kind, port, Path(folder))
        try:
            yield broker
        finally:
            await _stop(process)


async def _start(kind: Kind, port: int, folder: Path) -> tuple[Broker, asyncio.subprocess.Process]:
    """Start the program; on another port when somebody was faster to take the one that was free."""
    said = ""
    for _ in range(1 if port else _ATTEMPTS):
        chosen = port or _free_port()
        command = _command(kind, chosen, folder)
        log = folder / "broker.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=asyncio.subprocess.STDOUT,
                preexec_fn=_die_with_parent,
            )
        try:
            if await _is_up(process, log):
                protocol: Literal["5", "3.1.1"] = "5" if kind == "mosquitto" else "3.1.1"
                return Broker(f"mqtt://127.0.0.1:{chosen}", protocol, kind, process.pid), process
        except BaseException:
            await _stop(process)
            raise
        await _stop(process)
        said = log.read_text(errors="replace").strip()[-500:]
    raise PermanentError(f"the {kind} broker does not start: {said or 'it says nothing'}")


def _command(kind: Kind, port: int, folder: Path) -> list[str]:
    if kind == "embedded":
        if importlib.util.find_spec("amqtt") is None:
            msg = "no broker: install mosquitto, or the embedded one with: pip install 'twind[demo]'"
            raise MissingExtraError(msg)
        return [sys.executable, "-m", "twind_mqtt.embedded", str(port)]
    program = mosquitto()
    if program is None:
        msg = "mosquitto is not installed"
        raise PermanentError(msg)
    configuration = folder / "mosquitto.conf"
    # As root it would become another user, who may not read this folder, and who outlives its parent.
    user = "user root\n" if os.geteuid() == 0 else ""
    configuration.write_text(_MOSQUITTO.format(port=port) + user)
    return [program, "-c", str(configuration)]


async def _is_up(process: asyncio.subprocess.Process, log: Path) -> bool:
    """Wait until the program says that it runs (True), or it ended or took too long (False).

    Its word is waited for, and not its port, because somebody else may have taken that.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_START_S):
            while process.returncode is None:
                if _says_that_it_runs(log):
                    return True
                await asyncio.sleep(0.01)
    return False


def _says_that_it_runs(log: Path) -> bool:
    return b" running" in log.read_bytes()


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        except TimeoutError:
            process.kill()
    await process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _die_with_parent() -> None:
    """Ask Linux, in the child before it starts, to kill it when its parent is gone, even by kill -9."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


_prctl = getattr(ctypes.CDLL(None), "prctl", None) if sys.platform == "linux" else None
"""Looked up here, because little may be done between fork and exec."""
