"""The service manager's side of the story, on a real datagram socket."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import TYPE_CHECKING

import pytest

from twind.runtime.notify import Notifier
from twind.testing.loops import run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(params=["file", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    """A socket that listens as systemd does, and the address that it hands to the daemon."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        address = str(tmp_path / "notify") if request.param == "file" else f"@twind-test-{os.getpid()}"
        listener.bind(address.replace("@", "\0", 1) if address.startswith("@") else address)
        listener.setblocking(False)
        yield listener, address


def test_states_arrive_as_systemd_reads_them(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address})
    notifier.starting("the disk is full", within_s=60.0)
    notifier.ready("2 robots")
    notifier.status("one line\nonly")
    notifier.stopping()
    assert [listener.recv(1000) for _ in range(4)] == [
        b"EXTEND_TIMEOUT_USEC=60000000\nSTATUS=the disk is full",
        b"READY=1\nSTATUS=2 robots",
        b"STATUS=one line only",
        b"STOPPING=1",
    ]


def test_the_watchdog_is_fed_at_a_third_of_its_patience_and_only_while_alive(manager: tuple[socket.socket, str]) -> None:
    listener, address = manager
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "30000000"})
    alive = True

    async def main() -> None:
        nonlocal alive
        task = asyncio.create_task(notifier.run(lambda: alive))
        await asyncio.sleep(25)
        alive = False
        await asyncio.sleep(100)
        task.cancel()
        await asyncio.wait({task})

    run(main(), virtual_time=True)
    assert [listener.recv(100) for _ in range(3)] == [b"WATCHDOG=1"] * 3
    with pytest.raises(BlockingIOError):
        listener.recv(100)


def test_a_watchdog_for_another_process_is_not_ours() -> None:
    environment = {"NOTIFY_SOCKET": "/run/x", "WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid() + 1)}
    assert Notifier.from_environment(environment).watchdog_s is None
    environment["WATCHDOG_PID"] = str(os.getpid())
    assert Notifier.from_environment(environment).watchdog_s == 30


@pytest.mark.parametrize(
    "environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:1"}, {"NOTIFY_SOCKET": "/nowhere"}]
)
def test_without_a_service_manager_nothing_happens(environment: dict[str, str]) -> None:
    notifier = Notifier.from_environment(environment)
    notifier.ready()
    notifier.stopping()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(notifier.run(lambda: True), 1000)

    run(main(), virtual_time=True)
