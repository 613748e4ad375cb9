"""The account of the velocities that joints report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from twind.estimation import NO_VERDICT, JointBank
from twind.estimation.velocities import judge_velocities
from twind.model.estimates import Verdict

MS = 1_000_000


def account(joints: Any, start_ns: int, factor: float, *, every: int = 1, std: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """Return verdicts and innovations of an arm's velocities, reported `factor` times as large, in batches of `every`."""
    rng = np.random.default_rng(4)
    t = start_ns + 4 * MS * np.arange(2500)
    s = (t - start_ns) * 1e-9
    z = 0.4 * np.sin(1.3 * s) + 0.2 * np.sin(3.1 * s) + rng.normal(0.0, 1e-4, s.size)
    v = factor * (0.52 * np.cos(1.3 * s) + 0.62 * np.cos(3.1 * s)) + rng.normal(0.0, 0.05, s.size)
    robot = joints(settings={"velocity_std": std})
    verdicts, nis = np.zeros(t.size, np.uint8), np.zeros(t.size)
    for first in range(0, t.size, every):
        part = slice(first, first + every)
        of_positions, _ = robot.feed(t[part], z[part], rates=v[part])
        count = of_positions.size
        layout, offset = np.full(count, robot.layout, np.int32), np.arange(count + 1)
        verdicts[part], nis[part] = judge_velocities(robot.bank, layout, t[part], offset, v[part], of_positions.reshape(-1))
    return verdicts, nis


@pytest.mark.parametrize("every", [1, 5])
def test_velocities_that_are_used_have_innovations_as_large_as_they_should_be(joints: Any, start_ns: int, every: int) -> None:
    verdicts, nis = account(joints, start_ns, 1.0, every=every)
    assert (verdicts[500:] == Verdict.ACCEPTED).mean() > 0.98
    assert 0.8 < np.nanmean(nis[500:]) < 1.2


def test_velocities_on_probation_and_those_of_a_liar_are_gated(joints: Any, start_ns: int) -> None:
    verdicts, nis = account(joints, start_ns, -1.0)
    assert (verdicts == Verdict.GATED).all()
    assert np.isnan(nis).all()
    assert account(joints, start_ns, 1.0)[0][0] == Verdict.GATED


def test_where_nobody_listens_or_nothing_was_sent_there_is_no_verdict(joints: Any, start_ns: int) -> None:
    assert (account(joints, start_ns, 1.0, std=np.nan)[0] == NO_VERDICT).all()
    robot = joints(2, settings={"velocity_std": 0.05})
    rates = np.array([np.nan, np.inf])
    of_positions, _ = robot.feed(start_ns, [0.1, 0.2], rates=rates)
    layout = np.full(1, robot.layout, np.int32)
    told = judge_velocities(robot.bank, layout, np.array([start_ns]), np.array([0, 2]), rates, of_positions.reshape(-1))
    assert told[0].tolist() == [NO_VERDICT, Verdict.NOT_FINITE]


def test_a_layout_that_passes_a_joint_over_has_no_verdict_for_it(start_ns: int) -> None:
    bank = JointBank(1)
    bank.configure(0, velocity_std=0.1)
    layout = np.array([bank.add_layout([-1, 0])], np.int32)
    verdicts, nis, rates = np.zeros(2, np.uint8), np.zeros(2), np.ones(2)
    t, offset = np.array([start_ns]), np.array([0, 2])
    bank.ingest(layout, t, np.zeros(1), np.zeros(1, np.uint8), offset, np.zeros(2), verdicts, nis, rates=rates)
    assert judge_velocities(bank, layout, t, offset, rates, verdicts)[0].tolist() == [NO_VERDICT, Verdict.GATED]
