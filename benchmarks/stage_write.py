"""What the live layer's writer costs per value, against a bare loop over cached specs that makes the same values.

Run alone: `python benchmarks/stage_write.py [ROBOTS]`.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from pxr import Gf, Sdf

from twind.stage.live import LiveStage
from twind.stage.synthetic import random_update, serial_robots

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind.model.state import Update
    from twind.model.topology import Topology

Specs = tuple[list[tuple[Any, Any, int]], list[tuple[Any, Any, int]]]


def measure(*, robots: int = 100, joints: int = 7, rounds: int = 60) -> dict[str, float]:
    """Return CPU time per link of both, in microseconds, and their ratio; the two alternate to see the same machine."""
    live = LiveStage.over(serial_robots(robots, joints=joints), instance="bench")
    rng = np.random.default_rng(1)
    updates = [random_update(live.topology, seq=seq, rng=rng) for seq in range(1, 9)]
    specs = find_specs(live.layer, live.topology)
    links = len(specs[1])
    twind, bare = [], []
    for number in range(rounds):
        # Never the same update twice in a row: a value that is already there costs less.
        first, second = updates[2 * number % len(updates)], updates[(2 * number + 1) % len(updates)]
        twind.append(_cpu_s(lambda update=first: live.write(update)))
        bare.append(_cpu_s(lambda update=second: bare_loop(specs, update)))
    live.close()
    ours, floor = statistics.median(twind) / links * 1e6, statistics.median(bare) / links * 1e6
    return {"links": links, "twind_us_per_link": ours, "bare_us_per_link": floor, "ratio": ours / floor}


def find_specs(layer: Any, topology: Topology) -> Specs:
    """Return (position, velocity, row) of every joint and (translate, orient, row) of every link that the live layer writes."""
    joints, links = [], []
    for robot, first in zip(topology.robots, topology.first_joint, strict=False):
        for row, joint in enumerate(robot.joints, first):
            found = [
                layer.GetAttributeAtPath(f"{joint.prim}.state:angular:physics:{what}") for what in ("position", "velocity")
            ]
            if all(found):
                joints.append((found[0], found[1], row))
    frames = [link for robot in topology.robots for link in robot.links] + list(topology.objects)
    for row, frame in enumerate(frames):
        found = [layer.GetAttributeAtPath(f"{frame.prim}.xformOp:{what}") for what in ("translate", "orient")]
        if all(found):
            links.append((found[0], found[1], row))
    return joints, links


def bare_loop(specs: Specs, update: Update) -> None:
    """Write joint states and link transforms, and nothing else, in the plainest fast way."""
    joints, links = specs
    degrees, speeds = np.degrees(update.joint_position).tolist(), np.degrees(update.joint_velocity).tolist()
    translate, orient = update.local_translate.tolist(), update.local_orient.tolist()
    with Sdf.ChangeBlock():
        for position, velocity, row in joints:
            position.default = degrees[row]
            velocity.default = speeds[row]
        for place, turn, row in links:
            place.default = Gf.Vec3d(*translate[row])
            turn.default = Gf.Quatf(*orient[row])


def _cpu_s(call: Callable[[], object]) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start


if __name__ == "__main__":
    print(json.dumps(measure(robots=int(sys.argv[1]) if len(sys.argv) > 1 else 100), indent=2))
