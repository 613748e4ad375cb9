"""How long to wait before trying again."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from twind.flow.retry import Backoff


@given(base_s=st.floats(0.001, 10), cap_s=st.floats(0.001, 100), failures=st.integers(1, 200), seed=st.integers(0, 2**32))
def test_every_delay_lies_between_zero_and_its_doubling_ceiling(base_s: float, cap_s: float, failures: int, seed: int) -> None:
    backoff = Backoff(base_s=base_s, cap_s=cap_s, rng=random.Random(seed))  # noqa: S311
    for attempt in range(failures):
        assert 0 <= backoff.next_delay_s() <= min(cap_s, base_s * 2.0**attempt)
    assert backoff.attempt == failures


def test_jitter_is_full() -> None:
    delays = [Backoff(base_s=1, cap_s=1, rng=random.Random(seed)).next_delay_s() for seed in range(1000)]  # noqa: S311
    assert min(delays) < 0.01
    assert max(delays) > 0.99


def test_a_thousand_failures_do_not_overflow() -> None:
    backoff = Backoff(base_s=0.5, cap_s=30, attempt=10_000)
    assert backoff.next_delay_s() <= 30


def test_a_success_starts_from_the_bottom() -> None:
    backoff = Backoff(base_s=0.5, cap_s=30, attempt=9)
    backoff.reset()
    assert backoff.next_delay_s() <= 0.5
