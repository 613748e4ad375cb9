from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twind.estimation import ClockBank
from twind.model.estimates import Verdict
from twind.model.time import NO_STAMP

if TYPE_CHECKING:
    from collections.abc import Callable

US = 1_000
MS = 1_000_000
SECOND = 1_000_000_000
HOUR = 3600 * SECOND
YEAR_2100 = 4_102_444_800 * SECOND


def wifi(rng: np.random.Generator, count: int) -> np.ndarray:
    """Delays of 3 ms plus an exponential of 4 ms, and 1 % of 50 to 200 ms [ns]."""
    delay = 3e6 + rng.exponential(4e6, count)
    late = rng.random(count) < 0.01
    delay[late] = rng.uniform(50e6, 200e6, int(late.sum()))
    return delay.astype(np.int64)


def steady(start_ns: int, count: int, *, rate_hz: float = 100.0) -> np.ndarray:
    return start_ns + (np.arange(count) * (1e9 / rate_hz)).astype(np.int64)


@pytest.mark.parametrize("rate_hz", [10, 100, 500])
@pytest.mark.parametrize("skew", [50e-6, -80e-6, 0.0])
@pytest.mark.parametrize("offset_ns", [HOUR, -2 * HOUR, 300 * MS])
def test_a_free_running_clock_is_mapped_within_half_a_millisecond_behind_wifi(
    clocks: Any, start_ns: int, rate_hz: int, skew: float, offset_ns: int
) -> None:
    rng = np.random.default_rng(21)
    true = steady(start_ns, rate_hz * 90, rate_hz=rate_hz)
    device = start_ns + ((true - start_ns) * (1.0 + skew)).astype(np.int64) + offset_ns
    receive = np.maximum.accumulate(true + wifi(rng, true.size))
    clock = clocks()
    mapped, sigma, verdict = clock.map(device, receive)
    assert not verdict.any()
    assert (mapped <= receive).all()
    error = (mapped - true - 3 * MS)[rate_hz * 30 :]  # the constant floor of the delay cannot be seen one-way
    assert np.sqrt((error.astype(float) ** 2).mean()) < 0.5 * MS
    assert sigma[rate_hz * 30 :].max() < 0.5e-3
    assert clock.bank.skew[0] == pytest.approx(-skew, abs=1e-5)
    assert clock.bank.offset_s[0] == pytest.approx((mapped[-1] - device[-1]) * 1e-9, abs=1e-5)
    assert 1e-3 < clock.bank.jitter_s[0] < 0.2
    assert clock.bank.steps[0] == 0
    assert not clock.bank.trusted[0]


@pytest.mark.parametrize(("rate_hz", "seeds"), [(5, 60), (20, 20), (200, 4), (1000, 3)])
@pytest.mark.parametrize("in_order", [True, False])
def test_that_holds_with_a_margin_whatever_the_rate_and_the_order_of_delivery(
    clocks: Any, start_ns: int, *, rate_hz: int, seeds: int, in_order: bool
) -> None:
    for seed in range(seeds):
        true = steady(start_ns, rate_hz * 60, rate_hz=rate_hz)
        device = start_ns + ((true - start_ns) * (1.0 + 50e-6)).astype(np.int64) + HOUR
        receive = true + wifi(np.random.default_rng(seed), true.size)
        receive = np.maximum.accumulate(receive) if in_order else receive
        order = np.argsort(receive, kind="stable")
        mapped, _, _ = clocks().map(device[order], receive[order])
        error = (mapped - true[order] - 3 * MS)[rate_hz * 30 :]
        assert np.sqrt((error.astype(float) ** 2).mean()) < 0.35 * MS


@pytest.mark.parametrize("change_ns", [2 * MS, -2 * MS, 20 * MS])
def test_older_delays_do_not_count_where_a_changed_route_speaks_against_them(
    clocks: Any, start_ns: int, change_ns: int
) -> None:
    true = steady(start_ns, 2000, rate_hz=10)
    rng = np.random.default_rng(27)
    delay = 30 * MS + rng.exponential(MS, true.size).astype(np.int64) + np.where(np.arange(true.size) < 1000, 0, change_ns)
    mapped, _, _ = clocks().map(true + HOUR, true + delay)
    error = mapped - true - 30 * MS
    assert np.abs(error[300:1000]).max() < 0.3 * MS
    assert np.abs(error[1450:] - change_ns).max() < 0.5 * MS


def test_skew_stays_within_its_bound(clocks: Any, start_ns: int) -> None:
    true = steady(start_ns, 6000)
    clock = clocks({"max_skew": 1e-4})
    clock.map(start_ns + ((true - start_ns) * 1.001).astype(np.int64) + HOUR, true + MS)
    assert abs(clock.bank.skew[0]) <= 1e-4


def test_a_device_that_shares_the_clock_keeps_its_stamps(clocks: Any, start_ns: int) -> None:
    rng = np.random.default_rng(22)
    device = steady(start_ns, 9000)
    clock = clocks()
    mapped, sigma, verdict = clock.map(device, np.maximum.accumulate(device + wifi(rng, device.size)))
    assert np.array_equal(mapped, device)
    assert not sigma.any()
    assert not verdict.any()
    assert clock.bank.trusted[0]
    assert clock.bank.offset_s[0] == 0.0


def test_trust_is_not_lost_over_one_stamp_slightly_ahead_of_its_arrival(clocks: Any, start_ns: int) -> None:
    device = steady(start_ns, 500)
    receive = device + MS
    receive[250] = device[250] - 20 * MS
    clock = clocks()
    mapped, _, _ = clock.map(device, receive)
    assert clock.bank.trusted[0]
    assert mapped[250] == receive[250] + MS
    assert np.array_equal(np.delete(mapped, 250), np.delete(device, 250))


def test_trust_is_withdrawn_when_the_device_runs_ahead(clocks: Any, start_ns: int) -> None:
    device = steady(start_ns, 500)
    receive = device + MS
    receive[250:] = device[250:] - 20 * MS
    clock = clocks()
    mapped, _, _ = clock.map(device, receive)
    assert not clock.bank.trusted[0]
    assert (mapped[260:] <= receive[260:]).all()


def test_a_slow_start_does_not_cost_trust_for_good(clocks: Any, start_ns: int) -> None:
    device = steady(start_ns, 200)
    delay = np.full(200, MS)
    delay[:5] = [900 * MS, 700 * MS, 500 * MS, 300 * MS, 100 * MS]
    clock = clocks()
    mapped, _, _ = clock.map(device, np.maximum.accumulate(device + delay))
    assert clock.bank.trusted[0]
    assert np.array_equal(mapped[100:], device[100:])


def test_trust_can_be_switched_off(clocks: Any, start_ns: int) -> None:
    device = steady(start_ns, 200)
    clock = clocks({"trust_within_ns": 0})
    mapped, _, _ = clock.map(device, device + 5 * MS)
    assert not clock.bank.trusted[0]
    assert np.array_equal(mapped, device + 5 * MS)


@pytest.mark.parametrize("missing", [NO_STAMP, 0])
def test_without_a_stamp_the_arrival_counts_with_its_jitter(clocks: Any, start_ns: int, missing: int) -> None:
    rng = np.random.default_rng(23)
    clock = clocks()
    receive = steady(start_ns, 2000) + rng.integers(0, 4 * MS, 2000)
    mapped, sigma, verdict = clock.map(np.full(2000, missing), receive)
    assert np.array_equal(mapped, receive)
    assert not verdict.any()
    assert sigma[0] == pytest.approx(6.25e-3)
    assert 0.3e-3 < sigma[-1] < 4e-3
    assert np.isnan(clock.bank.offset_s[0])


@pytest.mark.parametrize("step_ns", [HOUR, -HOUR, 5 * SECOND, -5 * SECOND, 40 * 365 * 24 * HOUR])
@pytest.mark.parametrize("offset_ns", [0, 7 * HOUR])
@pytest.mark.parametrize(("rate_hz", "costs"), [(2.0, 2), (10.0, 2), (100.0, 24)])
def test_a_clock_step_is_followed_after_three_messages_and_a_quarter_second(
    clocks: Any, start_ns: int, *, step_ns: int, offset_ns: int, rate_hz: float, costs: int
) -> None:
    true = steady(start_ns, 400, rate_hz=rate_hz)
    device = true + offset_ns
    device[200:] += step_ns
    clock = clocks()
    mapped, _, verdict = clock.map(device, true + MS)
    refused = np.arange(200, 200 + costs)
    assert set(verdict[refused]) == {Verdict.FUTURE if step_ns > 0 else Verdict.TOO_OLD}
    assert not np.delete(verdict, refused).any()
    assert np.abs(np.delete(mapped - true, refused)).max() <= MS
    assert clock.bank.steps[0] == 1


@pytest.mark.parametrize("offset_ns", [0, 7 * HOUR])
@pytest.mark.parametrize(
    ("lie", "verdict"),
    [
        (lambda _: 1, Verdict.TOO_OLD),
        (lambda at: at, Verdict.TOO_OLD),  # goes on from 1970 at the right pace
        (lambda _: YEAR_2100, Verdict.FUTURE),
        (lambda at: YEAR_2100 + at, Verdict.FUTURE),
        (lambda _: 0, Verdict.TOO_OLD),
        (lambda _: NO_STAMP, Verdict.TOO_OLD),
    ],
)
def test_lies_that_agree_with_each_other_do_not_move_a_clock_that_goes_on(
    clocks: Any, start_ns: int, offset_ns: int, lie: Callable[[int], int], verdict: Verdict
) -> None:
    clock = clocks()
    true = steady(start_ns, 300)
    honest, _, verdicts = clock.map(true[:100] + offset_ns, true[:100] + MS)
    assert not verdicts.any()
    for at in true[100:]:
        between = at + np.arange(1, 9) * MS  # eight lies after each honest message
        lies = np.array([lie(int(instant - start_ns)) for instant in between])
        _, _, verdicts = clock.map(lies, between + MS)
        assert set(verdicts) == {verdict}
        mapped, _, verdicts = clock.map(np.array([at + 10 * MS + offset_ns]), np.array([at + 11 * MS]))
        assert verdicts[0] == Verdict.ACCEPTED
        assert mapped[0] - (at + 10 * MS) == honest[0] - true[0]
    assert clock.bank.steps[0] == 0


def test_a_clock_step_is_followed_when_every_message_comes_twice(clocks: Any, start_ns: int) -> None:
    true = np.repeat(steady(start_ns, 200), 2)
    device = true.copy()
    device[200:] += HOUR
    clock = clocks()
    mapped, _, verdict = clock.map(device, true + MS)
    assert not verdict[260:].any()
    assert np.abs(mapped - true)[260:].max() <= MS
    assert clock.bank.steps[0] == 1


def test_a_stamp_that_stands_still_is_no_clock_however_long_it_comes(clocks: Any, start_ns: int) -> None:
    true = steady(start_ns, 20, rate_hz=2.0)
    clock = clocks()
    clock.map(true, true + MS)
    lies = true[-1] + np.arange(1, 40) * 5 * MS
    _, _, verdicts = clock.map(np.full(39, SECOND), lies)
    assert set(verdicts) == {Verdict.TOO_OLD}
    assert clock.bank.steps[0] == 0


@pytest.mark.parametrize(
    ("absurd", "verdict"),
    [
        (1, Verdict.TOO_OLD),
        (3600 * SECOND, Verdict.TOO_OLD),
        (-1, Verdict.TOO_OLD),
        (-(2**63) + 1, Verdict.TOO_OLD),
        (YEAR_2100, Verdict.FUTURE),
        (2**62, Verdict.FUTURE),
        (2**63 - 1, Verdict.FUTURE),
    ],
)
def test_single_absurd_stamps_are_refused_and_change_nothing(clocks: Any, start_ns: int, absurd: int, verdict: Verdict) -> None:
    true = steady(start_ns, 300)
    clean, dirty = clocks(), clocks()
    clean.map(true + HOUR, true + MS)
    device = true + HOUR
    marked = np.insert(device, [50, 150, 250], absurd)
    arrivals = np.insert(true + MS, [50, 150, 250], true[[50, 150, 250]])
    mapped, _, verdicts = dirty.map(marked, arrivals)
    assert verdicts[[50, 151, 252]].tolist() == [verdict] * 3
    assert np.count_nonzero(verdicts) == 3
    assert np.array_equal(np.delete(mapped, [50, 151, 252]), true + MS)
    assert dirty.bank.steps[0] == 0
    assert dirty.bank.offset_s[0] == clean.bank.offset_s[0]
    assert dirty.bank.skew[0] == clean.bank.skew[0]


def test_a_first_stamp_that_is_absurd_is_forgotten(clocks: Any, start_ns: int) -> None:
    device = steady(start_ns, 10)
    receive = device + MS
    device[0] = YEAR_2100
    clock = clocks()
    mapped, _, _ = clock.map(device, receive)
    assert np.array_equal(mapped[3:], device[3:])


def test_messages_that_were_held_up_keep_their_instants(clocks: Any, start_ns: int) -> None:
    true = steady(start_ns, 3000)
    receive = true + MS
    receive[1000:2000] = true[2000]  # ten seconds of outage, then all at once
    clock = clocks()
    mapped, _, verdict = clock.map(true, receive)
    assert not verdict.any()
    assert np.array_equal(mapped, true)
    assert clock.bank.steps[0] == 0


@pytest.mark.parametrize("offset_ns", [0, 7 * HOUR])
def test_a_long_outage_and_a_slow_flush_do_not_move_the_clock(clocks: Any, start_ns: int, offset_ns: int) -> None:
    true = steady(start_ns, 20_000)
    receive = true + MS
    held = np.arange(2000, 12_000)  # one hundred seconds, delivered over the next five
    receive[held] = true[12_000] + (held - 2000) * 5 * SECOND // held.size
    receive[12_000:] = np.maximum(receive[12_000:], receive[11_999] + 1)
    clock = clocks()
    mapped, _, verdict = clock.map(true + offset_ns, receive)
    assert not verdict.any()
    assert np.abs(mapped - true).max() <= 2 * MS
    assert clock.bank.steps[0] == 0


@pytest.mark.parametrize("silence_s", [1, 29, 31, 3600])
def test_trust_survives_a_silence(clocks: Any, start_ns: int, silence_s: int) -> None:
    device = steady(start_ns, 400)
    device[200:] += silence_s * SECOND
    clock = clocks()
    mapped, sigma, _ = clock.map(device, device + MS)
    assert np.array_equal(mapped, device)
    assert not sigma.any()


def test_trust_is_withdrawn_when_every_delay_is_far_too_long(clocks: Any, start_ns: int) -> None:
    device = steady(start_ns, 8000)
    delay = np.where(np.arange(8000) < 1000, 5 * MS, 150 * MS)
    clock = clocks()
    clock.map(device, device + delay)
    assert not clock.bank.trusted[0]


def test_a_device_that_slept_is_followed_within_two_seconds(clocks: Any, start_ns: int) -> None:
    device = steady(start_ns, 1000)
    receive = device + MS
    receive[500:] += HOUR  # its clock stood still for an hour
    clock = clocks()
    mapped, _, _ = clock.map(device, receive)
    assert np.abs(mapped - receive)[700:].max() <= MS


def test_a_receiver_whose_own_clock_is_set_back_goes_on(clocks: Any, start_ns: int) -> None:
    true = steady(start_ns, 4000)
    shift = np.where(np.arange(4000) < 2000, 0, -HOUR)
    clock = clocks()
    mapped, _, verdict = clock.map(true + 7 * HOUR, true + MS + shift)
    assert np.count_nonzero(verdict) <= 2
    assert np.abs(mapped - true - shift)[2010:].max() <= 2 * MS


def test_streams_do_not_disturb_each_other(start_ns: int) -> None:
    true = steady(start_ns, 500)
    bank = ClockBank(2)
    stream = np.tile(np.array([0, 1], np.int32), 500)
    device = np.stack([true, true + HOUR], axis=1).ravel()
    receive = np.repeat(true + MS, 2)
    mapped, sigma, verdict = np.zeros(1000, np.int64), np.zeros(1000), np.zeros(1000, np.uint8)
    bank.map(stream, device, receive, mapped, sigma, verdict)
    assert bank.trusted.tolist() == [True, False]
    assert bank.offset_s.tolist() == pytest.approx([0.0, -3600.0 + 1e-3])
    assert repr(bank) == "<ClockBank 2/2 streams stamped, 1 trusted>"


@settings(derandomize=True, max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.integers(-(2**63), 2**63 - 1),
                st.sampled_from([NO_STAMP, NO_STAMP + 1, 0, 1, 2**62, 2**62 + 1, 2**63 - 1, YEAR_2100]),
                st.integers(1_600_000_000 * SECOND, 1_800_000_000 * SECOND),
            ),
            st.integers(-SECOND, 10 * SECOND),
        ),
        max_size=60,
    )
)
def test_any_stamps_leave_the_clock_finite_and_good_ones_recover_it(
    clocks: Any, start_ns: int, garbage: list[tuple[int, int]]
) -> None:
    clock = clocks()
    receive = start_ns
    for device, step in garbage:
        receive += step
        mapped, sigma, verdict = clock.map(device, receive)
        assert np.isfinite(sigma).all()
        assert verdict[0] in (Verdict.ACCEPTED, Verdict.FUTURE, Verdict.TOO_OLD)
        assert verdict[0] != Verdict.ACCEPTED or mapped[0] <= receive + MS
    true = steady(receive + 10 * MS, 200)
    mapped, sigma, verdict = clock.map(true, true + MS)
    assert np.isfinite(sigma).all()
    assert not verdict[100:].any()
    assert np.abs(mapped - true)[150:].max() <= 10 * MS


def test_columns_that_do_not_fit_are_refused() -> None:
    bank = ClockBank(1)
    one, flag = np.ones(1, np.int64), np.zeros(1, np.uint8)
    with pytest.raises(ValueError, match="entries"):
        bank.map(np.zeros(2, np.int32), one, one, one, np.zeros(1), flag)
    with pytest.raises(ValueError, match="row"):
        bank.map(np.ones(1, np.int32), one, one, one, np.zeros(1), flag)
