"""What is counted of every stream."""

from __future__ import annotations

import numpy as np
import pytest

from twind.estimation.joint_kernels import NO_VERDICT
from twind.estimation.tally import CHANNELS, FREEDOM, POSITION, WINDOW, Innovations, Tally
from twind.model.estimates import Verdict

ONE = slice(1, 2)
POSE = CHANNELS.index("pose")


def test_every_sample_is_counted_once_for_its_stream_and_those_passed_over_are_not() -> None:
    tally = Tally(3)
    verdicts = np.array([Verdict.ACCEPTED, NO_VERDICT, Verdict.RESET, Verdict.GATED, Verdict.ACCEPTED], np.uint8)
    nis = np.array([2.0, 9.0, 9.0, 9.0, np.nan])
    resets = tally.add(np.array([1, 2], np.int32), verdicts, nis, offset=np.array([0, 3, 5]))
    assert resets == 1
    assert tally.verdicts(POSITION, ONE).tolist() == [1, 0, 1, 0, 0, 0, 0]
    assert tally.verdicts(POSITION, slice(0, 3)).tolist() == [2, 1, 1, 0, 0, 0, 0]
    assert tally.innovations(POSITION, slice(0, 3), recent=False) == Innovations(1, 2.0, 1)


def test_samples_of_bodies_are_counted_by_their_channel() -> None:
    tally = Tally(2)
    channel = np.array([POSE, 2, POSE], np.uint8)
    tally.add(np.ones(3, np.int32), np.zeros(3, np.uint8), np.array([6.0, 1.0, 8.0]), channel=channel)
    assert [int(tally.verdicts(index, ONE).sum()) for index in range(len(CHANNELS))] == [0, 2, 1, 0, 0, 0, 0]
    assert tally.innovations(POSE, ONE, recent=True).mean == 7.0


def test_messages_are_counted_apart_from_their_samples() -> None:
    tally = Tally(3)
    tally.add_messages(np.array([1, 2, 1], np.int32))
    assert tally.messages.tolist() == [0, 2, 1]
    assert tally.used(0, 3) == [[False] * len(CHANNELS)] * 3


def test_a_sample_that_is_withdrawn_changes_its_verdict() -> None:
    tally = Tally(2)
    channel = np.full(3, POSE, np.uint8)
    tally.add(np.ones(3, np.int32), np.zeros(3, np.uint8), np.ones(3), channel=channel)
    tally.withdraw(POSE, np.array([1], np.int32))
    assert tally.verdicts(POSE, ONE).tolist() == [2, 1, 0, 0, 0, 0, 0]


def test_the_running_mean_forgets_what_was_two_windows_ago() -> None:
    tally = Tally(2)
    for value, count in ((100.0, WINDOW), (1.0, 2 * WINDOW)):
        tally.add(np.ones(count, np.int32), np.zeros(count, np.uint8), np.full(count, value))
    recent, everything = (tally.innovations(POSITION, ONE, recent=recent) for recent in (True, False))
    assert (recent.mean, recent.count) == (1.0, WINDOW)
    assert everything.mean == pytest.approx(34.0)


@pytest.mark.parametrize("channel", range(len(CHANNELS)))
def test_the_mean_of_honest_innovations_lies_in_its_band_95_times_in_100(channel: int) -> None:
    rng = np.random.default_rng(4)
    inside = 0
    for _ in range(400):
        nis = rng.chisquare(FREEDOM[channel], 300)
        low, high = Innovations(FREEDOM[channel], float(nis.sum()), len(nis)).band_95
        inside += low < nis.mean() < high
    assert 0.92 < inside / 400 < 0.98


def test_before_the_first_sample_there_is_no_mean() -> None:
    nothing = Tally(1).innovations(POSITION, slice(0, 1), recent=True)
    assert np.isnan([nothing.mean, *nothing.band_95]).all()


def test_warming_up_counts_nothing() -> None:
    tally = Tally(1)
    tally.warm_up()
    assert tally.messages.tolist() == [0]
