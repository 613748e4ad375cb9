"""Lives of one daemon that end with SIGKILL at chosen points: in the middle of a write, before a rename, between two steps.

    python -m tests.chaos.kill_points FOLDER (mqtt|eventhubs) SEED [TIMES]

What is imported is imported once; each life is a fork of that, a whole daemon with its files, whose source is made up: a
broker that repeats what was not acknowledged, or a hub that is read again from any number. It kills itself where it is told to,
and the next one goes on with what it left. A first run without kills shows which points there are, and what everything should
come to.
Prints one JSON object: points, how often each was met without kills, and which kills took place.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.chaos.made_up import SOURCES, MadeUpAdapter, Shared, messages, registry
from tests.chaos.points import Points
from tests.end_to_end.daemon import settings
from tests.runtime.cell import CELL
from twind.config.load import load
from twind.config.settings import EstimationSettings
from twind.demo.places import cell_root
from twind.runtime.app import Daemon
from twind.runtime.estimators import Estimators
from twind.telemetry import Telemetry
from twind.twin import warm_up

if TYPE_CHECKING:
    from twind.model.messages import RawMessage

_FEW, _MANY = 100, 700
"""Messages that a life gets until it is killed: at a point that comes again by itself, or one that some data lead to."""
_PATIENCE_S = 180
"""After this a life that was not killed is over: the alarm ends it with another signal."""

CONFIGURATION = settings(
    cell_root(),
    None,
    state_dir="state",
    sources={"floor": {"type": "made_up", "routes": [{"topic": "cell/{entity}/joint_state", "codec": "joint_state"}]}},
    sinks={"recording": {"type": "mcap", "path": "recordings", "compression": "none", "max_segment_bytes": 65_536}},
    restart={"snapshot_s": 0.05},
    stage_settings={"snapshot": {"path": "live", "rate_hz": 5}},
)


def life(
    folder: Path, kind: str, sent: list[RawMessage], shared: Shared, *, kill_at: tuple[str, int] | None, report: int
) -> None:
    """Live once, in a process of its own: until the point, or until everything is acknowledged."""
    signal.alarm(_PATIENCE_S)
    os.chdir(folder)
    points = Points(folder, kill_at)
    share = len(sent) + 1 if kill_at is None else _MANY if "recording" in kill_at[0] else _FEW
    adapter = MadeUpAdapter(lambda: SOURCES[kind](sent, shared, points, share=share))
    loaded = load([Path("twind.yaml")], registry(adapter))
    points.install()

    async def main() -> int:
        with Telemetry(loaded.settings.log) as telemetry:
            daemon = Daemon(loaded, telemetry=telemetry)
            await daemon.start()
            while not adapter.source.done:  # noqa: ASYNC110  (a broker's memory gives no notice)
                await asyncio.sleep(0.01)
            daemon.shutdown.request("everything is there")
            return await daemon.drain()

    code = asyncio.run(main())
    os.write(report, json.dumps(points.met).encode())
    os._exit(code)


def live(
    folder: Path, kind: str, sent: list[RawMessage], shared: Shared, kill_at: tuple[str, int] | None
) -> dict[str, int] | None:
    """Let one life happen; return the points that it passed, None when it was killed where it should be.

    Raises:
        RuntimeError: It ended in another way.
    """
    read, report = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            log = os.open(folder / "twind.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            life(folder, kind, sent, shared, kill_at=kill_at, report=report)
        finally:
            os._exit(70)
    os.close(report)
    with os.fdopen(read, "rb") as pipe:
        met = pipe.read()
    _, status = os.waitpid(pid, 0)
    if os.waitstatus_to_exitcode(status) == -signal.SIGKILL and kill_at is not None:
        return None
    if os.waitstatus_to_exitcode(status) == 0:
        found: dict[str, int] = json.loads(met)
        return found
    raise RuntimeError(f"it ended with {os.waitstatus_to_exitcode(status)} instead of at {kill_at}; see {folder}/twind.log")


def main() -> None:
    """Run from the command line."""
    root, kind, seed = Path(sys.argv[1]).resolve(), sys.argv[2], int(sys.argv[3])
    times = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    Estimators(CELL, EstimationSettings()).warm_up()
    warm_up()
    sent = messages()
    folders = {name: root / name for name in ("whole", "killed")}
    for folder in folders.values():
        folder.mkdir(parents=True)
        (folder / "twind.yaml").write_text(json.dumps(CONFIGURATION), encoding="utf-8")
    points = live(folders["whole"], kind, sent, Shared(), None)
    assert points is not None
    rng = random.Random(seed)  # noqa: S311  (chooses points)
    names = [name for name in sorted(points) for _ in range(times)]
    rng.shuffle(names)
    # Early enough that it happens before a life's share of the messages is used up: the stage is written when something moves.
    kills = [(name, rng.randint(1, 1 if "stage" in name else min(points[name], 3))) for name in names]
    shared = Shared()
    missed = [kill_at for kill_at in kills if live(folders["killed"], kind, sent, shared, kill_at) is not None]
    live(folders["killed"], kind, sent, shared, None)
    sys.stdout.write(json.dumps({"points": points, "kills": kills, "missed": missed}))


if __name__ == "__main__":
    main()
