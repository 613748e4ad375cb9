"""Garbage of every kind: the state stays finite, and within a second of good data it is as if it had never been."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from twind.estimation.joint_records import LANES, PP
from twind.model.estimates import Verdict

MS = 1_000_000

VALUES = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True),
    st.floats(-10.0, 10.0),
    st.sampled_from([0.0, 1e9, -1e9, 1e282, 5e-324, math.pi]),
)
STEPS = st.one_of(
    st.integers(-50 * MS, 50 * MS),
    st.integers(-(2**62), 2**62),
    st.sampled_from([0, 1, -1, 3_600_000 * MS, -3_600_000 * MS, 2**63 - 1, -(2**63), 2**62 + 1]),
)


@settings(derandomize=True, max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    garbage=st.lists(st.tuples(STEPS, VALUES, st.floats(allow_nan=True)), max_size=40),
    modulus=st.sampled_from([0.0, math.tau]),
    jerk=st.sampled_from([1e-3, 500.0, 1e5]),
    std=st.sampled_from([1e-7, 1e-3, 1.0]),
)
@example([(0, 3.0, 0.0)], math.tau, 1e5, 1e-3)  # a wrapped joint that seemed to make a whole turn between samples
def test_any_garbage_leaves_the_state_finite_and_good_data_recover_it(  # noqa: PLR0917  (hypothesis fills them by name)
    joints: Any, start_ns: int, garbage: list[tuple[int, float, float]], modulus: float, jerk: float, std: float
) -> None:
    robot = joints(settings={"modulus": modulus, "jerk_noise": jerk, "position_std": std})
    newest = start_ns
    for step, value, sigma in garbage:
        t = max(-(2**63) + 1, min(2**63 - 1, start_ns + step))
        verdict, _ = robot.feed(t, value, sigma=sigma)
        assert verdict[0, 0] in list(Verdict)
        assert robot.finite()
        newest = max(newest, int(robot.bank.last_ns[0]))
    t = newest + 10 * MS * np.arange(1, 101)
    good = 0.3 + 0.01 * np.sin(3e-9 * (t - t[0]))
    robot.feed(t, good)
    assert robot.finite()
    assert robot.bank.last_ns[0] == t[-1]
    error = robot.predict()[0][0] - good[-1]
    if modulus:
        error = math.remainder(error, modulus)
    assert abs(error) < max(1e-3, 3.0 * std)


def test_half_the_samples_being_garbage_does_not_hide_the_good_half(joints: Any, start_ns: int) -> None:
    rng = np.random.default_rng(8)
    robot = joints()
    t = start_ns + 5 * MS * np.arange(2000)
    good = 0.4 * np.sin(2e-9 * (t - start_ns))
    bad = rng.random(2000) < 0.5
    values = np.where(bad, rng.uniform(-3.0, 3.0, 2000), good)
    estimated, stamps = robot.track(t, values[:, None])
    at_stamp = 0.4 * np.sin(2e-9 * (stamps[:, 0] - start_ns))
    error = np.abs(estimated[:, 0] - at_stamp)[200:]
    assert np.quantile(error, 0.95) < 0.01


def test_a_first_sample_that_is_garbage_is_forgotten(joints: Any, start_ns: int) -> None:
    robot = joints()
    robot.feed(start_ns, 1e6)
    t = start_ns + 10 * MS * np.arange(1, 11)
    verdict, _ = robot.feed(t, np.full(10, 0.2))
    assert verdict[:4, 0].tolist() == [Verdict.GATED, Verdict.GATED, Verdict.RESET, Verdict.ACCEPTED]
    assert robot.predict()[0][0] == pytest.approx(0.2, abs=1e-3)


def test_any_order_of_messages_leaves_the_state_finite(joints: Any, start_ns: int) -> None:
    rng = np.random.default_rng(9)
    t = start_ns + 10 * MS * np.arange(200)
    for _ in range(20):
        robot = joints()
        order = rng.permutation(200)
        robot.feed(t[order], np.sin(1e-9 * (t - start_ns))[order])
        assert robot.finite()
        assert robot.bank.last_ns[0] == t[-1]


@pytest.mark.parametrize("ratio", [1.0, 1e6, 1e12])
def test_the_covariance_stays_positive_however_wide_the_prior(joints: Any, start_ns: int, ratio: float) -> None:
    robot = joints()
    robot.feed(start_ns, 0.0)
    robot.bank._tracks["x"][:, PP : PP + LANES] = ratio * robot.bank._rows["r"]
    rng = np.random.default_rng(4)
    t = start_ns + np.cumsum(rng.integers(1, 20 * MS, 20_000))
    robot.feed(t, rng.normal(0.0, 1e-3, t.size))
    assert robot.finite()
