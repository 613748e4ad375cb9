"""What tests of several rooms share: the real data, a strict event loop, a real mosquitto."""

from __future__ import annotations

import asyncio
import gc
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import hypothesis
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")

# How long an example takes says how busy the machine is, and nothing about what is tested.
hypothesis.settings.register_profile("twind", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("twind")

_ROOT = Path(__file__).resolve().parent.parent
_MOSQUITTO = shutil.which("mosquitto", path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin")


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the recorded robots and of robot assets; set TWIND_DATA where it lies elsewhere."""
    folder = Path(os.environ.get("TWIND_DATA", _ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the recorded data is not here ({folder}); point TWIND_DATA at it")
    return folder


@pytest.fixture(scope="session")
def usd_2511() -> Path:
    """The interpreter of an environment with usd-core 25.11, the OpenUSD of Omniverse Kit; TWIND_USD_2511 may name one."""
    given = os.environ.get("TWIND_USD_2511")
    folder = _ROOT / ".venv-usd-25.11"
    if given is None and subprocess.run([_ROOT / ".ci" / "usd-core", "25.11", folder], check=False, timeout=300).returncode:
        pytest.skip("usd-core 25.11 is not here and cannot be installed; point TWIND_USD_2511 at a Python that has it")
    return Path(given) if given is not None else folder / "bin" / "python"


@pytest.fixture
def run() -> Iterator[Callable[[Coroutine[Any, Any, T]], T]]:
    """Run a coroutine to its end on a loop in debug mode; fail when it leaves a task behind or an exception unattended."""
    unattended: list[str] = []

    def strict(main: Coroutine[Any, Any, T]) -> T:
        with asyncio.Runner(debug=True) as runner:
            loop = runner.get_loop()
            loop.set_exception_handler(lambda _, context: unattended.append(str(context)))
            # Slow callbacks are the business of benchmarks; under debug mode and load everything is slow.
            loop.slow_callback_duration = 60.0
            result = runner.run(_alone(main))
            gc.collect()
            return result

    yield strict
    assert not unattended, f"left to the event loop: {unattended}"


async def _alone(main: Coroutine[Any, Any, T]) -> T:
    result = await main
    left = sorted(task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()})
    assert not left, f"tasks left behind: {left}"
    return result


class Mosquitto:
    """A real broker on a loopback port, which tests may kill and start again on the same port."""

    def __init__(self, folder: Path, *options: str, tls_options: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self._options = options
        self._tls_options = tls_options
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"mqtt{'s' if self._tls_options else ''}://localhost:{self.port}"

    @property
    def log(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("mosquitto-*.log")))

    def start(self) -> None:
        """Start it; the first time on a free port, later on the same one."""
        for _ in range(5):
            port = self.port or _free_port()
            if self._start(port):
                self.port = port
                return
        pytest.fail(f"mosquitto does not start:\n{self.log}")

    def _start(self, port: int) -> bool:
        configuration = self.folder / "mosquitto.conf"
        lines = [f"listener {port} 127.0.0.1", *self._tls_options, "set_tcp_nodelay true", "log_dest stderr", "log_type all"]
        defaults = {"allow_anonymous": "true", "persistence": "false", "max_queued_messages": "0", "max_inflight_messages": "0"}
        given = {option.split()[0] for option in self._options}
        lines += [f"{name} {value}" for name, value in defaults.items() if name not in given]
        lines += self._options
        if os.geteuid() == 0:
            lines.append("user root")
        configuration.write_text("\n".join(lines) + "\n")
        self._starts += 1
        log = self.folder / f"mosquitto-{self._starts}.log"
        with log.open("wb") as output:
            self._process = subprocess.Popen([_MOSQUITTO or "", "-c", configuration], stdout=output, stderr=output)
        deadline = time.monotonic() + 10
        while self._process.poll() is None and time.monotonic() < deadline:
            if b" running" in log.read_bytes():
                return True
            time.sleep(0.01)
        self.kill()
        return False

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """End it in good order; it saves its sessions if it has persistence."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Let it hold its connections and do nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Start brokers with options of one's own: lines of mosquitto.conf."""
    if _MOSQUITTO is None:
        pytest.skip("mosquitto is not installed here")
    started: list[Mosquitto] = []

    def start(*options: str, tls_options: tuple[str, ...] = ()) -> Mosquitto:
        folder = tmp_path / f"mosquitto-{len(started)}"
        folder.mkdir()
        broker = Mosquitto(folder, *options, tls_options=tls_options)
        started.append(broker)
        broker.start()
        return broker

    yield start
    for broker in started:
        broker.kill()


@pytest.fixture
def mosquitto(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A broker with unbounded queues and nothing on disk."""
    return start_mosquitto()
