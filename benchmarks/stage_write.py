"""What the live layer's writer costs per link, against a bare loop over cached specs that makes the same values.

The bare loop writes joint states and link transforms only; twind also writes the provenance of each robot. Beside them stands
`Usd.Attribute.Set` of each value: once per flush, and at every message with a look-up by path, as tutorials and samples do it.
Robots that send but do not move are within the dead band.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import machine
import numpy as np
import table
from pxr import Gf, Sdf, Usd

from twind.stage.live import LiveStage
from twind.stage.synthetic import random_update, serial_robots

if TYPE_CHECKING:
    from collections.abc import Callable

    from twind.model.state import Update
    from twind.model.topology import Topology

Specs = tuple[list[tuple[Any, Any, int]], list[tuple[Any, Any, int]]]

_ROBOTS, _JOINTS = 100, 7
_MESSAGES_HZ, _FLUSHES_HZ = 250, 30
"""Rates of a robot controller and of the stage."""


def measure(*, quick: bool) -> table.Section:
    """Measure the three ways in turn, so that they see the same machine."""
    rounds = 10 if quick else 60
    with machine.on(machine.MEASURED):
        live = LiveStage.over(serial_robots(_ROBOTS, joints=_JOINTS), instance="bench")
        rng = np.random.default_rng(1)
        updates = [random_update(live.topology, seq=seq, rng=rng) for seq in range(1, 10)]
        specs = find_specs(live.layer, live.topology)
        live.stage.SetEditTarget(Usd.EditTarget(live.layer))
        attributes = find_attributes(live.stage, specs)
        links = len(specs[1])
        twind, bare, samples, messages, idle = [], [], [], [], []
        paths = [[(str(first.path), str(second.path), row) for first, second, row in kind] for kind in specs]
        for number in range(rounds):
            # Never the same update twice in a row: a value that is already there costs less.
            first, second, third = (updates[(3 * number + way) % len(updates)] for way in range(3))
            twind.append(_cpu_us(lambda update=first: live.write(update)) / links)
            bare.append(_cpu_us(lambda update=second: bare_loop(specs, update)) / links)
            samples.append(_cpu_us(lambda update=third: set_each(attributes, update)) / links)
            if number % 5 == 0:
                messages.append(_cpu_us(lambda update=second: set_by_path(live.stage, paths, update)) / links)
            live.write(first)
            still = replace(first, sample_ns=first.sample_ns + 1, stamp_ns=first.stamp_ns + 1)
            idle.append(_cpu_us(lambda update=still: live.write(update)) / links)
        live.close()
    ratios = [ours / floor for ours, floor in zip(twind, bare, strict=True)]
    rows = (
        table.row("twind: everything of a robot, in one change block", "us/link", twind),
        table.row("bare loop over cached Sdf specs", "us/link", bare),
        table.row("  twind over bare loop, round by round", "ratio", ratios, bar=1.25),
        table.row("Usd.Attribute.Set of each value", "us/link", samples),
        table.row("the same, found by its path at every message", "us/link", messages),
        table.row(
            f"  twind at {_FLUSHES_HZ} Hz over that at {_MESSAGES_HZ} messages/s",
            "ratio",
            [ours * _FLUSHES_HZ / (theirs * _MESSAGES_HZ) for ours, theirs in zip(twind[::5], messages, strict=True)],
            bar=0.2,
        ),
        table.row("twind: all robots send, none moves", "us/link", idle),
        table.row("  over all moving", "ratio", [one / other for one, other in zip(idle, twind, strict=True)], bar=0.05),
    )
    return table.Section(f"Stage flush: {_ROBOTS} robots, {links} links, in memory", rows)


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


def find_attributes(stage: Any, specs: Specs) -> Specs:
    """Return the composed attributes that stand for the specs."""
    joints, links = (
        [(stage.GetAttributeAtPath(first.path), stage.GetAttributeAtPath(second.path), row) for first, second, row in kind]
        for kind in specs
    )
    return joints, links


def set_each(attributes: Specs, update: Update) -> None:
    """Set joint states and link transforms one by one, each with its own notice to the stage."""
    joints, links = attributes
    for position, velocity, row in joints:
        position.Set(float(np.degrees(update.joint_position[row])))
        velocity.Set(float(np.degrees(update.joint_velocity[row])))
    for place, turn, row in links:
        place.Set(Gf.Vec3d(*update.local_translate[row].tolist()))
        turn.Set(Gf.Quatf(*update.local_orient[row].tolist()))


def set_by_path(stage: Any, paths: list[list[tuple[str, str, int]]], update: Update) -> None:
    """Set joint states and link transforms one by one, each looked up first."""
    joints, links = (
        [(stage.GetAttributeAtPath(first), stage.GetAttributeAtPath(second), row) for first, second, row in kind]
        for kind in paths
    )
    set_each((joints, links), update)


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


def _cpu_us(call: Callable[[], object]) -> float:
    started = time.process_time()
    call()
    return (time.process_time() - started) * 1e6
