"""An hour of updates at 30 Hz, as fast as they go: what must not change does not, and every read sees one estimate."""

from __future__ import annotations

import hashlib
import math
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import table
from pxr import Tf, Usd

from twind.model.time import NS_PER_S
from twind.stage.live import LiveStage
from twind.stage.synthetic import serial_robots
from twind.twin.state import Twin

if TYPE_CHECKING:
    from twind.model.state import Update
    from twind.model.topology import Topology

_HOUR_TICKS = 3600 * 30
_ROBOTS = 4
_RATE = 0.01
"""How far every joint goes on in its motion at each update [rad]."""
_START_NS = 1_800_000_000 * NS_PER_S


def measure(*, quick: bool) -> table.Section:
    """Run the hour on one robot cell, with a reader thread beside the writer."""
    ticks = 3000 if quick else _HOUR_TICKS
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "cell.usda"
        stage = serial_robots(_ROBOTS, objects=1)
        stage.GetRootLayer().Export(str(root))
        before = hashlib.sha256(root.read_bytes()).hexdigest()
        live = LiveStage.open(str(root), instance="bench")
        seen = Notices(live.stage)
        motion = Motion(live.topology)
        reader = Reader(live, motion)
        resident = []
        specs = []
        written = 0
        for tick in range(ticks):
            written += live.write(motion.update(tick)) > 0
            if tick == 30:
                reader.start()
            if tick % (ticks // 10) == 30:
                resident.append(resident_mib())
                specs.append(count_specs(live.layer))
        reader.stop()
        notices, resynced = seen.count, seen.resynced  # closing takes the layer off the stage, which is structure
        live.close()
        changed = hashlib.sha256(root.read_bytes()).hexdigest() != before
    rows = (
        table.row("bytes of the user's files that changed", "files", [float(changed)], bar=0),
        table.row("prims that a viewer had to compose anew", "prims", [float(resynced)], bar=0),
        table.row("notices per write", "notices", [notices / written], bar=1),
        table.row("specs gained since the first second", "specs", [float(max(specs) - specs[0])], bar=0),
        table.row("memory gained since the first tenth", "MiB", [resident[-1] - resident[1]], bar=4),
        table.row("values read by another thread meanwhile", "values", [float(reader.values)]),
        table.row("  reads of one robot in which anything disagreed", "reads", [float(reader.wrong)], bar=0),
    )
    return table.Section(f"{ticks} updates of {_ROBOTS} robots and an object", rows)


class Motion:
    """Moves everything, through the twin's own kinematics."""

    def __init__(self, topology: Topology) -> None:
        self._topology = topology
        self._twin = Twin(topology, fresh_ns=NS_PER_S, coast_ns=2 * NS_PER_S, lost_ns=3 * NS_PER_S)
        self.phase = np.linspace(0, 5, topology.n_joints)

    def update(self, tick: int) -> Update:
        """Return the update of a tick."""
        entities, joints = len(self._topology.entities), self._topology.n_joints
        now_ns = _START_NS + tick * NS_PER_S // 30
        angle = _RATE * tick
        turn = np.tile([math.cos(angle), 0.0, math.sin(angle), 0.0], (entities, 1))
        update = self._twin.advance(
            now_ns=now_ns,
            target_ns=np.full(entities, now_ns),
            sample_ns=np.full(entities, now_ns - 1),
            joint_position=np.sin(angle + self.phase),
            joint_velocity=np.cos(angle + self.phase),
            joint_std=np.zeros(joints),
            joint_sample_ns=np.full(joints, now_ns - 1),
            body_position=np.tile([math.sin(angle), 0.0, 1.0], (entities, 1)),
            body_orientation=turn,
            body_position_std=np.zeros(entities),
            body_rotation_std=np.zeros(entities),
            posed=np.ones(entities, np.uint8),
        )
        assert update is not None
        return update


class Notices:
    """What a viewer of the stage is told."""

    def __init__(self, stage: Any) -> None:
        self.count = 0
        self.resynced = 0
        self._key = Tf.Notice.Register(Usd.Notice.ObjectsChanged, self._changed, stage)

    def _changed(self, notice: Any, _sender: Any) -> None:
        self.count += 1
        self.resynced += len(notice.GetResyncedPaths())


@dataclass(frozen=True, slots=True)
class _Pair:
    """A joint and the link that it turns."""

    position: Any
    orient: Any
    axis: int
    row: int


class Reader:
    """Reads robots over and over while they are written: seq, joint states, link transforms, seq again.

    The motion is a function of seq, so it is known what must stand in the stage beside each seq.
    """

    def __init__(self, live: LiveStage, motion: Motion) -> None:
        self._phase = motion.phase.tolist()
        self.values = 0
        self.wrong = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reader")
        self._robots = [self._attributes(live, robot) for robot in live.topology.robots]

    def start(self) -> None:
        """Begin reading."""
        sys.setswitchinterval(1e-4)  # take turns as often as possible
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()
        self._thread.join()

    def _attributes(self, live: LiveStage, robot: Any) -> tuple[Any, list[_Pair]]:
        get = live.stage.GetAttributeAtPath
        first = live.topology.first_joint[live.topology.entity_index[robot.id]]
        return get(f"{robot.prim}.twind:seq"), [
            _Pair(
                get(f"{joint.prim}.state:angular:physics:position"),
                get(f"{robot.links[joint.child].prim}.xformOp:orient"),
                joint.axis,
                row,
            )
            for row, joint in enumerate(robot.joints, first)
            if joint.movable
        ]

    def _run(self) -> None:
        while not self._stop.is_set():
            for seq, pairs in self._robots:
                before = seq.Get()
                read = [(pair.position.Get(), pair.orient.Get(), pair) for pair in pairs]
                if seq.Get() != before:
                    continue  # the robot was written meanwhile; what is read between two equal numbers belongs together
                self.values += 2 * len(read) + 1
                angle = _RATE * (before - 1)
                self.wrong += any(self._disagree(*one, angle) for one in read)

    def _disagree(self, degrees: float, orient: Any, pair: _Pair, angle: float) -> bool:
        """Whether a joint is not where its robot's seq says, or its link is not turned as the joint says, but for rounding."""
        half = math.radians(degrees) / 2
        expected = math.degrees(math.sin(angle + self._phase[pair.row]))
        turned = math.atan2(orient.GetImaginary()[pair.axis], orient.GetReal())
        return abs(degrees - expected) > 1e-5 or abs(turned - half) > 1e-3


def count_specs(layer: Any) -> int:
    """Return how many prims and properties a layer holds."""
    found = []
    layer.Traverse("/", found.append)
    return len(found)


def resident_mib() -> float:
    """Return what the process holds in memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20
