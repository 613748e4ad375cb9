"""How long it takes until something answers: importing, the help, and the daemon with and without compiled kernels on disk."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import robots
from table import Section, row

_BAR_S = 0.15
_ROBOTS = 10
_ENTRY = "import sys; from twind.cli.main import main; sys.exit(main())"
_PATIENCE_S = 300.0
_KERNELS = """
import sys, time
began, used = time.perf_counter(), time.process_time()
from twind.estimation import ClockBank, JointBank, PoseBank, Tally
for bank in (ClockBank(1), JointBank(1), PoseBank(1), Tally(1)):
    bank.warm_up()
print(time.perf_counter() - began, time.process_time() - used)
"""
_KERNELS_BAR_S = 1.0


def measure(*, quick: bool) -> Section:
    """Measure wall time: each command is a process of its own, as in a shell."""
    rounds = 5 if quick else 15
    commands = {
        "python alone": ("-c", "pass"),
        "import twind": ("-c", "import twind"),
        "twind --help": ("-c", _ENTRY, "--help"),
    }
    spent: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, arguments in commands.items():
            spent[name].append(_seconds(arguments))
    rows = [row(name, "s", samples, bar=None if name == "python alone" else _BAR_S) for name, samples in spent.items()]
    cold, warm = [], []
    for _ in range(1 if quick else 2):
        with tempfile.TemporaryDirectory(prefix="twind-bench-") as folder:
            cold.append(_until_ready(Path(folder)))
            warm += [_until_ready(Path(folder)) for _ in range(2)]
    walls, cpus = _kernels(rounds)
    rows.append(row("all kernels from the cache, importing numba and numpy included", "s", walls, bar=_KERNELS_BAR_S))
    rows.append(row("  of that CPU", "s", cpus))
    rows.append(row("daemon ready, kernels compiled", "s", cold))
    rows.append(row("daemon ready, kernels from the cache", "s", warm))
    return Section(f"Starting (wall time; the daemon with a stage of {_ROBOTS} robots)", tuple(rows))


def _kernels(rounds: int) -> tuple[list[float], list[float]]:
    """Return wall and CPU time [s] until every kernel of the banks can run, compiled by an earlier process."""
    found = []
    with tempfile.TemporaryDirectory(prefix="twind-bench-") as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        for _ in range(rounds + 1):
            said = subprocess.run(
                [sys.executable, "-c", _KERNELS], check=True, capture_output=True, text=True, env=environment
            ).stdout
            found.append([float(number) for number in said.split()])
    walls, cpus = zip(*found[1:], strict=True)  # the first one compiles
    return list(walls), list(cpus)


def _seconds(arguments: tuple[str, ...]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _until_ready(folder: Path) -> float:
    """Start the daemon and return the seconds until it says that it is ready."""
    stage, config = folder / "cell.usda", folder / "twind.yaml"
    robots.write_stage(_ROBOTS, stage)
    config.write_text(
        f"instance: bench\nstate_dir: {folder / 'state'}\nstage: {{root: {stage}}}\n"
        'http: {listen: "127.0.0.1:0"}\nlog: {format: json}\n',
        encoding="utf-8",
    )
    environment = os.environ | {"NUMBA_CACHE_DIR": str(folder / "kernels")}
    started = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-c", _ENTRY, "run", str(config)], stderr=subprocess.PIPE, text=True, env=environment
    ) as daemon:
        assert daemon.stderr is not None
        said = []
        for line in daemon.stderr:
            said.append(line)
            if '"daemon_ready"' in line:
                break
        spent = time.perf_counter() - started
        daemon.terminate()
        daemon.communicate(timeout=_PATIENCE_S)
    assert said, "the daemon said nothing"
    assert '"daemon_ready"' in said[-1], f"the daemon did not get ready: {said}"
    return spent
