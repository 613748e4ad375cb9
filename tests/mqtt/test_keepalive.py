"""A silent connection is asked for a sign of life, and given up only when we listen and none comes."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from twind_mqtt.keepalive import KeepAlive, Pulse


def _live(keepalive: KeepAlive, *, until_s: float, answers: bool, listening: bool) -> list[tuple[float, Pulse]]:
    """Run a connection on which nothing happens but pings, and return what was decided and when."""
    now_s = sent_s = received_s = 0.0
    decided = []
    while now_s < until_s:
        now_s += keepalive.check_s
        pulse = keepalive.look(now_s, sent_s=sent_s, received_s=received_s, listening=listening)
        if pulse is not Pulse.FINE:
            decided.append((now_s, pulse))
        if pulse is Pulse.DEAD:
            break
        if pulse is Pulse.ASK:
            sent_s = now_s
            received_s = now_s if answers and listening else received_s
    return decided


@given(st.floats(5, 65_535))
def test_a_silent_broker_is_given_up_within_one_and_a_half_intervals(interval_s: float) -> None:
    decided = _live(KeepAlive(interval_s), until_s=interval_s * 10, answers=False, listening=True)
    assert [pulse for _, pulse in decided] == [Pulse.ASK, Pulse.DEAD]
    assert decided[-1][0] <= interval_s * 1.5 + 1e-6


@given(st.floats(5, 65_535), st.booleans())
def test_the_broker_hears_from_us_within_its_patience_whether_we_read_or_not(interval_s: float, listening: bool) -> None:  # noqa: FBT001
    decided = _live(KeepAlive(interval_s), until_s=interval_s * 10, answers=True, listening=listening)
    assert {pulse for _, pulse in decided} == {Pulse.ASK}
    asked = [0.0, *(when for when, _ in decided)]
    assert max(b - a for a, b in itertools.pairwise(asked)) <= interval_s


def test_a_broker_that_wants_no_signs_of_life_gets_none() -> None:
    assert _live(KeepAlive(0), until_s=1e5, answers=False, listening=True) == []


def test_what_was_asked_before_a_pause_is_not_held_against_the_broker_after_it() -> None:
    keepalive = KeepAlive(40)
    assert keepalive.look(30, sent_s=0, received_s=0, listening=True) is Pulse.ASK
    assert keepalive.look(35, sent_s=30, received_s=0, listening=False) is Pulse.FINE
    assert keepalive.look(300, sent_s=290, received_s=0, listening=False) is Pulse.FINE
    assert keepalive.look(301, sent_s=290, received_s=0, listening=True) is Pulse.ASK
    assert keepalive.look(302, sent_s=301, received_s=302, listening=True) is Pulse.FINE
