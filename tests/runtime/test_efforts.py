"""Reported efforts: shown smoothed while they can be believed, and never part of positions and velocities."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.runtime.cell import ARM, MS, START, Cell
from tests.runtime.swinging import Machine
from twind.model.messages import RawMessage
from twind.model.topology import JointHints, Topology
from twind.runtime.figures import stream_figures
from twind.telemetry import events

if TYPE_CHECKING:
    from collections.abc import Callable

LISTENING = {"joints": {"use_effort": True}}


def play(cell: Cell, machine: Machine, seconds: float, lie: Callable[[float, float], float], *, hz: float = 100.0) -> list[Any]:
    """Send a machine's motion, the shoulder's effort changed by `lie(t, effort)`; return what happened."""
    found: list[Any] = []
    for index in range(int(seconds * hz)):
        t = index / hz
        position, effort = machine.at(t)
        effort[0] = lie(t, effort[0])
        cell.joints(START + int(t * 1e9), position, effort=effort)
        found += [(t, event) for event in cell.watch.new_events()]
    return found


def switched(found: list[Any]) -> list[tuple[str, str, str]]:
    kinds = (events.ChannelDisabled, events.ChannelRestored)
    return [(type(event).__name__, event.channel, event.joint) for _, event in found if isinstance(event, kinds)]


def shown(cell: Cell, t: float) -> list[float | None]:
    joints = cell.show(START + int(t * 1e9), "arm")["joints"]
    return [joints[name].get("effort") for name in ("shoulder", "elbow")]


def channel(cell: Cell) -> Any:
    return stream_figures(cell.estimators, 0, 1, recent=False)[0].channels.get("effort")


def test_an_effort_is_smoothed_whatever_the_rate_and_shown_beside_the_position() -> None:
    for hz in (20.0, 200.0):
        cell = Cell(joints={"use_effort": True, "effort_tau_ms": 100.0})
        for index in range(int(hz) + 1):
            t = index / hz
            cell.joints(START + int(t * 1e9), [0.1, 0.2], effort=[0.0 if t < 0.75 else 8.0, -3.0])
        assert shown(cell, 1.0) == [pytest.approx(8.0 * (1.0 - math.exp(-2.5)), rel=0.08 if hz > 100 else 0.2), -3.0]
        assert channel(cell).samples == channel(cell).verdicts["accepted"] == 2 * (int(hz) + 1)


def test_efforts_are_left_out_unless_somebody_listens() -> None:
    cell = Cell()
    cell.joints(START, [0.1, 0.2], effort=[1.0, 2.0])
    assert cell.estimators.efforts is None
    assert shown(cell, 0.0) == [None, None]
    assert channel(cell) is None


@pytest.mark.parametrize("by", ["stage", "name"])
def test_single_joints_listen_by_the_stage_or_by_name(by: str) -> None:
    hinted = replace(ARM, joints=(ARM.joints[0], replace(ARM.joints[1], hints=JointHints(use_effort=True))))
    named = {"joints": {"names": {"elbow": {"use_effort": True}}}}
    cell = Cell(Topology(root="x", robots=(hinted,))) if by == "stage" else Cell(**named)
    cell.joints(START, [0.1, 0.2], effort=[1.0, 2.0])
    assert shown(cell, 0.0) == [None, 2.0]
    assert channel(cell).samples == 1


def test_positions_are_the_same_to_the_last_bit_whatever_the_efforts() -> None:
    machine, with_it, without = Machine(1), Cell(**LISTENING), Cell()
    for index in range(300):
        position, effort = machine.at(index * 0.01)
        with_it.joints(START + index * 10 * MS, position, effort=[1e300, -effort[1]])
        without.joints(START + index * 10 * MS, position)
    for one, other in zip(_predicted(with_it), _predicted(without), strict=True):
        assert np.array_equal(one, other)


def _predicted(cell: Cell) -> tuple[Any, ...]:
    prediction = cell.estimators.predict_to(START + 3_100 * MS)
    return prediction.joint_position, prediction.joint_velocity, prediction.joint_std


@pytest.mark.parametrize(
    ("seed", "friction", "hz"), [(0, 0.0, 20.0), (0, 0.0, 100.0), (1, 0.15, 20.0), (2, 0.15, 50.0), (3, 0.0, 10.0)]
)
def test_an_honest_effort_is_never_disabled(seed: int, friction: float, hz: float) -> None:
    assert switched(play(Cell(**LISTENING), Machine(seed, friction=friction), 60.0, lambda _, effort: effort, hz=hz)) == []


@pytest.mark.parametrize("seed", range(3))
def test_an_inverted_effort_is_disabled_where_there_is_friction_and_comes_back_when_it_is_put_right(seed: int) -> None:
    cell = Cell(**LISTENING)
    found = play(cell, Machine(seed, friction=0.3), 120.0, lambda t, effort: -effort if t < 40.0 else effort, hz=50.0)
    assert switched(found) == [("ChannelDisabled", "effort", "shoulder"), ("ChannelRestored", "effort", "shoulder")]
    disabled, restored = (t for t, event in found if isinstance(event, (events.ChannelDisabled, events.ChannelRestored)))
    assert disabled < 30.0
    assert restored > 60.0


def test_a_disabled_effort_is_not_shown_and_its_samples_are_gated() -> None:
    cell = Cell(**LISTENING)
    play(cell, Machine(0), 10.0, lambda _, __: 4.25)
    lying, honest = shown(cell, 10.0)
    assert lying is None
    assert honest is not None
    assert 0 < channel(cell).verdicts["gated"] < 1000


def test_a_number_that_stays_through_motion_is_disabled_but_not_at_rest() -> None:
    moving, resting = Cell(**LISTENING), Cell(**LISTENING)
    found = play(moving, Machine(0), 10.0, lambda _, __: 0.0)
    assert switched(found) == [("ChannelDisabled", "effort", "shoulder")]
    assert switched(play(resting, Machine(0, amplitude=0.0), 30.0, lambda _, __: 12.5)) == []


def test_one_beyond_ten_times_the_declared_limit_is_disabled_and_single_ones_are_only_refused() -> None:
    limited = replace(ARM, joints=tuple(replace(joint, effort_limit=50.0) for joint in ARM.joints))
    for lie, expected in (
        (lambda _, __: 501.0, [("ChannelDisabled", "effort", "shoulder")]),
        (lambda t, effort: 501.0 if round(t * 100) % 50 == 0 else effort, []),
        (lambda _, effort: min(max(effort * 5.0, -499.0), 499.0), []),
    ):
        cell = Cell(Topology(root="x", robots=(limited,)), **LISTENING)
        assert switched(play(cell, Machine(2), 12.0, lie)) == expected
        value = shown(cell, 12.0)[0]
        assert value is None if expected else value is not None and abs(value) < 500.0


def test_an_effort_that_stopped_coming_is_no_longer_shown() -> None:
    cell = Cell(**LISTENING)
    cell.joints(START, [0.1, 0.2], effort=[1.0, 2.0])
    for index in range(1, 8):
        cell.joints(START + index * 100 * MS, [0.1, 0.2])
    assert shown(cell, 0.7) == [None, None]


def test_late_efforts_are_too_old_and_time_that_was_set_back_begins_anew() -> None:
    cell = Cell(**LISTENING)
    for index in (0, 2, 1):
        cell.joints(START + index * 10 * MS, [0.1, 0.2], effort=[float(index), 0.0])
    assert channel(cell).verdicts["too_old"] == 2
    assert channel(cell).verdicts["accepted"] == 4
    for index in range(400):
        stamp = START - 3_600_000 * MS + index * 10 * MS
        message = f'{{"stamp": {stamp}, "position": [0.1, 0.2], "effort": [7.0, 7.0]}}'.encode()
        cell.feed.process([RawMessage("joint_state/arm", message, START + (30 + index * 10) * MS)])
    assert cell.estimators.efforts is not None
    efforts = cell.estimators.efforts.shown(cell.estimators.joints.last_ns, coast_ns=500 * MS)
    assert efforts == pytest.approx([7.0, 7.0], abs=0.01)


def test_garbage_is_counted_and_passes() -> None:
    cell = Cell(**LISTENING)
    for index in range(100):
        bad = index in (40, 41)
        text = "1e999" if bad else "3.0"
        message = f'{{"stamp": {START + index * 10 * MS}, "position": [0.1, 0.2], "effort": [{text}, 3.0]}}'.encode()
        cell.feed.process([RawMessage("joint_state/arm", message, START + index * 10 * MS)])
    assert shown(cell, 1.0) == [3.0, 3.0]
