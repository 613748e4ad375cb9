"""How many robots a core holds: CPU and memory of the whole daemon, fed by a hub at the robots' own pace.

    python benchmarks/sizing.py

Not part of `run.py`: it takes the pace that it is given, and its load runs beside it. CPU time, so that a machine with other
things to do shows the same, as long as the daemon keeps up; a case in which it does not is an error.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from robots import JOINTS, payload, write_stage

from twind_eventhubs.emulator import Emulator, HubSettings, Retention, Rule, device_event

_CASES = ((50, 10, 1, 30), (50, 50, 1, 30), (50, 50, 10, 30), (50, 50, 10, 10), (150, 10, 1, 10), (150, 50, 10, 10))
"""Robots, their rate [Hz], samples in an event, rate of the stage [Hz]."""
_WARM_S, _MEASURED_S = 12.0, 20.0
_TICKS = os.sysconf("SC_CLK_TCK")


async def serve(robots: int, rate_hz: float, samples: int) -> None:
    """Be the hub, and the robots."""
    keep = Retention(events=200_000, size_bytes=200_000_000)
    async with Emulator([HubSettings("hub", 8, retention=keep)], rules=(Rule("bench", "bench"),)) as running:
        sys.stdout.write(running.connection_string + "\n")
        sys.stdout.flush()
        hub, begun_s, number = running.namespace.hub("hub"), time.monotonic(), 0
        while True:
            while number < (time.monotonic() - begun_s) * rate_hz / samples * robots:
                robot, now_ns = number % robots, time.time_ns()
                step_ns = int(1e9 / rate_hz)
                bodies = [payload(robot, now_ns - (samples - 1 - k) * step_ns) for k in range(samples)]
                body = bodies[0] if samples == 1 else b"[" + b",".join(bodies) + b"]"
                hub.append([device_event(f"robot_{robot}", body, enqueued_ms=now_ns // 1_000_000)], key=f"robot_{robot}")
                number += 1
            await asyncio.sleep(0.005)


def measure(robots: int, rate_hz: float, samples: int, stage_hz: float) -> None:
    """Print what one case takes."""
    server = subprocess.Popen(
        [sys.executable, __file__, str(robots), str(rate_hz), str(samples)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_stage(robots, folder / "robots.usda")
        route = {"topic": "{entity}", "codec": "joint_state"}
        hub = {
            "type": "eventhubs",
            "connection_string": server.stdout.readline().strip(),
            "event_hub": "hub",
            "routes": [route],
        }
        stage = {"root": "robots.usda", "rate_hz": stage_hz, "snapshot": {"path": "live", "composed": "all.usda"}}
        settings = {
            "stage": stage,
            "http": {"listen": "127.0.0.1:0"},
            "sources": {"plant": hub},
            "restart": {"hand_over": {"path": "shared"}},
            "log": {"format": "json"},
        }
        (folder / "twind.yaml").write_text(json.dumps(settings), encoding="utf-8")
        with (folder / "log").open("wb") as log:
            daemon = subprocess.Popen([sys.executable, "-m", "twind", "run", "twind.yaml"], cwd=folder, stdout=log, stderr=log)
        try:
            url = _url(folder / "log", daemon)
            time.sleep(_WARM_S)
            before, at_s = _counted(url), time.monotonic()
            cpu = _cpu_s(daemon.pid)
            time.sleep(_MEASURED_S)
            cpu, messages, seconds = _cpu_s(daemon.pid) - cpu, _counted(url) - before, time.monotonic() - at_s
            status = Path(f"/proc/{daemon.pid}/status").read_text(encoding="utf-8")
            resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024
            share = messages / seconds / (robots * rate_hz)
            sys.stdout.write(
                f"{robots} robots of {JOINTS} joints at {rate_hz:g} Hz, {samples} in an event, stage {stage_hz:g} Hz: "
                f"{cpu / seconds:.3f} cores, {cpu / seconds / robots * 1000:.2f} millicores a robot, {resident:.0f} MiB, "
                f"{share:.0%} of what was sent\n"
            )
            sys.stdout.flush()
        finally:
            daemon.kill()
            daemon.wait()
            server.kill()
            server.communicate()


def _url(log: Path, daemon: subprocess.Popen[bytes]) -> str:
    while daemon.poll() is None:
        for line in log.read_text(encoding="utf-8").splitlines():
            if '"daemon_ready"' in line:
                url: str = json.loads(line)["http"]
                return url
        time.sleep(0.1)
    raise RuntimeError(log.read_text(encoding="utf-8"))


def _counted(url: str) -> float:
    with urllib.request.urlopen(f"{url}/metrics") as answer:  # noqa: S310  (our own daemon)
        lines = answer.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith("twind_messages_processed_total{"))


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
    else:
        for case in _CASES:
            measure(*case)
