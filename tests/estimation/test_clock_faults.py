from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from twind.estimation import ClockBank
from twind.estimation.clocks import COUNTS
from twind.model.estimates import Verdict
from twind.model.time import NO_STAMP

MS = 1_000_000
SECOND = 1_000_000_000
HOUR = 3600 * SECOND


def steady(start_ns: int, count: int, *, rate_hz: float = 100.0) -> np.ndarray:
    return start_ns + (np.arange(count) * (1e9 / rate_hz)).astype(np.int64)


def count(clock: Any, name: str) -> int:
    return int(clock.bank.counts()[name][0])


def test_every_count_starts_at_zero_and_is_reported() -> None:
    counts = ClockBank(3).counts()
    assert tuple(counts) == COUNTS
    assert all(column.tolist() == [0, 0, 0] for column in counts.values())


def test_missing_zero_and_absurd_stamps_are_counted_apart(clocks: Any, start_ns: int) -> None:
    true = steady(start_ns, 100)
    device = true.copy()
    device[10:15], device[20:23], device[30], device[40] = NO_STAMP, 0, -5, 2**63 - 1
    clock = clocks()
    _, _, verdict = clock.map(device, true + MS)
    assert [count(clock, name) for name in ("missing", "zero", "absurd")] == [5, 3, 2]
    assert np.count_nonzero(verdict) == 10  # a device that has a clock does not lose it for one message


@pytest.mark.parametrize("rate_hz", [4, 100, 1000])
def test_a_stamp_that_stands_still_is_flagged_within_a_second_and_cleared_when_it_moves(
    clocks: Any, start_ns: int, rate_hz: int
) -> None:
    true = steady(start_ns, 6 * rate_hz, rate_hz=rate_hz)
    device = true.copy()
    device[2 * rate_hz : 4 * rate_hz] = device[2 * rate_hz]
    clock = clocks()
    frozen = []
    for i in range(true.size):
        clock.map(device[i], true[i] + MS)
        frozen.append(bool(clock.bank.frozen[0]))
    assert not any(frozen[: 2 * rate_hz])
    assert all(frozen[3 * rate_hz : 4 * rate_hz])
    assert not any(frozen[4 * rate_hz + 1 :])
    assert count(clock, "freezes") == 1
    assert count(clock, "repeated") == 2 * rate_hz - 1
    assert clock.bank.steps[0] == 0


def test_a_clock_that_jumps_and_then_stands_still_is_flagged(clocks: Any, start_ns: int) -> None:
    true = steady(start_ns, 400)
    device = np.where(np.arange(400) < 200, true, 946_684_800 * SECOND)
    clock = clocks()
    clock.map(device, true + MS)
    assert clock.bank.frozen[0]
    assert clock.bank.steps[0] == 0


def test_a_frozen_stamp_does_not_make_old_content_new(clocks: Any, start_ns: int) -> None:
    true = steady(start_ns, 1000)
    device = np.minimum(true, true[200])
    clock = clocks()
    mapped, _, _ = clock.map(device, true + MS)
    assert np.array_equal(mapped, device)


def test_messages_that_count_on_while_their_stamp_is_frozen_are_placed_by_arrival(start_ns: int) -> None:
    true = steady(start_ns, 1000)
    device = np.minimum(true, true[200])
    bank, arrivals = ClockBank(1), true + MS
    mapped, sigma, verdict = np.zeros(1000, np.int64), np.zeros(1000), np.zeros(1000, np.uint8)
    bank.map(np.zeros(1000, np.int32), device, arrivals, mapped, sigma, verdict, number=np.arange(1000))
    assert not verdict.any()
    assert np.array_equal(mapped[300:], arrivals[300:])


def test_stamps_sent_twice_are_counted_but_not_called_frozen(clocks: Any, start_ns: int) -> None:
    true = steady(start_ns, 500)
    clock = clocks()
    clock.map(np.repeat(true, 2), np.repeat(true + MS, 2))
    assert count(clock, "repeated") == 500
    assert count(clock, "freezes") == 0


def test_late_messages_are_counted_as_backwards(clocks: Any, start_ns: int) -> None:
    device = steady(start_ns, 200)
    device[50], device[51] = device[51], device[50]
    clock = clocks()
    clock.map(device, steady(start_ns, 200) + 20 * MS)
    assert count(clock, "backwards") == 1


@pytest.mark.parametrize("rate_hz", [1, 2, 10, 100])
@pytest.mark.parametrize("offset_ns", [0, 7 * HOUR, -7 * HOUR])
def test_clock_steps_of_an_hour_are_followed_within_two_seconds(
    clocks: Any, start_ns: int, offset_ns: int, rate_hz: int
) -> None:
    true = steady(start_ns, 40 * rate_hz, rate_hz=rate_hz)
    device = true + offset_ns
    device[10 * rate_hz : 25 * rate_hz] -= HOUR  # back, and ahead again
    clock = clocks()
    mapped, _, _ = clock.map(device, true + MS)
    settled = np.r_[0 : 10 * rate_hz, 12 * rate_hz : 25 * rate_hz, 27 * rate_hz : 40 * rate_hz]
    assert np.abs(mapped - true)[settled].max() <= MS
    assert (count(clock, "steps_back"), count(clock, "steps_ahead")) == (1, 1)


def test_refused_stamps_are_counted_by_direction(clocks: Any, start_ns: int) -> None:
    true = steady(start_ns, 300)
    device = true.copy()
    device[[50, 100]] += HOUR
    device[150] -= HOUR
    clock = clocks()
    _, _, verdict = clock.map(device, true + MS)
    assert verdict[[50, 100, 150]].tolist() == [Verdict.FUTURE, Verdict.FUTURE, Verdict.TOO_OLD]
    assert (count(clock, "future"), count(clock, "past"), count(clock, "backwards")) == (2, 1, 0)


@pytest.mark.parametrize("jitter_us", [20, 200])
def test_the_jitter_of_even_stamps_is_seen_whatever_the_transport(clocks: Any, start_ns: int, jitter_us: int) -> None:
    rng = np.random.default_rng(31)
    true = steady(start_ns, 3000)
    device = true + (rng.standard_normal(3000) * jitter_us * 1e3).astype(np.int64)
    receive = np.maximum.accumulate(true + (3e6 + rng.exponential(4e6, 3000)).astype(np.int64))
    clock = clocks()
    clock.map(device, receive)
    assert clock.bank.unevenness_s[0] == pytest.approx(jitter_us * 1e-6, rel=0.4)
    assert clock.bank.queueing_s[0] == pytest.approx(4e-3, rel=0.7)


def test_a_latency_floor_is_taken_off_estimated_offsets_and_arrivals(start_ns: int) -> None:
    true = steady(start_ns, 300)
    bank = ClockBank(3)
    for stream in range(3):
        bank.configure(stream, latency_floor_ns=3 * MS)
    out = np.zeros(300, np.int64), np.zeros(300), np.zeros(300, np.uint8)
    for stream, device, expected in [
        (0, true + HOUR, true),
        (1, np.full(300, NO_STAMP), true),
        (2, true, true),  # shares the clock: nothing to take off
    ]:
        bank.map(np.full(300, stream, np.int32), device, true + 3 * MS, *out)
        assert np.array_equal(out[0], expected)
    assert bank.offset_s[:1] == pytest.approx([-3600.0])


def test_an_offset_measured_both_ways_shows_the_floor_and_keeps_showing_it(clocks: Any, start_ns: int) -> None:
    rng = np.random.default_rng(32)
    true = steady(start_ns, 90_000)
    device = start_ns + ((true - start_ns) * (1 + 30e-6)).astype(np.int64) + HOUR
    receive = np.maximum.accumulate(true + (8e6 + rng.exponential(4e6, true.size)).astype(np.int64))
    clock = clocks()
    mapped = np.zeros(true.size, np.int64)
    for i in range(0, true.size, 500):  # every 5 s a measurement, for the first five minutes
        now = slice(i, i + 500)
        mapped[now] = clock.map(device[now], receive[now])[0]
        if i < 30_000:
            last = i + 499
            clock.bank.set_two_way(0, int(true[last] - device[last] + rng.normal(0, 0.2e6)), 0.2e6)
    error = (mapped - true) * 1e-9
    assert np.abs(error[1000:30_000]).max() < 1e-3
    assert np.abs(error[-2000:]).max() < 1e-3  # ten minutes after the last
    assert abs(clock.bank.offset_s[0] - (true[-1] - device[-1]) * 1e-9) < 1e-3


def test_a_clock_step_forgets_what_was_measured_both_ways(clocks: Any, start_ns: int) -> None:
    true = steady(start_ns, 600)
    device = true + HOUR
    device[300:] += HOUR
    clock = clocks()
    clock.map(device[:200], true[:200] + 5 * MS)
    clock.bank.set_two_way(0, -HOUR, 0.1 * MS)
    mapped, _, _ = clock.map(device[200:], true[200:] + 5 * MS)
    assert np.abs(mapped - true[200:])[:100].max() < MS
    assert np.abs(mapped - true[200:])[110:].max() <= 5 * MS


@pytest.mark.parametrize(
    ("std", "offset", "stream"), [(0.0, 0, 0), (-1.0, 0, 0), (float("nan"), 0, 0), (1.0, 2**63 - 1, 0), (1.0, 0, 1)]
)
def test_two_way_offsets_that_cannot_be_are_refused(std: float, offset: int, stream: int) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        ClockBank(1).set_two_way(stream, offset, std)


@pytest.mark.parametrize("settings_of", [{"latency_floor_ns": -1}, {"period_ns": -1.0}, {"period_ns": float("nan")}])
def test_a_configuration_that_cannot_be_is_refused(settings_of: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        ClockBank(1).configure(0, **settings_of)


def follow_numbers(
    number: np.ndarray, receive: np.ndarray, *, period_ns: float = 0.0, device: np.ndarray | None = None
) -> tuple[ClockBank, np.ndarray, np.ndarray, np.ndarray]:
    bank, size = ClockBank(1), number.size
    bank.configure(0, period_ns=period_ns)
    mapped, sigma, verdict = np.zeros(size, np.int64), np.zeros(size), np.zeros(size, np.uint8)
    stamps = np.full(size, NO_STAMP) if device is None else device
    bank.map(np.zeros(size, np.int32), stamps, receive, mapped, sigma, verdict, number=number)
    return bank, mapped, sigma, verdict


@pytest.mark.parametrize("rate_hz", [50, 500])
@pytest.mark.parametrize(("nominal", "start"), [(0.0, 0), (0.0, 12345), (1.0, 7), (1.0002, 7)])
def test_messages_without_stamps_are_placed_by_their_numbers(start_ns: int, rate_hz: int, nominal: float, start: int) -> None:
    rng = np.random.default_rng(33)
    true = steady(start_ns, 60 * rate_hz, rate_hz=rate_hz)
    receive = true + (3e6 + rng.exponential(4e6, true.size)).astype(np.int64)
    got = rng.random(true.size) > 0.05  # losses
    number, true, receive = np.arange(start, start + true.size)[got], true[got], np.maximum.accumulate(receive[got])
    bank, mapped, _, verdict = follow_numbers(number, receive, period_ns=nominal * 1e9 / rate_hz)
    assert not verdict.any()
    assert (mapped <= receive).all()
    error = (mapped - true - 3 * MS)[10 * rate_hz :] * 1e-9
    assert np.sqrt((error**2).mean()) < 0.5e-3  # arrivals alone: 4 ms
    assert bank.counts()["gaps"][0] == number[-1] - start + 1 - number.size
    assert np.isnan(bank.offset_s[0])


def test_a_counter_that_begins_again_is_followed(start_ns: int) -> None:
    true = steady(start_ns, 4000)
    number = np.r_[1000:3000, 0:2000]
    _, mapped, _, verdict = follow_numbers(number, true + MS)
    assert not verdict.any()
    assert np.abs(mapped - true)[:2000].max() <= 2 * MS
    assert np.abs(mapped - true).max() <= 2 * MS


def test_stamps_win_over_numbers_once_they_come(start_ns: int) -> None:
    true = steady(start_ns, 2000)
    device = np.where(np.arange(2000) < 1000, NO_STAMP, true)
    bank, mapped, _, _ = follow_numbers(np.arange(2000), true + MS, device=device)
    assert np.array_equal(mapped[1000:], true[1000:])
    assert bank.trusted[0]


@settings(derandomize=True, max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.one_of(st.just(NO_STAMP), st.integers(-(2**63), 2**63 - 1), st.integers(1_699_999_990, 1_700_000_010)),
            st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 100)),
            st.integers(-SECOND, 5 * SECOND),
        ),
        max_size=60,
    ),
    st.sampled_from([0.0, 1e7]),
)
def test_any_numbers_and_stamps_end_in_finite_stamps_not_after_their_arrival(
    start_ns: int, garbage: list[tuple[int, int, int]], period_ns: float
) -> None:
    device = np.array([entry[0] for entry in garbage], np.int64)
    number = np.array([entry[1] for entry in garbage], np.int64)
    receive = start_ns + np.cumsum(np.array([entry[2] for entry in garbage], np.int64))
    _, mapped, sigma, verdict = follow_numbers(number, receive, period_ns=period_ns, device=device)
    assert np.isfinite(sigma).all()
    assert np.isin(verdict, (Verdict.ACCEPTED, Verdict.FUTURE, Verdict.TOO_OLD)).all()
    assert ((mapped <= receive + MS) | (verdict != Verdict.ACCEPTED)).all()
