"""The real daemon as a process of its own, seen only as the outside world sees it: logs, signals, HTTP, files."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import yaml
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_S = 180.0
"""How long anything may take before a test gives up; nothing is measured with it."""
LOOK_EVERY_S = 0.01
_HERE = Path(__file__).resolve().parents[2]
"""For programs of the tests that stand in for `twind`."""


def until(condition: Callable[[], Any], what: str, *, within_s: float = PATIENCE_S, every_s: float = LOOK_EVERY_S) -> Any:
    """Look again and again until a condition holds, and return what it returned."""
    deadline_s = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline_s, f"{what}: not within {within_s:g} s"
        time.sleep(every_s)
    return found


def settings(stage: Path | str, broker: str | None, **more: Any) -> dict[str, Any]:
    """Return a configuration with defaults for all that this does not name: estimation above all."""
    source = {
        "type": "mqtt",
        "url": broker,
        "routes": [
            {"topic": "cell/{entity}/joint_state", "codec": "joint_state"},
            {"topic": "cell/{entity}/pose", "codec": "pose"},
        ],
    }
    return {
        "instance": "cell-7",
        "stage": {"root": str(stage), "snapshot": {"path": "live", "rate_hz": 10}} | more.pop("stage_settings", {}),
        "http": {"listen": "127.0.0.1:0"},
        "sources": more.pop("sources", {}) if broker is None else {"floor": source | more.pop("source", {})},
        "log": {"format": "json"},
        **more,
    }


class Metrics:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self._samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def total(self, name: str, **labels: str) -> float:
        """Return the sum over every series of a metric that has these labels; 0 when there is none."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == name and all(sample.labels.get(key) == value for key, value in labels.items())
        )

    def by(self, name: str, label: str) -> dict[str, int]:
        """Return the non-zero series of a metric by one label."""
        found: dict[str, int] = {}
        for sample in self._samples:
            if sample.name == name and sample.value:
                found[sample.labels[label]] = found.get(sample.labels[label], 0) + int(sample.value)
        return found


class Daemon:
    """One `twind run`, or another command that runs until it is asked to stop. Ends with the block at the latest."""

    def __init__(
        self, folder: Path, configuration: dict[str, Any] | str, *, program: str = "twind", command: str = "run"
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.file = folder / "twind.yaml"
        text = configuration if isinstance(configuration, str) else yaml.safe_dump(configuration, sort_keys=False)
        self.file.write_text(text, encoding="utf-8")
        self._log = folder / f"twind-{time.monotonic_ns()}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", program, command, self.file],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": os.pathsep.join([str(_HERE), os.environ.get("PYTHONPATH", "")])},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self._connection: http.client.HTTPConnection | None = None
        self._address: tuple[str, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    # What it says.

    @property
    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return every log line of one event so far."""
        found = []
        for line in self.log.splitlines():
            with contextlib.suppress(ValueError):  # a line that is being written, or no event
                event = json.loads(line)
                if isinstance(event, dict) and event.get("event") == name:
                    found.append(event)
        return found

    def event(self, name: str, *, count: int = 1) -> dict[str, Any]:
        """Wait until an event was logged `count` times, and return the last."""

        def look() -> list[dict[str, Any]]:
            found = self.events(name)
            if len(found) < count:
                assert self.process.poll() is None, f"it ended with {self.process.returncode} before {name!r}:\n{self.log}"
            return found if len(found) >= count else []

        found: list[dict[str, Any]] = until(look, f"the event {name!r}, {count} times")
        return found[count - 1]

    def event_at_end(self, name: str) -> dict[str, Any]:
        """Return the one event of a name that a daemon logged, which has ended."""
        self.ends()
        (found,) = self.events(name)
        return found

    def wait_ready(self) -> None:
        """Wait until samples are taken: started, and every source connected and granted its subscriptions."""
        self.event("daemon_ready")
        until(lambda: all(source["connected"] for source in self.json("/api/v1/status")["sources"]), "the sources connect")
        until(lambda: self.ready, "it is ready")

    def get(self, path: str) -> tuple[int, bytes]:
        """Ask over HTTP on one connection that is kept; return status and body."""
        if self._address is None:
            parts = urlsplit(self.event("daemon_ready")["http"])
            self._address = str(parts.hostname), int(parts.port or 0)
        try:
            return self._ask(self._address, path)
        except (http.client.HTTPException, ConnectionError):  # an idle connection was closed
            return self._ask(self._address, path)

    def _ask(self, address: tuple[str, int], path: str) -> tuple[int, bytes]:
        if self._connection is None:
            self._connection = http.client.HTTPConnection(*address, timeout=PATIENCE_S)
        try:
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (http.client.HTTPException, ConnectionError):
            self._connection.close()
            self._connection = None
            raise

    def json(self, path: str) -> Any:
        status, body = self.get(path)
        assert status == 200, f"{path} answers {status}: {body.decode()}"
        return json.loads(body)

    def entity(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = self.json(f"/api/v1/entities/{name}")
        return document

    @property
    def metrics(self) -> Metrics:
        return Metrics(self.get("/metrics")[1].decode())

    @property
    def ready(self) -> bool:
        return self.get("/readyz")[0] == 200

    @property
    def live(self) -> bool:
        return self.get("/livez")[0] == 200

    def messages(self, fate: str) -> int:
        """Count the messages of one fate so far: `received`, `processed`, `refused` or `dropped`."""
        return int(self.metrics.total(f"twind_messages_{fate}_total", source="floor"))

    # What it takes.

    @property
    def resident_bytes(self) -> int:
        return self._status("VmRSS") * 1024

    @property
    def threads(self) -> int:
        return self._status("Threads")

    def _status(self, name: str) -> int:
        for line in Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1])
        raise AssertionError(f"no {name} in /proc")

    # How it ends.

    def ends(self) -> int:
        """Wait for its end and return the exit code."""
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it does not end:\n{self.log}") from None

    def stop(self) -> int:
        """Ask it to stop, and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.ends()
