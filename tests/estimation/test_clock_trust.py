"""Devices whose clock starts near the daemon's: which of them share it, and which only seem to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twind.estimation.clock_lines import BUCKETS, best_skew, drifts, support

MS = 1_000_000


def wifi(rng: np.random.Generator, count: int) -> np.ndarray:
    """Delays of 3 ms plus an exponential of 4 ms, and 1 % of 50 to 200 ms [ns]."""
    delay = 3e6 + rng.exponential(4e6, count)
    late = rng.random(count) < 0.01
    delay[late] = rng.uniform(50e6, 200e6, int(late.sum()))
    return delay


DELAYS = {
    "wired": lambda rng, count: rng.uniform(0.2e6, 5e6, count),
    "normal": lambda rng, count: np.abs(rng.normal(8e6, 1.5e6, count)),
    "wifi": wifi,
    "heavy": lambda rng, count: 1e6 + np.exp(rng.normal(np.log(2e6), 1.0, count)),
}


def stream(
    start_ns: int, rng: np.random.Generator, delays: str, *, rate_hz: int, seconds: int, skew: float = 0.0, offset_ns: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return true, device and receive stamps."""
    true = start_ns + (np.arange(rate_hz * seconds) * (1e9 / rate_hz)).astype(np.int64)
    device = start_ns + ((true - start_ns) * (1.0 + skew)).astype(np.int64) + offset_ns
    return true, device, np.maximum.accumulate(true + DELAYS[delays](rng, true.size).astype(np.int64))


@pytest.mark.parametrize("delays", DELAYS)
@pytest.mark.parametrize("rate_hz", [1, 10, 100, 500])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_synchronised_device_keeps_its_stamps_exactly(
    clocks: Any, start_ns: int, delays: str, rate_hz: int, seed: int
) -> None:
    seconds = 120 if rate_hz > 100 else 400
    _, device, receive = stream(start_ns, np.random.default_rng(seed), delays, rate_hz=rate_hz, seconds=seconds)
    clock = clocks()
    mapped, sigma, _ = clock.map(device, receive)
    assert np.array_equal(mapped, device)
    assert not sigma.any()


@pytest.mark.parametrize("rate_hz", [20, 100, 500])
@pytest.mark.parametrize("skew", [50e-6, -50e-6, 90e-6])
@pytest.mark.parametrize("offset_ns", [0, 2 * MS, 10 * MS, -30 * MS])
def test_a_free_running_clock_that_starts_near_zero_is_mapped_within_half_a_millisecond_after_thirty_seconds(
    clocks: Any, start_ns: int, rate_hz: int, skew: float, offset_ns: int
) -> None:
    true, device, receive = stream(
        start_ns, np.random.default_rng(41), "wifi", rate_hz=rate_hz, seconds=150, skew=skew, offset_ns=offset_ns
    )
    clock = clocks()
    mapped, _, verdict = clock.map(device, receive)
    assert not verdict.any()
    error = (mapped - true - 3 * MS)[30 * rate_hz :]  # the constant floor of the delay cannot be seen one-way
    assert np.sqrt((error.astype(float) ** 2).mean()) < 0.5 * MS
    assert not clock.bank.trusted[0]


@pytest.mark.parametrize(("rate_hz", "seeds"), [(5, 100), (1000, 5)])
@pytest.mark.parametrize("skew", [50e-6, -50e-6])
def test_nearly_all_are_also_at_a_low_rate_and_where_late_messages_hold_up_the_rest(
    clocks: Any, start_ns: int, rate_hz: int, seeds: int, skew: float
) -> None:
    good = 0
    for seed in range(seeds):
        true, device, receive = stream(start_ns, np.random.default_rng(seed), "wifi", rate_hz=rate_hz, seconds=90, skew=skew)
        mapped, _, _ = clocks().map(device, receive)
        error = (mapped - true - 3 * MS)[30 * rate_hz :]
        good += bool(np.sqrt((error.astype(float) ** 2).mean()) < 0.5 * MS)
    assert good >= 0.98 * seeds


def test_a_clock_that_was_doubted_on_a_hint_is_trusted_again_within_a_minute(clocks: Any, start_ns: int) -> None:
    doubted = 0
    for seed in range(60):
        _, device, receive = stream(start_ns, np.random.default_rng(seed), "wifi", rate_hz=5, seconds=90)
        clock = clocks()
        mapped, _, _ = clock.map(device, receive)
        doubted += not np.array_equal(mapped, device)
        assert clock.bank.trusted[0]
    assert 0 < doubted < 4


def test_a_free_running_clock_is_not_trusted_while_its_offset_passes_through_zero(clocks: Any, start_ns: int) -> None:
    true, device, receive = stream(
        start_ns, np.random.default_rng(42), "wifi", rate_hz=50, seconds=1200, skew=80e-6, offset_ns=-90 * MS
    )
    clock = clocks()
    mapped, _, _ = clock.map(device, receive)
    error = (mapped - true - 3 * MS)[30 * 50 :]
    assert np.abs(error).max() < 2 * MS
    assert clock.bank.counts()["trust_lost"][0] <= 1


def test_a_slower_drift_shows_over_minutes(clocks: Any, start_ns: int) -> None:
    _, device, receive = stream(start_ns, np.random.default_rng(43), "wifi", rate_hz=50, seconds=240, skew=10e-6)
    clock = clocks()
    clock.map(device, receive)
    assert not clock.bank.trusted[0]


def test_a_configured_floor_leaves_nothing_of_the_delay(start_ns: int, clocks: Any) -> None:
    true, device, receive = stream(start_ns, np.random.default_rng(44), "wifi", rate_hz=100, seconds=90, skew=50e-6)
    clock = clocks()
    clock.bank.configure(0, latency_floor_ns=3 * MS)
    mapped, _, _ = clock.map(device, receive)
    assert np.sqrt((((mapped - true)[3000:]).astype(float) ** 2).mean()) < 0.5 * MS


@pytest.mark.parametrize("at_s", [20, 50, 70, 100])
@pytest.mark.parametrize("change_ns", [2 * MS, 6 * MS, 20 * MS])
def test_a_route_that_becomes_longer_is_not_a_drift(clocks: Any, start_ns: int, at_s: int, change_ns: int) -> None:
    true, device, receive = stream(start_ns, np.random.default_rng(45), "wired", rate_hz=100, seconds=140)
    receive = receive + np.where(true >= start_ns + at_s * 10**9, change_ns, 0)
    clock = clocks()
    mapped, _, _ = clock.map(device, np.maximum.accumulate(receive))
    assert np.array_equal(mapped, device)


def test_a_backlog_that_grows_and_flows_is_not_a_drift(clocks: Any, start_ns: int) -> None:
    true, device, receive = stream(start_ns, np.random.default_rng(46), "wired", rate_hz=100, seconds=140)
    passed = (true - start_ns) * 1e-9
    backlog = np.interp(passed, [0, 60, 75, 78, 140], [0, 0, 400e6, 0, 0]).astype(np.int64)
    clock = clocks()
    mapped, _, _ = clock.map(device, np.maximum.accumulate(receive + backlog))
    assert np.array_equal(mapped, device)


def test_a_device_that_is_synchronised_later_is_trusted_again(clocks: Any, start_ns: int) -> None:
    rng = np.random.default_rng(47)
    true, device, receive = stream(start_ns, rng, "wired", rate_hz=20, seconds=60, skew=60e-6)
    later, synced, arrivals = stream(int(true[-1]) + 50 * MS, rng, "wired", rate_hz=20, seconds=400)
    clock = clocks()
    clock.map(device, receive)
    assert not clock.bank.trusted[0]
    mapped, _, _ = clock.map(synced, arrivals)
    assert clock.bank.trusted[0]
    assert np.array_equal(mapped[-20 * 60 :], later[-20 * 60 :])


def test_too_few_slices_tell_no_drift() -> None:
    slices, x, y = np.full(BUCKETS, -1), np.zeros(BUCKETS), np.zeros(BUCKETS)
    slices[:8], x[:8], y[:8] = range(8), np.arange(8) * 1e9, np.arange(8) * 1e6
    assert not any(drifts(slices, x, y, 7, 1e-2, enough) for enough in (np.inf, 5.0))


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(0.0, 5e6)), min_size=1, max_size=BUCKETS), st.sampled_from([1e-4, 2e-3])
)
def test_the_line_found_is_the_highest_below_all_delays(points: list[tuple[float, float]], bound: float) -> None:
    count = len(points)
    slices, x, y = np.full(BUCKETS, -1), np.zeros(BUCKETS), np.zeros(BUCKETS)
    slices[:count] = range(count)
    x[:count], y[:count] = np.cumsum([step * 1e9 for step, _ in points]), [delay for _, delay in points]
    middle = x[:count].mean()

    def height(skew: float) -> float:
        return support(slices, x, y, count - 1, BUCKETS, skew, middle)

    found = best_skew(slices, x, y, count - 1, BUCKETS, middle, -bound, bound)
    assert abs(found) <= bound
    assert height(found) >= max(height(skew) for skew in np.linspace(-bound, bound, 401)) - 1e-3
