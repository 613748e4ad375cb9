"""A long run: nothing grows, nothing but values changes, and whoever reads meanwhile sees one estimate."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pxr import Tf, Usd, UsdGeom

from twind.model.time import NS_PER_S
from twind.stage.live import LiveStage
from twind.stage.snapshot import Snapshot
from twind.stage.synthetic import serial_robots
from twind.twin.state import Twin

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind.model.state import Update
    from twind.model.topology import Topology

RATE_HZ = 30
STEP_RAD = 0.01
START_NS = 1_800_000_000 * NS_PER_S
READER = Path(__file__).parent / "read_snapshot.py"


class Motion:
    """Every joint and object moves as a function of seq; link transforms are the twin's own."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._twin = Twin(topology, fresh_ns=NS_PER_S, coast_ns=2 * NS_PER_S, lost_ns=3 * NS_PER_S)

    def update(self, tick: int) -> Update:
        entities, joints = len(self._topology.entities), self._topology.n_joints
        now_ns = START_NS + tick * NS_PER_S // RATE_HZ
        update = self._twin.advance(
            now_ns=now_ns,
            target_ns=np.full(entities, now_ns),
            sample_ns=np.full(entities, now_ns - 1),
            joint_position=np.array([math.radians(degrees(tick + 1, row)) for row in range(joints)]),
            joint_velocity=np.full(joints, math.cos(tick)),
            joint_std=np.zeros(joints),
            joint_sample_ns=np.full(joints, now_ns - 1),
            body_position=np.tile([math.sin(STEP_RAD * tick), 0.0, 1.0], (entities, 1)),
            body_orientation=np.tile([math.cos(STEP_RAD * tick), 0.0, math.sin(STEP_RAD * tick), 0.0], (entities, 1)),
            body_position_std=np.zeros(entities),
            body_rotation_std=np.zeros(entities),
            posed=np.ones(entities, np.uint8),
        )
        assert update is not None
        return update


def degrees(seq: int, row: int) -> float:
    """Return where a joint is in the update `seq`."""
    return 90.0 * math.sin(STEP_RAD * seq + row)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "assets" / "cell.usda"
    path.parent.mkdir()
    stage = serial_robots(2, joints=5, objects=1)
    stage.GetRootLayer().Export(str(path))
    return path


def specs_of(live: LiveStage) -> list[Any]:
    found: list[Any] = []
    live.layer.Traverse("/", found.append)
    return found


def test_thousands_of_updates_change_nothing_but_values(root: Path) -> None:
    asset = root.read_bytes()
    live = LiveStage.open(str(root), instance="t")
    motion = Motion(live.topology)
    notices: list[int] = []
    key = Tf.Notice.Register(
        Usd.Notice.ObjectsChanged, lambda notice, _: notices.append(len(notice.GetResyncedPaths())), live.stage
    )
    for tick in range(RATE_HZ):
        live.write(motion.update(tick))
    specs = specs_of(live)
    tracemalloc.start()
    for tick in range(RATE_HZ, 300):
        live.write(motion.update(tick))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    for tick in range(300, 3000):
        live.write(motion.update(tick))
    tracemalloc.start()
    for tick in range(3000, 3270):
        live.write(motion.update(tick))
    held_later = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert notices == [0] * 3270
    assert specs_of(live) == specs
    assert held_later < 2 * held + 20_000
    assert root.read_bytes() == asset
    assert [path.name for path in root.parent.iterdir()] == ["cell.usda"]
    del key
    live.close()


@pytest.fixture
def eager_threads() -> Any:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_threads")
def test_a_thread_that_reads_between_two_equal_numbers_sees_one_estimate(root: Path) -> None:
    live = LiveStage.open(str(root), instance="t")
    motion = Motion(live.topology)
    live.write(motion.update(0))
    reads, wrong, done = 0, [], threading.Event()

    def read() -> None:
        nonlocal reads
        robots = [
            (
                live.stage.GetAttributeAtPath(f"{robot.prim}.twind:seq"),
                [
                    (
                        row,
                        live.stage.GetAttributeAtPath(f"{joint.prim}.state:angular:physics:position"),
                        live.stage.GetAttributeAtPath(f"{robot.links[joint.child].prim}.xformOp:orient"),
                        joint.axis,
                    )
                    for row, joint in enumerate(robot.joints, first)
                    if joint.movable
                ],
            )
            for robot, first in zip(live.topology.robots, live.topology.first_joint, strict=False)
        ]
        while not done.is_set():
            for seq, pairs in robots:
                before = seq.Get()
                found = [(row, position.Get(), orient.Get(), axis) for row, position, orient, axis in pairs]
                if seq.Get() != before:
                    continue
                reads += 1
                for row, position, orient, axis in found:
                    turned = 2 * math.degrees(math.atan2(orient.GetImaginary()[axis], orient.GetReal()))
                    if abs(position - degrees(before, row)) > 1e-4 or abs(turned - position) > 0.1:
                        wrong.append((before, row, position, turned))

    reader = threading.Thread(target=read)
    reader.start()
    tick = 1
    while reads < 2000 or tick < 500:
        live.write(motion.update(tick))
        tick += 1
    done.set()
    reader.join()
    assert wrong == []
    live.close()


def test_a_process_that_reads_the_snapshot_sees_one_estimate(root: Path, tmp_path: Path) -> None:
    live = LiveStage.open(str(root), instance="t")
    motion = Motion(live.topology)
    live.write(motion.update(0))
    snapshot = Snapshot(live, tmp_path / "live")
    process = subprocess.Popen(
        [sys.executable, READER, tmp_path / "live" / "twin.usda", "40"], stdout=subprocess.PIPE, text=True
    )
    tick = 1
    while process.poll() is None:
        live.write(motion.update(tick))
        snapshot.replace(live.layer_text().encode())
        tick += 1
    assert process.stdout is not None
    with process.stdout as lines:
        seen = [json.loads(line) for line in lines]
    assert process.returncode == 0
    assert len(seen) == 40
    assert len({one["seq"] for one in seen}) > 1
    for one in seen:
        for row, position in one["positions"].items():
            assert position == pytest.approx(degrees(one["seq"], int(row)), abs=1e-4)
        # A quatf shows rotations to 0.5 mrad, links are 0.2 m long; the next estimate is 15 mrad and 3 mm away.
        assert one["apart_m"] < 1e-4
        assert one["apart_rad"] < 1e-3
    live.close()


def test_the_composed_world_is_where_kinematics_has_it_at_every_tick(root: Path, forward: Callable[..., list[Any]]) -> None:
    live = LiveStage.open(str(root), instance="t")
    motion = Motion(live.topology)
    for tick in range(0, 400, 7):
        live.write(motion.update(tick))
        shown = {
            f"{robot.id}/{name}": value
            for robot in live.topology.robots
            for name, value in live.read_back(robot.id).positions.items()
        }
        worlds = iter(forward(live.topology, shown))
        cache = UsdGeom.XformCache()
        for robot in live.topology.robots:
            for link in robot.links:
                at = np.array(cache.GetLocalToWorldTransform(live.stage.GetPrimAtPath(link.prim)).ExtractTranslation())
                np.testing.assert_allclose(at, next(worlds)[:3, 3], atol=1e-6)
    live.close()
