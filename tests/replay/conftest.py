from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from twind.codecs.clock import ClockCodec
from twind.codecs.joint_state import JointStateCodec
from twind.codecs.pose import PoseCodec
from twind.codecs.twist import TwistCodec
from twind.config.base import SourceSettings
from twind.config.load import load
from twind.config.registry import Present, Registry
from twind.runtime.replay.run import ReplayOptions, replay_to_folder
from twind.stage.discover import discover
from twind.testing.recordings import joint_state

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from twind.testing.recordings import Message

T0 = 1_700_000_000_000_000_000


class FakeAdapter:
    settings = SourceSettings


REGISTRY = Registry(
    sources={"fake": Present(FakeAdapter())},
    codecs={
        "joint_state": Present(JointStateCodec),
        "pose": Present(PoseCodec),
        "twist": Present(TwistCodec),
        "clock": Present(ClockCodec),
    },
)


class Bench:
    """Replays recordings against one stage."""

    registry = REGISTRY

    def __init__(self, folder: Path, stage: Path, *, extra: str = "") -> None:
        self.folder = folder
        self.config = folder / "twind.yaml"
        self.config.write_text(
            f"stage: {{root: {stage}}}\n"
            "sources:\n"
            "  floor:\n"
            "    type: fake\n"
            "    routes:\n"
            '      - {topic: "cell/{entity}/joint_state", codec: joint_state}\n'
            '      - {topic: "cell/{entity}/pose", codec: pose}\n'
            '      - {topic: "cell/{entity}/twist", codec: twist}\n'
            '      - {topic: "cell/{entity}/clock", codec: clock}\n' + extra
        )
        self._runs = 0

    def replay(self, *paths: Path, **options: Any) -> Results:
        self._runs += 1
        out = self.folder / f"out-{self._runs}"
        loaded = load([self.config], REGISTRY)
        topology = discover(loaded.settings.stage.root)
        replay_to_folder(paths, loaded, topology, out, options=ReplayOptions(**options))
        return Results(out)


class Results:
    def __init__(self, folder: Path) -> None:
        self.texts = {name: (folder / name).read_text() for name in ("joints.csv", "bodies.csv", "summary.json")}
        self.joints = list(csv.DictReader(self.texts["joints.csv"].splitlines()))
        self.bodies = list(csv.DictReader(self.texts["bodies.csv"].splitlines()))
        self.summary = json.loads(self.texts["summary.json"])


STAGE = """\
#usda 1.0
(
    defaultPrim = "World"
    metersPerUnit = 1
    upAxis = "Z"
)

def Xform "World"
{
    def Xform "crate" (prepend apiSchemas = ["PhysicsRigidBodyAPI"])
    {
    }
}
"""


@pytest.fixture
def crate(tmp_path: Path) -> Bench:
    """A stage of one crate."""
    stage = tmp_path / "cell.usda"
    stage.write_text(STAGE)
    return Bench(tmp_path, stage)


@pytest.fixture
def bench(tmp_path: Path) -> Callable[[Path], Bench]:
    """Return a bench of any stage."""
    return lambda stage: Bench(tmp_path, stage)


@pytest.fixture
def pendulum(tmp_path: Path, data_dir: Path) -> Bench:
    """A stage of a real double pendulum."""
    return Bench(tmp_path, data_dir / "robots" / "double_pendulum" / "double_pendulum.usda")


@pytest.fixture
def swing(data_dir: Path) -> Callable[[str], list[Message]]:
    """Return what a real double pendulum would have sent: one of its logs, 2 ms under way."""

    def read(name: str) -> list[Message]:
        messages = []
        with (data_dir / "logs" / "double_pendulum" / f"{name}.csv").open() as file:
            for row in csv.DictReader(file):
                stamp = T0 + round(float(row["time"]) * 1e9)
                payload = joint_state(stamp, float(row["pos_meas1"]), float(row["pos_meas2"]))
                messages.append((stamp + 2_000_000, "cell/double_pendulum/joint_state", payload))
        return messages

    return read
